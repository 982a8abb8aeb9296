"""The verbs of `pycompose network`, one file each."""
