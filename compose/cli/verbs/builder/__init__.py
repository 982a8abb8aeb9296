"""The verbs of `pycompose builder`, one file each."""
