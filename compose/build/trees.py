"""What a build is asked for with. Types only; nothing here is imported at run time."""

from __future__ import annotations

from typing import TypedDict


class BuildFlags(TypedDict, total=False):
    """What the flags of `build` say over the file. ``memory`` is in bytes; ``ssh`` are ``ID`` or ``ID=SOCKET``; ``provenance`` and
    ``sbom`` are those of the build section, None where the flag is not given; ``every_platform`` builds for all that the section names,
    as `build` does, where what is built to be run at once is for one."""

    no_cache: bool
    pull: bool
    args: dict[str, str | None]
    memory: int | None
    ssh: list[str]
    provenance: str | None
    sbom: str | None
    every_platform: bool


class BuildOutput(TypedDict, total=False):
    """Where a build's result goes, as the engine takes it; without ``tar`` an OCI layout is a directory."""

    type: str
    dest: str
    tar: bool
