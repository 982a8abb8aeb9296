"""Reading and writing the small files of a control group: the part that v1 and v2 share.

Not here: which files mean what (cgroup_v1, cgroup_v2) and where hierarchies are mounted (cgroup).
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REMOVE_TIMEOUT = 2.0
"""Seconds to go on trying to remove a group whose last process is still on its way out."""

ABSENT = (errno.ENOENT, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM, errno.EROFS)
"""Errors of a write that mean *this machine has no such knob*; any other means the value is wrong for it."""


class CgroupError(OSError):
    """A control file refused a value. ``errno`` and ``filename`` are set; ``value`` is what was written."""

    def __init__(self, number: int, path: str, value: str) -> None:
        super().__init__(number, os.strerror(number), path)
        self.value = value

    def __str__(self) -> str:
        return f"write {self.value!r} to {self.filename}: {self.strerror}"


def read(path: str) -> str:
    """The whole content of a control file, without the last newline."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
    finally:
        os.close(fd)
    return b"".join(chunks).decode("ascii", "replace").rstrip("\n")


def read_or_none(path: str) -> str | None:
    """As :func:`read`, None when the file (or the whole group) is not there or cannot be read here."""
    try:
        return read(path)
    except OSError as error:
        if error.errno in (*ABSENT, errno.ENODEV, errno.EINVAL):
            return None
        raise


def read_number(path: str) -> int | None:
    """The number in the file; None when there is no such file, or it says ``max``."""
    text = read_or_none(path)
    return int(text) if text is not None and text.lstrip("-").isdecimal() else None


def keyed(text: str | None) -> dict[str, int]:
    """Lines of ``name number`` as a mapping (memory.stat, cpu.stat, cgroup.events…)."""
    found: dict[str, int] = {}
    for line in (text or "").splitlines():
        name, _, number = line.partition(" ")
        if number.lstrip("-").isdecimal():
            found[name] = int(number)
    return found


def write(path: str, value: str) -> None:
    """Write ``value`` in one write(2). Raises CgroupError."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise CgroupError(error.errno or errno.EIO, path, value) from None


def write_if_present(path: str, value: str) -> bool:
    """Write ``value``; False when this machine has no such knob. Raises CgroupError when the value is refused."""
    try:
        write(path, value)
    except CgroupError as error:
        if error.errno in ABSENT:
            return False
        raise
    return True


def tree(directory: str) -> Iterator[str]:
    """The group and all groups below it, deepest first. Groups that vanish meanwhile are left out."""
    try:
        with os.scandir(directory) as entries:
            children = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for child in children:
        yield from tree(child)
    yield directory


def pids(directory: str) -> list[int]:
    """Processes in the group and below. Those of a pid namespace that cannot be seen from here are left out."""
    found: list[int] = []
    for group in tree(directory):
        found.extend(int(pid) for pid in (read_or_none(f"{group}/cgroup.procs") or "").split() if pid != "0")
    return found


def remove(directories: Sequence[str], timeout: float = REMOVE_TIMEOUT) -> None:
    """Remove these groups with everything below them, trying again while one is busy.

    Groups that are not there are fine. Raises OSError (EBUSY) when processes stay for ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    delay = 0.0005
    # v1 has nothing to wait on for "the last process left", hence the short growing sleeps.
    while busy := [directory for directory in directories if not _remove_tree(directory)]:
        if time.monotonic() >= deadline:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), busy[0])
        time.sleep(delay)
        delay = min(delay * 2, 0.05)
        directories = busy


def _remove_tree(directory: str) -> bool:
    try:
        # Most groups have no children: the plain rmdir saves the walk.
        os.rmdir(directory)
        return True
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise
    for group in tree(directory):
        try:
            os.rmdir(group)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
                return False
            raise
    return not os.path.lexists(directory)
