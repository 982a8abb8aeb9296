"""Archives of `cp` that come from standard input or go to standard output."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from ...app.copying import from_container, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...client import Engine

_BLOCK = 1024 * 1024


@contextlib.contextmanager
def stdin_archive(readers: int) -> Iterator[Callable[[], Iterator[bytes]]]:
    """The tar on stdin, to be read ``readers`` times: for more than one it is kept in a temporary file."""
    from .blocks import read_blocks

    if readers == 1:
        yield partial(read_blocks, None)
        return
    with tempfile.TemporaryFile() as kept:
        for block in read_blocks(None):
            kept.write(block)

        def again() -> Iterator[bytes]:
            kept.seek(0)
            return iter(lambda: kept.read(_BLOCK), b"")

        yield again


def copy_out(
    engine: Engine, container: str, path: str, destination: str, *, follow: bool, remark: Callable[[str], None]
) -> None:
    """As `from_container`; ``-`` for the destination writes the tar to standard output."""
    if destination != "-":
        from_container(engine, container, path, destination, follow=follow, remark=remark)
        return
    for block in opened(engine, container, path, follow=follow)[1]:
        sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
