"""The namespaces that a shim makes before its container's first process, and holds over restarts: user and network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..linux import idmap, process
from . import netns

if TYPE_CHECKING:
    from .bundle import ShimSpec


def make(spec: ShimSpec) -> tuple[int, netns.NetworkNamespace | None]:
    """The user namespace (-1: the host's) and the network namespace (None: somebody else's). Raises OSError."""
    network = spec.network_mode == "new"
    user = made = -1
    if spec.user == "new":
        ids = idmap.container(spec.ids)
        user, made = idmap.make(ids, ids, network=network)
    elif spec.user:
        user = _shared(spec.user)
        made = idmap.make_network(user) if network else -1
    return user, netns.create(resolver=spec.resolver is not None, made=made) if network else None


def renewed(user: int, before: ShimSpec, spec: ShimSpec) -> int:
    """The user namespace for another start with a changed launch. Raises ValueError when the network, which stays, would
    belong to another one."""
    if spec.user == before.user:
        return user
    if spec.network_mode == "new" or "new" in (spec.user, before.user):
        raise ValueError(
            "the container whose user namespace it shares has been started anew: stop this one, then start it"
        )
    shared = _shared(spec.user) if spec.user else -1
    if user >= 0:
        os.close(user)
    return shared


def pids(spec: ShimSpec) -> str:
    """What child.fork has to know: a pid namespace has to be made in the user namespace that it is to belong to."""
    return "in the user namespace" if spec.user and spec.pid_namespace == "new" else spec.pid_namespace


def _shared(owner: str) -> int:
    pid, _, started = owner.partition(":")
    return process.open_namespace(int(pid), int(started), "user")
