"""The phases of loading, in order, and the one entry point that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LoadError

if TYPE_CHECKING:
    from ..model import LoadOptions, Project


def load_project(options: LoadOptions) -> Project:
    """Load, merge, normalise and check the Compose files that ``options`` name.

    Raises `LoadError` with every diagnostic found, and `UsageError` when the options contradict each other.
    """
    raise LoadError("loading is not there yet")
