"""`pycompose alpha publish`: the same as `pycompose publish`."""

from ..publish import INTERSPERSED, add_arguments, run

__all__ = ["INTERSPERSED", "add_arguments", "run"]
