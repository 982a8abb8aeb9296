"""The verbs of `pycompose image`, one file each."""
