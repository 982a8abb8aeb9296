"""Showing progress: tty (a live line per resource), plain (a line per change), json (an object per change), quiet.

All write to stderr, so that stdout stays what the command is asked for.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

from ....errors import UsageError
from ...flags.parser import PROGRESS

if TYPE_CHECKING:
    from types import TracebackType

    from ....run.events import Event


class Renderer(Protocol):
    """Used as a context manager; `handle` may be called from any thread, one at a time."""

    def __enter__(self) -> Renderer: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def handle(self, event: Event) -> None: ...


def choose_renderer(mode: str | None, ansi: str | None, title: str = "Running") -> Renderer:
    """``mode`` is --progress or COMPOSE_PROGRESS, ``ansi`` --ansi or COMPOSE_ANSI. Raises `UsageError`."""
    mode = mode or os.environ.get("COMPOSE_PROGRESS") or "auto"
    ansi = ansi or os.environ.get("COMPOSE_ANSI") or "auto"
    if mode not in PROGRESS:
        raise UsageError(f"unsupported --progress value {mode!r}: one of {', '.join(PROGRESS)}")
    if ansi not in ("auto", "never", "always"):
        raise UsageError(f"unsupported --ansi value {ansi!r}: one of never, always, auto")
    if mode == "auto":
        live = ansi != "never" and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        mode = "tty" if live else "plain"
    if mode == "tty":
        from .tty import TtyRenderer

        return TtyRenderer(sys.stderr, title, color="NO_COLOR" not in os.environ and ansi != "never")
    if mode == "json":
        from .json import JsonRenderer

        return JsonRenderer(sys.stderr)
    if mode == "quiet":
        from .quiet import QuietRenderer

        return QuietRenderer(sys.stderr)
    from .plain import PlainRenderer

    return PlainRenderer(sys.stderr)
