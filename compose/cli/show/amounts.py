"""How much of a stream has passed, on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

from .transfer import row_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EVERY = 0.1  # seconds


def counted(blocks: Iterable[bytes], name: str, status: str, total: int = 0) -> Iterator[bytes]:
    """The blocks as they come; meanwhile a row on stderr tells how much has passed, if that is a terminal."""
    if not sys.stderr.isatty():
        yield from blocks
        return
    done, next_time = 0, 0.0
    try:
        for block in blocks:
            done += len(block)
            if (now := time.monotonic()) >= next_time:
                next_time = now + _EVERY
                _show(name, status, done, total)
            yield block
        _show(name, status, done, total)
    finally:
        print(file=sys.stderr)


def _show(name: str, status: str, done: int, total: int) -> None:
    text = row_text(name, status, {"current": done, "total": total}, shutil.get_terminal_size().columns - 1)
    print(f"\r\033[K{text}", end="", flush=True, file=sys.stderr)
