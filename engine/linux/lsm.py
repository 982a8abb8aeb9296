"""AppArmor and SELinux, as the kernel shows them in /sys and takes them in /proc (its Documentation/admin-guide/LSM, and
proc_pid_attr(5)).

Both are asked what the *next* execve(2) of the calling thread shall run under; a fork before it inherits that. ``root``
is where /sys and /proc are looked for. Not here: which profile or label a container gets (containers/confinement.py).
"""

from __future__ import annotations

import os

_ATTRIBUTES = "proc/thread-self/attr"


def apparmor_is_active(root: str = "/") -> bool:
    """Whether the kernel enforces AppArmor profiles, and its file system to look at them is mounted."""
    try:
        with open(os.path.join(root, "sys/module/apparmor/parameters/enabled")) as file:
            return file.read(1) == "Y" and os.path.isdir(os.path.join(root, "sys/kernel/security/apparmor"))
    except OSError:
        return False


def selinux_is_active(root: str = "/") -> bool:
    """Whether a policy of SELinux is loaded."""
    return os.path.exists(os.path.join(root, "sys/fs/selinux/enforce"))


def apparmor_profiles(root: str = "/") -> frozenset[str]:
    """Names of the loaded profiles. Raises OSError."""
    with open(os.path.join(root, "sys/kernel/security/apparmor/profiles")) as file:
        return frozenset(line.rpartition(" (")[0] for line in file)


def execute_under_profile(name: str, root: str = "/") -> None:
    """The next execve(2) of this thread changes to the AppArmor profile. Raises OSError: ENOENT when it is not loaded."""
    # AppArmor's own file is there from Linux 5.8 on; before, and without other modules, it is the common one.
    directory = os.path.join(root, _ATTRIBUTES)
    own = os.path.join(directory, "apparmor/exec")
    _write(own if os.path.exists(own) else os.path.join(directory, "exec"), f"exec {name}")


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
