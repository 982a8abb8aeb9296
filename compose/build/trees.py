"""What a build is asked for with. Types only; nothing here is imported at run time."""

from __future__ import annotations

from typing import TypedDict


class BuildFlags(TypedDict, total=False):
    """What the flags of `build` say over the file. ``memory`` is in bytes; ``ssh`` are ``ID`` or ``ID=SOCKET``."""

    no_cache: bool
    pull: bool
    args: dict[str, str | None]
    memory: int | None
    ssh: list[str]


class BuildOutput(TypedDict, total=False):
    """Where a build's result goes, as the engine takes it; without ``tar`` an OCI layout is a directory."""

    type: str
    dest: str
    tar: bool
