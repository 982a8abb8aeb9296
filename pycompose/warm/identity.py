"""Who a process is to the kernel: a worker serves only a launcher that is what the worker itself is.

Everything that a program inherits and a worker cannot take over afterwards is compared: users, groups, capabilities,
namespaces, root directory, control groups, security labels, priorities. One difference, or one fact that cannot be read, and
the command runs in the process that was started.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

_SAME = (
    b"Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters Cpus_allowed Mems_allowed"
).split()
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts")
_FILES = ("cgroup", "oom_score_adj", "personality", "loginuid", "sessionid", "attr/current")
_LIMITS = range(16)
"""RLIMIT_CPU to RLIMIT_RTTIME; Linux has had no further one since 2008."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a program inherits and a worker can take over: umask, signals (bit masks), limits."""

    umask: int
    ignored: int
    blocked: int
    limits: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Person:
    """What is compared, and what is taken over."""

    facts: tuple[object, ...]
    inheritance: Inheritance


def look_at(pid: int) -> Person:
    """Read it from /proc. Raises OSError, also for a process that has gone."""
    base = f"/proc/{pid}"
    fields = dict(line.split(b":", 1) for line in _read(f"{base}/status").splitlines())
    root = os.stat(f"{base}/root/")
    facts: list[object] = [fields.get(name, b"").strip() for name in _SAME]
    facts += [os.readlink(f"{base}/ns/{name}") for name in _NAMESPACES if os.path.lexists(f"/proc/self/ns/{name}")]
    facts += [_read_if_there(f"{base}/{name}") for name in _FILES]
    facts += [root.st_dev, root.st_ino, os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid)]
    limits = tuple(resource.prlimit(pid, number) for number in _LIMITS)
    return Person(
        tuple(facts),
        Inheritance(int(fields[b"Umask"], 8), int(fields[b"SigIgn"], 16), int(fields[b"SigBlk"], 16), limits),
    )


def take_over(other: Inheritance) -> None:
    """Make this process's limits and umask those of the other. Raises OSError or ValueError where that is not permitted."""
    for number, wanted in zip(_LIMITS, other.limits, strict=True):
        if resource.getrlimit(number) != wanted:
            resource.setrlimit(number, wanted)
    os.umask(other.umask)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _read_if_there(path: str) -> bytes | None:
    """None where this kernel has no such file, or has no answer (no security module)."""
    try:
        return _read(path)
    except OSError:
        return None
