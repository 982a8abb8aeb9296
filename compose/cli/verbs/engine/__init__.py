"""The verbs of `pycompose engine`, one file each."""
