"""The program of the keeper, and of all that is forked from it, out of every container's reach (CVE-2019-5736 and its kind).

A process on its way into a container, and the init of ``init: true``, are forks of the keeper: ``/proc/self/exe`` there is
the keeper's interpreter. So that this is never a file of the host, the keeper executes itself once more at its start:

    keeper ── mount namespace for this moment: everything read-only and without setuid,
          │   over the interpreter a copy in memory ── execve
          └─► libraries are loaded; the copy loses its mode bits and becomes read-only; back to the user's namespace

On the way the environment goes into a file in memory (environment.py), and not into the next program's.

What is mapped stays mapped through mounts that nobody can reach or make writable again: the copy can neither be changed nor
executed by anybody, root included, and libraries mapped so far are not writable through ``/proc/PID/map_files`` either.
"""

from __future__ import annotations

import importlib
import os
import sys

from ..linux import mount, namespace
from . import environment

_LIBRARIES = ("array", "ctypes", "fcntl", "json", "math", "mmap", "resource", "select", "socket", "struct", "termios")
"""Modules with shared libraries behind them that forks of the keeper use: they have to be mapped before we go back."""

_HANDED = "PYCOMPOSE_SEALED"
"""Our own pid and descriptors, over the execve; of the pid so that nobody else takes them for their own. The last one is the environment's."""
_COPY = "program"
_PROTECTED = mount.MOUNT_ATTR_RDONLY | mount.MOUNT_ATTR_NOSUID


def seal() -> None:
    """Go on as a copy of this program that nobody can reach: executes it, and returns there. Call it once, first of all. Raises OSError where mounts cannot be had."""
    pid, _, numbers = os.environ.pop(_HANDED, "").partition(":")
    if pid == str(os.getpid()):
        _leave(*map(int, numbers.split(",")))
    else:
        _execute_copy()


def _execute_copy() -> None:
    directories = (os.open(path, os.O_PATH | os.O_DIRECTORY) for path in ("/", "."))
    file, kept = environment.put_aside()
    handed = (namespace.open_own("mnt"), *directories, file)
    program = os.readlink("/proc/self/exe")
    namespace.unshare(namespace.CLONE_NEWNS)
    mount.set_propagation("/", mount.MS_PRIVATE, recursive=True)
    copy = _copy(program)
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    mount.set_attributes(root, set_bits=_PROTECTED, recursive=True)
    target = os.open(program, os.O_PATH | os.O_CLOEXEC)
    mount.move_mount(copy, target, program)
    for descriptor in handed:
        os.set_inheritable(descriptor, True)
    kept[_HANDED] = f"{os.getpid()}:{','.join(map(str, handed))}"
    os.execve(program, [sys.executable or program, *sys.orig_argv[1:]], kept)


def _copy(program: str) -> int:
    """A copy of the file in memory, as a detached mount of it alone."""
    folder = mount.new_filesystem("tmpfs", ["mode=700"], mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV, "tmpfs")
    source = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
    made = os.open(_COPY, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o500, dir_fd=folder)
    while os.sendfile(made, source, None, 1 << 30):
        pass
    os.close(made)
    os.close(source)
    # Only what is attached can be bound: for a moment it covers the interpreter's directory.
    directory = os.path.dirname(program)
    target = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mount.move_mount(folder, target, directory)
    copy = mount.open_tree(_COPY, directory_fd=folder)
    mount.umount(directory, mount.MNT_DETACH)
    os.close(target)
    os.close(folder)
    return copy


def _leave(outside: int, root: int, directory: int, file: int) -> None:
    """Seal the copy that we run from by now, and go back to where the caller was."""
    environment.hold(file)
    for name in _LIBRARIES:
        importlib.import_module(name)
    program = os.open("/proc/self/exe", os.O_PATH | os.O_CLOEXEC)
    # Without any x bit not even root executes it.
    os.chmod(f"/proc/self/fd/{program}", 0)
    mount.set_attributes(program, set_bits=_PROTECTED)
    os.close(program)
    namespace.setns(outside, namespace.CLONE_NEWNS, "mnt")
    # Joining a mount namespace leads to its root, which may not be that of the caller.
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(directory)
    for descriptor in (outside, root, directory):
        os.close(descriptor)
