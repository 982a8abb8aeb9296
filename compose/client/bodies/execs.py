"""Commands in running containers."""

from __future__ import annotations

from typing import TypedDict


class Exec(TypedDict, total=False):
    """GET /exec/{id}/json; ``ExitCode`` is None while it runs."""

    ID: str
    Running: bool
    ExitCode: int | None
    Pid: int
