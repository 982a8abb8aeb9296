"""Kernel parameters of containers: in which namespace each stands, and the two ways to write a name.

``net.ipv4.ip_forward`` and ``net/ipv4/ip_forward`` are the same. Whichever of the two comes first separates; the other is then
part of a name: the interface of ``net.ipv4.conf.eno2/100.rp_filter`` is ``eno2.100``.
"""

from __future__ import annotations

_IPC = frozenset(
    f"kernel.{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
_SWAPPED = str.maketrans("./", "/.")


def dotted(name: str) -> str:
    """The name with dots as separators. Raises ValueError for what names no parameter."""
    first = next((char for char in name if char in "./"), ".")
    found = name if first == "." else name.translate(_SWAPPED)
    parts = path(found).split("/")
    if len(parts) < 2 or "\0" in found or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"invalid sysctl {name!r}")
    return found


def path(name: str) -> str:
    """Where a dotted name lies below /proc/sys."""
    return name.translate(_SWAPPED)


def namespace(name: str) -> str | None:
    """``ipc``, ``network`` or ``uts`` for a dotted name; None for a parameter of the whole machine."""
    if name in _IPC or name.startswith("fs.mqueue."):
        return "ipc"
    if name.startswith("net."):
        return "network"
    return "uts" if name in ("kernel.domainname", "kernel.hostname") else None


def check_flag(text: str) -> str:
    """``NAME=VALUE`` as the docker CLI takes it: names of the ipc and network namespaces alone. Raises ValueError."""
    name, equals, _ = text.partition("=")
    if not equals or namespace(name) not in ("ipc", "network"):
        raise ValueError(f"sysctl '{text}' is not allowed")
    return text
