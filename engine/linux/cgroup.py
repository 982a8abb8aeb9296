"""Control groups of a container: found, created, limited, counted, frozen, killed, removed.

    hierarchies = Hierarchies.discover()                 # once per process; parses mountinfo
    group = cgroups.for_container(instance, id, hierarchies=hierarchies)
    group.create(); group.apply(oci_resources)           # both return warnings: what this machine cannot do
    group.join_self()                                    # in the single-threaded child, before it changes namespaces

Two layouts are known. *v1 or hybrid*: every controller in a hierarchy of its own, perhaps a cgroup2 mount without
controllers beside them (cgroup_v1). *v2*: one hierarchy (cgroup_v2). A controller that is missing is a warning, a value
the kernel refuses is a CgroupError. Groups are named by the mount they are in: ``<mount>/pycompose-<instance>/<id>``.

This module is not a policy: default limits and device rules come in the OCI resources.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, NamedTuple

from . import cgroupfs, userns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import oci

CgroupError = cgroupfs.CgroupError

MOUNTINFO = "/proc/self/mountinfo"
CONTROLLERS = frozenset(
    ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio")
)


class Hierarchies(NamedTuple):
    """Where control groups are mounted. ``v1`` maps a controller (or ``name=systemd``) to a mount point."""

    v1: Mapping[str, str]
    unified: str | None

    @staticmethod
    def discover(mountinfo: str | None = None) -> Hierarchies:
        """The hierarchies in ``mountinfo`` (text of proc_pid_mountinfo(5)); None reads this process's own."""
        if mountinfo is None:
            if not userns.is_initial():
                return Hierarchies({}, None)  # they are root's: nothing in them may be made or changed
            with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
                mountinfo = file.read()
        v1: dict[str, str] = {}
        unified: str | None = None
        for line in mountinfo.splitlines():
            if " - cgroup" not in line:
                continue
            before, _, after = line.partition(" - ")
            fields, (kind, _, options) = before.split(" "), after.split(" ", 2)
            point = _unescape(fields[4])
            if kind == "cgroup2":
                unified = unified or point
            elif kind == "cgroup":
                for option in options.split(","):
                    if option in CONTROLLERS or option.startswith("name="):
                        v1.setdefault(option, point)
        return Hierarchies(v1, unified)

    @property
    def any(self) -> bool:
        """Whether there is any at all: an ordinary user has none."""
        return bool(self.v1) or self.unified is not None

    @property
    def pure_v2(self) -> bool:
        """True when controllers can only be in the unified hierarchy."""
        return self.unified is not None and not any(controller in CONTROLLERS for controller in self.v1)


class Cgroup:
    """One control group. ``path`` is its name below every mount point, with a leading slash."""

    def __init__(self, hierarchies: Hierarchies, path: str) -> None:
        self.hierarchies = hierarchies
        self.path = path

    @property
    def directories(self) -> tuple[str, ...]:
        """The group's directory in every hierarchy it takes part in."""
        raise NotImplementedError

    @property
    def controls_devices(self) -> bool:
        """Whether ``devices`` of the resources are enforced. Where not, take CAP_MKNOD away instead."""
        raise NotImplementedError

    def create(self) -> tuple[str, ...]:
        """Make the group in every hierarchy (it may exist already). Returns warnings for those that refuse."""
        raise NotImplementedError

    def apply(self, resources: oci.Resources) -> tuple[str, ...]:
        """Set limits from an OCI ``linux.resources`` object; keys that are absent stay as they are.

        Returns one warning for each setting that this machine cannot apply. Raises CgroupError for a refused value.
        """
        raise NotImplementedError

    def join_self(self) -> None:
        """Move the calling process, which must have a single thread, into the group. Raises CgroupError."""
        raise NotImplementedError

    def join(self, pid: int) -> None:
        """Move another process in; may take some 15 ms (the kernel waits for a grace period)."""
        for directory in self.directories:
            if os.path.isdir(directory):
                cgroupfs.write(f"{directory}/cgroup.procs", str(pid))

    def clone_fd(self) -> int | None:
        """An fd for clone3(CLONE_INTO_CGROUP), which the caller closes; None where there is no unified hierarchy.

        On a hybrid layout the child still has to call :meth:`join_self` for the v1 hierarchies.
        """
        if self.hierarchies.unified is None:
            return None
        try:
            return os.open(self.hierarchies.unified + self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None

    def procs(self) -> list[int]:
        """Process ids in the group and in groups below it."""
        raise NotImplementedError

    def freeze(self, timeout: float = 2.0) -> None:
        """Stop all processes; returns when the kernel says they are. Raises TimeoutError (thawed again), or OSError
        with ENOSYS where nothing here can freeze."""
        raise NotImplementedError

    def thaw(self) -> None:
        raise NotImplementedError

    def frozen(self) -> bool:
        raise NotImplementedError

    def kill(self) -> None:
        """SIGKILL to every process in the group and below, frozen or not, new forks included. Does not wait.

        Not by cgroup.kill: kernels of today (seen on 6.18) kill whatever is cloned into a group (CLONE_INTO_CGROUP) that has ever been killed
        that way, so no container could start in it again.
        """
        if not self.procs():
            return
        try:
            # Frozen processes cannot fork past the list; those of v1 die when thawed.
            self.freeze(timeout=0.2)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ETIMEDOUT):
                raise
        try:
            self.signal_all(self.procs())
        finally:
            self.thaw()
        # A second look for what forked where there is no freezer.
        self.signal_all(self.procs())

    def stats(self) -> oci.Counters:
        """Counters in the shape of ``runc events --stats``: cpu, memory, pids, blkio; times in ns, sizes in bytes.

        A controller that is missing leaves its key out.
        """
        raise NotImplementedError

    def oom_kills(self) -> int:
        """How many processes of this group the out-of-memory killer has killed so far."""
        raise NotImplementedError

    def oom_fd(self) -> int | None:
        """A non-blocking fd that turns readable when :meth:`oom_kills` may have grown; read it empty, then ask.

        The caller closes it. None where the kernel offers no such event.
        """
        raise NotImplementedError

    def remove(self, timeout: float = cgroupfs.REMOVE_TIMEOUT) -> None:
        """Remove the group in every hierarchy; absent is fine. Raises OSError (EBUSY) when processes stay in it."""
        cgroupfs.remove(self.directories, timeout)

    def signal_all(self, pids: list[int]) -> None:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def make(directory: str) -> str | None:
    """mkdir -p for a group; the reason as text when the hierarchy does not let us."""
    for _ in range(8):
        try:
            os.mkdir(directory, 0o755)
            return None
        except FileExistsError:
            return None
        except FileNotFoundError:
            # The parent is missing, or was removed by another container's end just now.
            reason = make(os.path.dirname(directory))
            if reason:
                return reason
        except OSError as error:
            if error.errno in cgroupfs.ABSENT:
                return f"{directory}: {error.strerror}"
            raise
    return f"{directory}: removed again and again while being created"


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    head, *rest = text.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)
