"""Owners of whole trees, between a map with a range of ids and one with root alone (owners.py has what is remembered then).

    to a range   a file becomes its remembered owner's. One that somebody has made without other ids has none: below a
                 directory of a container's other user it becomes that user's, where ``inherited`` says so
    to one id    the owner is remembered, and the file becomes root's; of links, devices and FIFOs nothing is remembered

Both may be broken off at any file and begun anew. The caller is root of the range, and nobody else is in the trees.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from . import entries, owners

if TYPE_CHECKING:
    from collections.abc import Callable

_CAPABILITY = "security.capability"
_ROOT = (0, 0)
Owner = tuple[int, int]


class Handing:
    """One way, for several trees; counts what it has done."""

    def __init__(self, to_range: bool) -> None:
        self._one: Callable[[int, Owner], Owner] = self._to_owner if to_range else self._to_root
        self._to_range = to_range
        self.changed = 0
        self.kept = 0
        """Files whose owner is not in the range: they stay root's."""

    def tree(self, top: int, inherited: bool) -> None:
        """Everything below an open directory, and itself. Raises OSError."""
        directory = os.dup(top)
        try:
            levels = [(os.listdir(directory), self._one(directory, _ROOT))]
            while levels:
                names, owner = levels[-1]
                if not names:
                    levels.pop()
                    if levels:
                        directory = _replaced(directory, "..")
                    continue
                name = names.pop()
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                heir = owner if inherited else _ROOT
                if stat.S_ISDIR(status.st_mode):
                    directory = _replaced(directory, name)
                    levels.append((os.listdir(directory), self._one(directory, heir)))
                elif stat.S_ISREG(status.st_mode):
                    self._file(directory, name, heir)
                else:
                    self._entry(directory, name, status, heir)
        finally:
            os.close(directory)

    def _file(self, directory: int, name: str, heir: Owner) -> None:
        opened = entries.open_regular(directory, name)
        if opened is not None:
            try:
                self._one(opened, heir)
            finally:
                os.close(opened)

    def _entry(self, directory: int, name: str, status: os.stat_result, heir: Owner) -> None:
        """A link, a device, a FIFO, a socket: nothing is remembered of it."""
        here = (status.st_uid, status.st_gid)
        wanted = (heir if here == _ROOT else here) if self._to_range else _ROOT
        if wanted != here and self._is_there(wanted):
            os.chown(name, *wanted, dir_fd=directory, follow_symlinks=False)
            self.changed += 1

    def _to_owner(self, fd: int, heir: Owner) -> Owner:
        here = _owner(fd)
        wanted = owners.told(fd) or (heir if here == _ROOT else here)
        if wanted != here:
            if not self._is_there(wanted):
                return _ROOT  # what was remembered stays: another range may have it
            _give(fd, wanted)
            self.changed += 1
        owners.forget(fd)
        return wanted

    def _to_root(self, fd: int, heir: Owner) -> Owner:
        here = _owner(fd)
        if here == _ROOT:
            here = owners.told(fd) or _ROOT  # of a change that was broken off
        # Root's in another one's directory is told from what has been made without other ids.
        if (here, heir) != (_ROOT, _ROOT):
            owners.remember(fd, *here)
        if _owner(fd) != _ROOT:
            _give(fd, _ROOT)
            self.changed += 1
        return here

    def _is_there(self, owner: Owner) -> bool:
        if owner not in _mapped:
            try:
                _mapped[owner] = _may_be_given(owner)
            except OSError:
                _mapped[owner] = False
        self.kept += not _mapped[owner]
        return _mapped[owner]


_mapped: dict[Owner, bool] = {_ROOT: True}


def _may_be_given(owner: Owner) -> bool:
    probe = os.memfd_create("owner", os.MFD_CLOEXEC)
    try:
        os.fchown(probe, *owner)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOVERFLOW):
            return False
        raise
    finally:
        os.close(probe)
    return True


def _owner(fd: int) -> Owner:
    status = os.fstat(fd)
    return status.st_uid, status.st_gid


def _give(fd: int, owner: Owner) -> None:
    """fchown(2) that keeps what it takes away: set-user-ID, set-group-ID and capabilities."""
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    capability = b""
    with suppress(OSError):
        capability = os.getxattr(fd, _CAPABILITY)
    os.fchown(fd, *owner)
    if mode & (stat.S_ISUID | stat.S_ISGID):
        os.fchmod(fd, mode)
    if capability:
        os.setxattr(fd, _CAPABILITY, capability)


def _replaced(directory: int, name: str) -> int:
    """The directory ``name`` of it, in its place: one descriptor, however deep the tree is."""
    found = entries.open_directory(directory, name)
    os.close(directory)
    return found
