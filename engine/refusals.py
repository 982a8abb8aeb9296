"""What the machine refuses (room, inodes, writing, descriptors, memory), told so that somebody can do something about it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_ADVICE = {
    errno.ENOSPC: "make room (image prune, volume prune and builder prune do), then try again",
    errno.EDQUOT: "make room or raise the quota, then try again",
    errno.EROFS: "make the disk writable again (see the kernel's log for why it is not)",
    errno.EMFILE: "raise the engine's limit of open files",
    errno.ENFILE: "raise the machine's limit of open files (fs.file-max)",
    errno.ENOMEM: "end something, or give the engine more memory",
}


def is_refusal(error: BaseException) -> bool:
    """Whether the machine has refused, rather than the engine been wrong."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _ADVICE)


def in_words(error: OSError | MemoryError, places: Iterable[str | os.PathLike[str]] = ()) -> str:
    """One line: the file or, where the error names none, the one of ``places`` (directories) whose disk is full; what is
    wrong with it; what to do."""
    number = error.errno if isinstance(error, OSError) and error.errno is not None else errno.ENOMEM
    name = error.filename if isinstance(error, OSError) else None
    where = os.fsdecode(name) if isinstance(name, str | bytes) else ""
    what = os.strerror(number)
    if number in _NO_ROOM:
        directories = [os.path.dirname(where)] if os.path.isabs(where) else [os.fspath(place) for place in places]
        full = next((place for place in directories if _lacks(place)), "")
        if not os.path.isabs(where):  # nothing, or a name below a descriptor, which tells nobody where
            where = full or (directories[0] if directories else where)
        what = _lacks(full) or what if full else what
    return ": ".join(part for part in (where, what, _ADVICE.get(number, "")) if part)


def told(error: Exception, *places: str | os.PathLike[str]) -> str:
    """One line for any error: `in_words` where the machine has refused, else what it says itself."""
    return in_words(error, places) if isinstance(error, OSError | MemoryError) and is_refusal(error) else str(error)


def _lacks(directory: str) -> str:
    """What the disk below a directory has run out of; "" for nothing."""
    try:
        space = os.statvfs(directory)
    except OSError:
        return ""
    if space.f_files and not space.f_favail:
        return "No inodes left on device"
    return os.strerror(errno.ENOSPC) if not space.f_bavail else ""
