"""Where keeper and engine write to: a log in the run directory, which is put aside when they end. And the keeper's own lines in it."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from .. import loglines

if TYPE_CHECKING:
    from ..layout import Layout

_KEPT = 1 << 20
_form = "text"


def write_as(form: str) -> None:
    """The form of the lines of this process, and of all that are forked from it from now on; an unknown one changes nothing."""
    global _form
    if form in loglines.FORMATS:
        _form = form


def say(source: str, text: str) -> None:
    """One line, as `engine.journal` writes them, on the process's standard error."""
    line = {"time": loglines.moment(time.time()), "level": "error", "source": f"engine.runtime.{source}", "msg": text}
    with contextlib.suppress(OSError):  # the log's disk is full: no reason to end
        os.write(2, f"{loglines.written(line, _form)}\n".encode())


def redirect_output(path: str) -> None:
    """The caller's output, and that of all its children, goes to the file; input is empty."""
    null = os.open("/dev/null", os.O_RDWR)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)


def put_aside(layout: Layout) -> None:
    """What was logged outlives the run directory, until the next engine that has something to say. Raises OSError when
    it could not be kept; it is gone from the run directory then, too."""
    try:
        with open(layout.engine_log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _KEPT))
            text = file.read()
    except FileNotFoundError:
        return
    os.unlink(layout.engine_log)
    if text:
        with open(os.open(layout.last_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as kept:
            kept.write(text)
