"""Capabilities (capabilities(7)): their names and numbers, and the five sets of the calling process.

    caps.limit_bounding(sets.bounding)      # while still root with CAP_SETPCAP
    caps.keep_over_setuid()
    … setgroups, setresgid, setresuid …
    caps.apply(sets)                        # effective, permitted, inheritable, ambient

Sets are bit masks; :class:`Sets` reads them from an OCI ``process.capabilities``. Which capabilities a container gets
is engine/containers' decision, not made here.
"""

from __future__ import annotations

import ctypes
import errno
from typing import TYPE_CHECKING, NamedTuple

from . import libc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from . import oci

NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip
"""Index is the capability's number."""

_NUMBERS = {name: number for number, name in enumerate(NAMES)}
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_AMBIENT_RAISE = 2
_AMBIENT_CLEAR_ALL = 4
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


# 64 bits come as two structures of 32 (_LINUX_CAPABILITY_U32S_3).
_Words = _Data * 2


class Sets(NamedTuple):
    """The five sets of a process, as bit masks."""

    bounding: int = 0
    effective: int = 0
    permitted: int = 0
    inheritable: int = 0
    ambient: int = 0

    @staticmethod
    def from_oci(capabilities: oci.Capabilities) -> Sets:
        """From an OCI ``process.capabilities``; a set that is absent is empty. Raises ValueError for unknown names."""
        return Sets(
            mask(capabilities.get("bounding") or ()),
            mask(capabilities.get("effective") or ()),
            mask(capabilities.get("permitted") or ()),
            mask(capabilities.get("inheritable") or ()),
            mask(capabilities.get("ambient") or ()),
        )

    def within(self, available: int) -> Sets:
        """The same sets without what is not in ``available``; ambient only where permitted and inheritable."""
        bounding, effective, permitted, inheritable, ambient = (wanted & available for wanted in self)
        return Sets(bounding, effective & permitted, permitted, inheritable, ambient & permitted & inheritable)


def number(name: str) -> int:
    """The number of ``CAP_CHOWN``, ``chown``, ``Cap_Chown``… Raises ValueError for an unknown name."""
    upper = name.upper()
    found = _NUMBERS.get(upper if upper.startswith("CAP_") else f"CAP_{upper}")
    if found is None:
        raise ValueError(f"unknown capability {name!r}")
    return found


def mask(names: Iterable[str]) -> int:
    """The bits of these capabilities. Raises ValueError for an unknown name."""
    bits = 0
    for name in names:
        bits |= 1 << number(name)
    return bits


def names(bits: int) -> tuple[str, ...]:
    """Names of the bits, by number; a bit newer than this list is ``CAP_<number>``."""
    return tuple(
        NAMES[bit] if bit < len(NAMES) else f"CAP_{bit}" for bit in range(bits.bit_length()) if bits & (1 << bit)
    )


def bounding() -> int:
    """The bounding set of the calling thread, as far as the kernel knows capabilities."""
    bits = 0
    for bit in range(64):
        present = libc.prctl(_PR_CAPBSET_READ, bit, 0, 0, 0)
        if present < 0:
            break
        bits |= present << bit
    return bits


def missing(wanted: Iterable[str]) -> tuple[str, ...]:
    """Those of ``wanted`` that no process started from here can have: a container without them gets a warning."""
    return names(mask(wanted) & ~bounding())


def current() -> Sets:
    """The effective, permitted and inheritable sets of the calling thread; the other two are left out (0)."""
    data = _Words()
    header = _Header(_VERSION_3, 0)
    libc.check(libc.capget(ctypes.byref(header), ctypes.byref(data)), "capget")
    low, high = data
    return Sets(
        effective=low.effective | high.effective << 32,
        permitted=low.permitted | high.permitted << 32,
        inheritable=low.inheritable | high.inheritable << 32,
    )


def set_effective(sets: Sets) -> None:
    """Set effective, permitted and inheritable of the calling thread as :func:`current` told them. Raises KernelError."""
    data = _Words()
    for word in range(2):
        shift = 32 * word
        data[word].effective = sets.effective >> shift & 0xFFFFFFFF
        data[word].permitted = sets.permitted >> shift & 0xFFFFFFFF
        data[word].inheritable = sets.inheritable >> shift & 0xFFFFFFFF
    header = _Header(_VERSION_3, 0)
    libc.check(libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")


def limit_bounding(keep: int) -> None:
    """Drop from the bounding set all that is not in ``keep``. Takes CAP_SETPCAP. Raises KernelError."""
    for bit in range(64):
        if keep & (1 << bit):
            continue
        if libc.prctl(_PR_CAPBSET_DROP, bit, 0, 0, 0) < 0:
            if ctypes.get_errno() == errno.EINVAL:
                # Past the last capability of this kernel.
                break
            libc.check(-1, "prctl PR_CAPBSET_DROP", names(1 << bit)[0])


def keep_over_setuid() -> None:
    """Let the permitted set survive the change from root to another user; ends by itself at execve."""
    libc.check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl PR_SET_KEEPCAPS")


def apply(sets: Sets) -> Sets:
    """Set effective, permitted, inheritable and ambient of the calling thread; returns what they are now.

    What this process does not have itself cannot be given and is left out (see :func:`missing`). Raises KernelError.
    """
    possible = sets.within(current().permitted)
    libc.check(libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl PR_CAP_AMBIENT_CLEAR_ALL")
    set_effective(possible)
    for bit in range(possible.ambient.bit_length()):
        if possible.ambient & (1 << bit):
            raised = libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, bit, 0, 0)
            libc.check(raised, "prctl PR_CAP_AMBIENT_RAISE", names(1 << bit)[0])
    return possible
