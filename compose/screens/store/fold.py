"""State and what the engine said -> the next state. Pure functions: the store does nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ... import labels
from ...app.report import start_error
from . import holdings, read
from .state import (
    HAPPENINGS,
    PLACES,
    SAMPLES,
    Container,
    Facts,
    Happening,
    Image,
    Network,
    Place,
    State,
    Usage,
    Volume,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...client.bodies import builds as builds_bodies
    from ...client.bodies import networks as networks_bodies
    from ...client.bodies import volumes as volumes_bodies
    from ...client.bodies.containers import ContainerRow
    from ...client.bodies.events import Event
    from ...client.bodies.images import ImageRow
    from ...client.bodies.stats import Stats

_QUIET = (
    "exec_create",
    "exec_start",
    "exec_die",
    "exec_detach",
    "top",
    "resize",
    "archive-path",
    "copy",
    "export",
    "mount",
    "unmount",
)
"""Actions that nobody who looks at a project wants to read: health probes, and who looks at files, make them."""


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
        if known is not None and one.state == known.state == "created":
            one = replace(one, error=known.error)  # no listing has it
        found[one.id] = known if known == one else one
    usage = {key: ring for key, ring in state.usage.items() if key in found}
    if found == state.containers:
        return state
    state = replace(state, containers=MappingProxyType(found), usage=MappingProxyType(usage))
    return _placed(state, ((one.project, Place(one.directory, one.files, one.env_files)) for one in found.values()))


def looked_into(state: State, identity: str, error: str) -> State:
    """A container that was created and does not run: why it could not be started."""
    one = state.containers.get(identity)
    if one is None or one.state != "created" or one.error == error:
        return state
    return replace(state, containers=MappingProxyType({**state.containers, identity: replace(one, error=error)}))


def _placed(state: State, seen: Iterable[tuple[str, Place]]) -> State:
    fresh = {project: place for project, place in seen if project and place.files}
    if fresh.items() <= state.places.items():
        return state
    kept = [*({key: one for key, one in state.places.items() if key not in fresh} | fresh).items()][-PLACES:]
    return replace(state, places=MappingProxyType(dict(kept)))


def scheduled(state: State, jobs: Iterable[holdings.Job]) -> State:
    """All jobs."""
    found = tuple(sorted(jobs, key=lambda one: (one.project, one.name)))
    if found == state.jobs:
        return state
    state = replace(state, jobs=found)
    return _placed(state, ((one.project, Place(one.directory, one.files, one.env_files)) for one in found))


def saved(state: State, snapshots: Iterable[holdings.Snapshot]) -> State:
    """All snapshots, the newest first."""
    found = tuple(sorted(snapshots, key=lambda one: (-one.at, one.project, one.name)))
    return state if found == state.snapshots else replace(state, snapshots=found)


def leased(state: State, leases: Iterable[holdings.Lease]) -> State:
    """All leases, oldest first."""
    found = tuple(leases)
    return state if found == state.leases else replace(state, leases=found)


def built(state: State, recents: builds_bodies.Recents) -> State:
    """What an engine has told of its builds since it was asked before."""
    found = holdings.merged(state.builds, recents["Ids"], recents["Builds"])
    return state if found == state.builds else replace(state, builds=found)


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


def _action(event: Event) -> str:
    return str(event.get("Action") or event.get("status") or "")


def is_quiet(event: Event) -> bool:
    """Whether an event is told to nobody, and changes nothing that is listed."""
    return _action(event).partition(":")[0] in ("", *_QUIET)


def happened(state: State, event: Event) -> State:
    """One event: it is remembered, and what it says of a container holds at once, before the next listing."""
    action = _action(event)
    if is_quiet(event):
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
        project=str(attributes.get(labels.PROJECT) or (attributes.get("group") if kind == "snapshot" else "") or ""),
        service=str(attributes.get(labels.SERVICE) or ""),
        container=identity if kind in ("container", "failure") else str(attributes.get("container") or ""),
        words=words(kind, action, attributes, identity),
        grave=_is_grave(kind, action, attributes),
    )
    kept = (*state.happenings[-HAPPENINGS + 1 :], happening)
    state = replace(state, happenings=kept, counted=number)
    if kind == "failure":
        return looked_into(state, identity, str(attributes.get("error") or ""))
    return _applied(state, identity, action, attributes) if kind == "container" else state


def _is_grave(kind: str, action: str, attributes: Mapping[str, str]) -> bool:
    if kind == "failure":
        return True
    if kind in ("job", "build"):
        return action in ("failed", "fail")
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
    if kind == "failure":
        return f"{name} could not be started: {start_error(str(attributes.get('error') or ''))}"
    if kind in _WORDS:
        return _own_words(kind, action, attributes, name)
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


_WORDS = {
    "job": {
        "register": "registered",
        "remove": "removed",
        "pause": "paused",
        "resume": "goes on",
        "pending": "is begun",
        "running": "runs",
        "succeeded": "succeeded",
        "failed": "failed",
        "cancelled": "was cancelled",
        "skip": "was due and was left out: the run before it goes on, or it was too late",
    },
    "build": {"start": "begun", "finish": "finished", "fail": "failed"},
    "snapshot": {
        "save": "saved",
        "restore": "restored",
        "remove": "removed",
        "push": "sent to a registry",
        "pull": "fetched from a registry",
    },
    "lease": {
        "create": "holds the stack",
        "hand-over": "holds the stack from now on",
        "release": "was let go: the stack stays",
        "end": "has ended: the stack goes",
        "remove": "and all that it held are gone",
    },
}
"""What our own engine's events say, by type and action."""


def _own_words(kind: str, action: str, attributes: Mapping[str, str], name: str) -> str:
    said = _WORDS[kind].get(action, action)
    if kind == "lease":
        why = f" ({attributes['reason']})" if attributes.get("reason") else ""
        return f"lease {name[:8]} of {attributes.get('owner', 'somebody')} {said}{why}"
    if kind == "job" and attributes.get(labels.SERVICE):
        name = str(attributes[labels.SERVICE])
    run = f" run {attributes['run']}" if attributes.get("run") else ""
    code = f" with exit code {attributes['exitCode']}" if attributes.get("exitCode") not in (None, "", "0") else ""
    return f"{kind} {name}{run} {said}{code}"


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
        return replace(one, state="running", exit_code=None, error="", health=one.health if action == "unpause" else "")
    if action == "pause":
        return replace(one, state="paused")
    if action == "die":
        code = str(attributes.get("exitCode") or "")
        return replace(one, state="exited", health="", exit_code=int(code) if code.lstrip("-").isdecimal() else 255)
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
