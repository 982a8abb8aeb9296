"""State and what the engine said -> the next state. Pure functions: the store does nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ... import labels
from . import read
from .state import HAPPENINGS, SAMPLES, Container, Facts, Happening, Image, Network, State, Usage, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...client.bodies import networks as networks_bodies
    from ...client.bodies import volumes as volumes_bodies
    from ...client.bodies.containers import ContainerRow
    from ...client.bodies.events import Event
    from ...client.bodies.images import ImageRow
    from ...client.bodies.stats import Stats

_QUIET = ("exec_create", "exec_start", "exec_die", "exec_detach", "top", "resize", "archive-path", "copy", "export")
"""Actions that nobody who looks at a project wants to read: health probes and we ourselves make them."""


def greeted(state: State, facts: Facts) -> State:
    """The engine answers."""
    return replace(state, connected=True, trouble="", facts=facts)


def lost(state: State, why: str) -> State:
    """The engine is away: what is known stays to be seen, and is said to be old."""
    return replace(state, connected=False, trouble=why)


def listed(state: State, rows: Iterable[ContainerRow]) -> State:
    """All containers as the engine lists them. Objects of those that did not change stay the same objects."""
    found: dict[str, Container] = {}
    for row in rows:
        one = read.container(row)
        known = state.containers.get(one.id)
        found[one.id] = known if known == one else one
    usage = {key: ring for key, ring in state.usage.items() if key in found}
    if found == state.containers:
        return state
    return replace(state, containers=MappingProxyType(found), usage=MappingProxyType(usage))


def resources(
    state: State,
    networks: Iterable[networks_bodies.Network],
    volumes: Iterable[volumes_bodies.Volume],
    images: Iterable[ImageRow],
) -> State:
    """All networks, volumes and images."""
    new_networks: tuple[Network, ...] = tuple(sorted(map(read.network, networks), key=lambda one: one.name))
    new_volumes: tuple[Volume, ...] = tuple(sorted(map(read.volume, volumes)))
    new_images: tuple[Image, ...] = tuple(sorted(map(read.image, images), key=lambda one: one.tags or ("~",)))
    return replace(
        state,
        networks=state.networks if state.networks == new_networks else new_networks,
        volumes=state.volumes if state.volumes == new_volumes else new_volumes,
        images=state.images if state.images == new_images else new_images,
    )


def happened(state: State, event: Event) -> State:
    """One event: it is remembered, and what it says of a container holds at once, before the next listing."""
    action = str(event.get("Action") or event.get("status") or "")
    if not action or action.partition(":")[0] in _QUIET:
        return state
    actor = event.get("Actor", {})
    attributes = actor.get("Attributes") or {}
    identity = str(actor.get("ID") or event.get("id") or "")
    kind = str(event.get("Type") or "container")
    number = state.counted + 1
    happening = Happening(
        number=number,
        at=float(event.get("timeNano") or 0) / 1e9 or float(event.get("time") or 0),
        kind=kind,
        action=action,
        project=str(attributes.get(labels.PROJECT) or ""),
        service=str(attributes.get(labels.SERVICE) or ""),
        container=identity if kind == "container" else str(attributes.get("container") or ""),
        words=words(kind, action, attributes, identity),
        grave=_is_grave(action, attributes),
    )
    kept = (*state.happenings[-HAPPENINGS + 1 :], happening)
    state = replace(state, happenings=kept, counted=number)
    return _applied(state, identity, action, attributes) if kind == "container" else state


def _is_grave(action: str, attributes: Mapping[str, str]) -> bool:
    failed = action == "die" and str(attributes.get("exitCode") or "0") not in ("0", "143", "137", "130")
    return failed or action == "oom" or action == "health_status: unhealthy"


def words(kind: str, action: str, attributes: Mapping[str, str], identity: str) -> str:
    """The event as a person would say it."""
    name = str(attributes.get("name") or identity[:12])
    if kind == "container" and action == "die":
        return f"{name} ended with exit code {attributes.get('exitCode', 'unknown')}"
    if kind == "container" and action == "oom":
        return f"{name} ran out of memory"
    if action.startswith("health_status: "):
        return f"{name} is {action.partition(': ')[2]}"
    if kind == "network" and attributes.get("container"):
        return f"network {name}: container {str(attributes['container'])[:12]} {action}ed"
    done = {
        "create": "created",
        "start": "started",
        "stop": "stopped",
        "destroy": "removed",
        "kill": "was sent a signal",
    }
    shown = done.get(action, action.replace("_", " "))
    return f"{name} {shown}" if kind == "container" else f"{kind} {name} {shown}"


def _applied(state: State, identity: str, action: str, attributes: Mapping[str, str]) -> State:
    one = state.containers.get(identity)
    if one is None:
        return state
    containers = dict(state.containers)
    if action == "destroy":
        del containers[identity]
        return replace(state, containers=MappingProxyType(containers))
    changed = _after(one, action, attributes)
    if changed == one:
        return state
    containers[identity] = changed
    return replace(state, containers=MappingProxyType(containers))


def _after(one: Container, action: str, attributes: Mapping[str, str]) -> Container:
    if action in ("start", "unpause", "restart"):
        return replace(one, state="running", exit_code=None, health=one.health if action == "unpause" else "")
    if action == "pause":
        return replace(one, state="paused")
    if action == "die":
        code = str(attributes.get("exitCode") or "")
        return replace(one, state="exited", health="", exit_code=int(code) if code.lstrip("-").isdigit() else 255)
    if action.startswith("health_status: "):
        return replace(one, health=action.partition(": ")[2])
    if action == "rename" and attributes.get("name"):
        return replace(one, name=str(attributes["name"]))
    return one


def measured(state: State, identity: str, tree: Stats, at: float) -> State:
    """One sample of what a container uses; its ring keeps an hour of them."""
    ring = state.usage.get(identity, ())
    sample: Usage | None = read.usage(tree, at, ring[-1] if ring else None)
    if sample is None or identity not in state.containers:
        return state
    return replace(state, usage=MappingProxyType({**state.usage, identity: (*ring[-SAMPLES + 1 :], sample)}))
