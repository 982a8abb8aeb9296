"""`pycompose builder build`: another name of `pycompose image build`."""

from __future__ import annotations

from ..image.build import add_arguments, run

__all__ = ["add_arguments", "run"]
