"""The verbs of `pycompose container`, one file each."""
