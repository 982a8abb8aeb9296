"""`pycompose alpha publish`: the same as `pycompose publish`."""

from ..publish import add_arguments, run

__all__ = ["add_arguments", "run"]
