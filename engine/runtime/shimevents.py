"""What a shim tells the engine of its container, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import wire


@dataclass(frozen=True, slots=True)
class Prepared:
    """The shim stands. The descriptors (a network namespace, a NETLINK_ROUTE socket in it) belong to the ShimClient
    and live as long as it; both are None unless the launch asked for a new network namespace."""

    netns_fd: int | None
    rtnl_fd: int | None
    state: ShimState


@dataclass(frozen=True, slots=True)
class ShimState:
    """What the shim says about its container; the same as status.json. Times in ns since the epoch."""

    status: str
    shim_pid: int
    shim_starttime: int
    pid: int | None = None
    pid_starttime: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    exit_code: int | None = 0
    oom_killed: bool = False
    error: str = ""
    restart_count: int = 0
    manual: bool = False

    @staticmethod
    def parse(document: wire.Status) -> ShimState:
        """Raises Incomplete."""
        return documents.build(ShimState, document)


@dataclass(frozen=True, slots=True)
class Started:
    """The container's program runs. ``pid`` with ``pid_starttime`` (clock ticks since boot) names it on the host."""

    pid: int
    pid_starttime: int
    started_at: int
    restart_count: int = 0
    warnings: Sequence[str] = ()
    """What was asked for and this machine cannot do (limits)."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The container has ended. With ``restarting`` it starts again after ``delay`` seconds, without being asked.

    ``error`` is set when a restart by policy could not launch. ``manual`` tells a stop or kill by request.
    """

    exit_code: int | None
    finished_at: int
    oom_killed: bool = False
    started_at: int | None = None
    restarting: bool = False
    delay: float = 0.0
    restart_count: int = 0
    error: str = ""
    manual: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The shim died without a release. The container is dead too or about to be (see :func:`engine.runtime.burial`);
    its exit status is unknown. The last event."""


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The kernel has killed a process of the container for want of memory; told once in a run."""


ShimEvent = Started | Exited | Lost | OutOfMemory
