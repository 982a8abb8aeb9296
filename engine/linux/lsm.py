"""AppArmor and SELinux, as the kernel shows them in /sys and takes them in /proc (its Documentation/admin-guide/LSM, and
proc_pid_attr(5)).

Both are asked what the *next* execve(2) of the calling thread shall run under; a fork before it inherits that. ``root``
is where /sys and /proc are looked for. Not here: which profile or label a container gets (containers/confinement.py).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTRIBUTES = "proc/thread-self/attr"
_SECURITYFS = "sys/kernel/security/apparmor"
_SUPERUSERS_PATH = "/usr/sbin:/sbin"


def apparmor_parser() -> str:
    """The program that compiles and loads profiles; "" without it. PATH alone would not do: Debian's ``su`` keeps the PATH of an
    ordinary user, which leaves out the directory that it is in."""
    from shutil import which  # here: keeper and shims, which look for nothing, would carry it along

    return which("apparmor_parser") or which("apparmor_parser", path=_SUPERUSERS_PATH) or ""


def apparmor_is_active(root: str = "/") -> bool:
    """Whether the kernel enforces AppArmor profiles, and its file system to look at them is mounted."""
    try:
        with open(os.path.join(root, "sys/module/apparmor/parameters/enabled")) as file:
            return file.read(1) == "Y" and os.path.isdir(os.path.join(root, _SECURITYFS))
    except OSError:
        return False


def selinux_is_active(root: str = "/") -> bool:
    """Whether a policy of SELinux is loaded."""
    return os.path.exists(os.path.join(root, "sys/fs/selinux/enforce"))


def apparmor_profiles(root: str = "/") -> frozenset[str]:
    """Names of the loaded profiles. Raises OSError."""
    directory = os.path.join(root, _SECURITYFS)
    try:
        with open(os.path.join(directory, "profiles")) as file:
            return frozenset(line.rpartition(" (")[0] for line in file)
    except PermissionError:
        # The list is root's of the machine alone. The tree that says the same is everybody's.
        return frozenset(_names(os.path.join(directory, "policy/profiles")))


def _names(directory: str) -> Iterator[str]:
    for entry in os.listdir(directory):
        try:
            with open(os.path.join(directory, entry, "name")) as file:
                yield file.read().strip()
        except FileNotFoundError:
            continue  # unloaded meanwhile


def execute_under_profile(name: str, root: str = "/") -> None:
    """The next execve(2) of this thread changes to the AppArmor profile. Raises OSError: ENOENT when it is not loaded."""
    _write(_apparmor("exec", root), f"exec {name}")


def open_own_profile(root: str = "/") -> int:
    """A descriptor by which this process, and no other, changes to a profile without execve(2)."""
    return os.open(_apparmor("current", root), os.O_WRONLY | os.O_CLOEXEC)


def change_profile(descriptor: int, name: str) -> None:
    """``descriptor`` is `open_own_profile`'s, and is closed. Raises OSError: ENOENT when the profile is not loaded."""
    try:
        os.write(descriptor, f"changeprofile {name}".encode())
    finally:
        os.close(descriptor)


def _apparmor(name: str, root: str) -> str:
    # AppArmor's own file is there from Linux 5.8 on; before, and without other modules, it is the common one.
    directory = os.path.join(root, _ATTRIBUTES)
    own = os.path.join(directory, "apparmor", name)
    return own if os.path.exists(own) else os.path.join(directory, name)


def execute_with_label(label: str, root: str = "/") -> None:
    """The next execve(2) of this thread gets the SELinux label. Raises OSError: EINVAL when the policy has no such."""
    _write(os.path.join(root, _ATTRIBUTES, "exec"), label)


def _write(path: str, text: str) -> None:
    # In one write(2), as the kernel demands, and never creating anything.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def label_tree(descriptor: int, label: str) -> None:
    """Give the file or directory behind the descriptor, and everything below it on the same file system, an SELinux
    label. Symbolic links are labelled, never followed. Raises OSError."""
    device = os.fstat(descriptor).st_dev
    pending = [os.dup(descriptor)]
    while pending:
        found = pending.pop()
        try:
            os.setxattr(f"/proc/self/fd/{found}", "security.selinux", label.encode() + b"\0")
            pending += _below(found, device)
        finally:
            os.close(found)


def _below(directory: int, device: int) -> list[int]:
    try:
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except NotADirectoryError:
        return []
    opened = []
    try:
        for name in os.listdir(readable):
            entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=readable)
            if os.fstat(entry).st_dev == device:
                opened.append(entry)
            else:
                os.close(entry)
    finally:
        os.close(readable)
    return opened
