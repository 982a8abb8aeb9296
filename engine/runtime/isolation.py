"""The mount namespace in which keeper, engine and shims live, apart from the user's.

What the engine mounts there (volumes with layers or options, files in memory) is nobody's business, and goes when the last
of them goes. A keeper that follows one that was killed joins the namespace that the shims are still in: what they have mounted
must not be mounted once more beside it, since two overlays with one upper layer are undefined behaviour.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ..linux import cgroup, cgroups, mount, namespace, process, userns
from ..linux.libc import KernelError
from . import inner, statusfile
from .launch import Host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..layout import Layout
    from . import wire

_OOM_SCORE = -999


def isolate(layout: Layout) -> Host:
    """Enter the namespace, or make it; what shims need to know of the outside."""
    outside = namespace.open_own("mnt")
    inside = namespace_of_shims(layout, "mnt")
    if inside is None:
        namespace.unshare(namespace.CLONE_NEWNS)
        mount.set_propagation("/", mount.MS_SLAVE, recursive=True)
    else:
        namespace.setns(inside, namespace.CLONE_NEWNS, "mnt")
        os.close(inside)
    hierarchies = cgroup.Hierarchies.discover()
    # Import the backend now, once, rather than in every shim.
    controls_devices = cgroups.at("/pycompose", hierarchies).controls_devices
    oom_score = process.oom_score()
    with contextlib.suppress(KernelError):
        mount.takes_single_layers()  # asked of the kernel once, and remembered in every shim
    # Whoever runs out of memory: not the parents of everything. Only with CAP_SYS_RESOURCE.
    with contextlib.suppress(KernelError):
        process.set_oom_score(_OOM_SCORE)
    private = (str(layout.state), str(layout.run))
    network = None if userns.is_initial() else inner.open_or_make(layout)
    return Host(hierarchies, outside, private, controls_devices, oom_score, network)


def shims_live(layout: Layout) -> bool:
    """Whether a shim of this root is alive: what it stands in must stay."""
    found = namespace_of_shims(layout, "mnt")
    if found is not None:
        os.close(found)
    return found is not None


def user_namespace(layout: Layout) -> int | None:
    """A handle on the user namespace that this root's containers are in; None when nobody is.

    A shim's, else a container's: a program that has become another user outlives a shim that was killed, and only from in
    there may it be ended, before another takes its place.
    """
    living = namespace_of_shims(layout, "user")
    if living is not None:
        return living
    for status in _statuses(layout):
        with contextlib.suppress(OSError):  # it has just ended, or is not to be looked at
            found = process.open_namespace(status["pid"] or 0, status["pid_starttime"], "user")
            outermost = namespace.outermost_below_own(found)
            if outermost is not None:
                return outermost
    return None


def namespace_of_shims(layout: Layout, kind: str) -> int | None:
    """A handle on the ``mnt`` or ``user`` namespace of a shim of this root; None when none is alive."""
    for status in _statuses(layout):
        if statusfile.shim_is_alive(status):
            # Where not, it has just ended.
            with contextlib.suppress(ProcessLookupError):
                return process.open_namespace(status["shim_pid"], status["shim_starttime"], kind)
    return None


def _statuses(layout: Layout) -> Iterator[wire.Status]:
    try:
        ids = os.listdir(layout.state / "containers")
    except FileNotFoundError:
        return
    for id in ids:
        status = statusfile.read(str(layout.container_state(id) / "status.json"))
        if status is not None:
            yield status
