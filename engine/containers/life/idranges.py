"""Which ranges of ids the containers of this machine's engines have, so that no two have the same: a link for each.

    /run/pycompose-ids/70050000 ──► the state directory of the container whose ids begin there

A link without its directory is nobody's any more. Nothing has to be given back for that, and a reboot gives back everything: what
is on disk counts from 0, so a container that starts may get other ids than it had.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DIRECTORY = Path("/run/pycompose-ids")


def take(candidates: Iterable[int], owner: Path) -> int | None:
    """The first of them that nobody else has, which is the owner's from here on; None when there is none left. ``owner`` is
    the container's state directory. Waits for other engines, for as long as they look. Raises OSError."""
    with _held() as directory:
        for first in candidates:
            name = f"{first:x}"
            found = _target(directory, name)
            if found == str(owner):
                return first
            if found is not None:
                if os.path.isdir(found):
                    continue
                os.unlink(name, dir_fd=directory)
            os.symlink(owner, name, dir_fd=directory)
            return first
    return None


def give_back(first: int, owner: Path) -> None:
    """What is the owner's; the last one takes the directory along."""
    if not DIRECTORY.is_dir():
        return
    with _held() as directory:
        if _target(directory, f"{first:x}") == str(owner):
            os.unlink(f"{first:x}", dir_fd=directory)
        with contextlib.suppress(OSError):  # others have some
            DIRECTORY.rmdir()


@contextlib.contextmanager
def _held() -> Iterator[int]:
    """The directory, which no other engine changes meanwhile."""
    while True:
        with contextlib.suppress(FileExistsError):
            DIRECTORY.mkdir(mode=0o700)
        try:
            descriptor = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # given back between the two
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:  # still there
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _target(directory: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory)
    except FileNotFoundError:
        return None
