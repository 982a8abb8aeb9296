"""How `pycompose image build` shows a build of our own engine: its events folded into plain lines or a live view."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .view import BuildView

if TYPE_CHECKING:
    from typing import TextIO

MODES = ("auto", "plain", "tty", "quiet", "rawjson")


def choose(mode: str, out: TextIO) -> BuildView:
    """A view for ``mode``, one of `MODES`; ``auto`` is live on a terminal and plain elsewhere."""
    if mode == "auto":
        mode = "tty" if out.isatty() and os.environ.get("TERM") != "dumb" else "plain"
    if mode == "tty":
        from .tty import TtyView

        return TtyView(out, color="NO_COLOR" not in os.environ)
    if mode == "quiet":
        return BuildView(out)
    if mode == "rawjson":
        from .plain import JsonView

        return JsonView(out)
    from .plain import PlainView

    return PlainView(out)
