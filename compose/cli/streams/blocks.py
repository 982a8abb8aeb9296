"""Files and standard streams as blocks of bytes, for archives that go in and out."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ...errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK = 1024 * 1024


def read_blocks(path: str | None) -> Iterator[bytes]:
    """The blocks of a file; of stdin for None and ``-``. Raises `OperationError` at once when it cannot be opened."""
    if path in (None, "-"):
        stream = sys.stdin.buffer
    else:
        try:
            stream = open(str(path), "rb")  # noqa: SIM115  (closed by the generator below)
        except OSError as error:
            raise OperationError(f"open {path}: {str(error.strerror).lower()}") from error

    def blocks() -> Iterator[bytes]:
        with stream:
            while data := stream.read(_BLOCK):
                yield data

    return blocks()


def write_blocks(blocks: Iterable[bytes], path: str | None) -> None:
    """Write to a file (appearing whole or not at all), or to stdout, which must not be a terminal."""
    if path is None or path == "-":
        if sys.stdout.isatty():
            raise OperationError("cowardly refusing to write to a terminal. Use the -o flag or redirect")
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        return
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        raise OperationError(f'invalid output path: directory "{directory}" does not exist')
    temporary = f"{path}.pycompose-part"
    try:
        with open(temporary, "wb") as file:
            for block in blocks:
                file.write(block)
        os.rename(temporary, path)
    except OSError as error:
        raise OperationError(f"{error.filename or path}: {error.strerror}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
