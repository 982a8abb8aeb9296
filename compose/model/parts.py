"""What a service and its build both have. Types only; nothing here is imported at run time."""

from __future__ import annotations

from typing import TypedDict


class FileReference(TypedDict, total=False):
    """A service's (or build's) use of a config or secret. ``mode`` is a number of permission bits."""

    source: str
    target: str
    uid: str
    gid: str
    mode: int


class Ulimit(TypedDict, total=False):
    soft: int
    hard: int
