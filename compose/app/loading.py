"""The library's way in without a stack: a loaded project, and a client for an engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Unpack

    from ..client import Engine
    from ..model import Project
    from .choices import Chosen


def load(*files: str | os.PathLike[str], **chosen: Unpack[Chosen]) -> Project:
    """The project of the Compose files, merged, interpolated and checked. Raises `LoadError` with every finding."""
    from .stack import Stack

    return Stack(*files, **chosen).project


def connect(host: str | None = None, *, root: str | None = None) -> Engine:
    """A client for the engine at ``host`` (unix://, tcp:// or ssh://), or for our own of directory ``root``; without either
    for the one that `pycompose` would use. Our own engine is started when it is first spoken to."""
    from ..client import choose, connect

    return connect(choose(os.environ, os.geteuid(), host, root))
