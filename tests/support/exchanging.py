"""A neighbour that puts links in place of a directory's entries, again and again, while the engine works there.

    with exchanging(directory, {"part": outside}):
        ...

Every name alternates between what it was and a symbolic link, in one step (renameat2(RENAME_EXCHANGE)); with
``everything`` each entry that appears is replaced by a link to that path. A process of its own: it runs beside the engine.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_EXCHANGE = 2
_AT_FDCWD = -100
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def exchanging(
    directory: Path, links: Mapping[str, Path] | None = None, *, everything: Path | None = None
) -> Iterator[None]:
    """Exchange entries of ``directory`` while inside; afterwards each is what it was, if the engine has not replaced it."""
    for name, target in (links or {}).items():
        os.symlink(target, directory / f".{name}.link")
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, b"x")
            while True:
                for name in links or ():
                    _exchange(directory / name, directory / f".{name}.link")
                if everything is not None:
                    _replace_all(directory, everything)
        finally:
            os._exit(1)
    try:
        os.close(write)
        os.read(read, 1)  # it runs
        yield
    finally:
        os.close(read)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for name in links or ():
            link = directory / f".{name}.link"
            if not link.is_symlink():
                _exchange(directory / name, link)
            if link.is_symlink():
                link.unlink()


def _exchange(one: Path, other: Path) -> None:
    result = _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    assert result == 0, os.strerror(ctypes.get_errno())


def _replace_all(directory: Path, target: Path) -> None:
    with os.scandir(directory) as found:
        fresh = [entry.name for entry in found if not entry.is_symlink()]
    for name in fresh:
        link = directory / f".swap-{name}"
        try:
            os.symlink(target, link)
            os.rename(link, directory / name)
        except OSError:  # removed, or made again, meanwhile
            if link.is_symlink():
                link.unlink()
