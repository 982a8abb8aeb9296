"""The verbs of `pycompose system`, one file each."""
