"""The verbs of `pycompose volume`, one file each."""
