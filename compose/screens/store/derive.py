"""What a state means for a person: projects at a glance, the chain of blame, the timeline of the last start. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..graph.layout import Edge, levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .state import Container, Happening, Need, Place, State

_WORST = (
    "unhealthy",
    "dead",
    "failed",
    "stopped",
    "restarting",
    "starting",
    "exited",
    "created",
    "paused",
    "running",
    "healthy",
)
BROKEN = frozenset(("unhealthy", "dead", "failed", "stopped", "restarting"))


def condition(one: Container) -> str:
    """A container in a word: its health, or its state; ``failed`` for one that could not be started and for an exit code that is
    not 0, ``done`` for one that is."""
    if one.state == "created" and one.error:
        return "failed"
    if one.state == "exited":
        return "done" if one.exit_code == 0 else "failed"
    return one.health if one.health and one.state == "running" else one.state


def worst(conditions: Iterable[str]) -> str:
    """The one that says most about trouble; ``absent`` for none."""
    found = set(conditions)
    return next((word for word in _WORST if word in found), "done" if "done" in found else "absent")


@dataclass(frozen=True, slots=True)
class Service:
    """``detail`` is the state in words: number of replicas, exit code."""

    name: str
    condition: str
    detail: str
    containers: tuple[Container, ...] = ()
    needs: tuple[Need, ...] = ()

    @property
    def broken(self) -> bool:
        return self.condition in BROKEN


@dataclass(frozen=True, slots=True)
class Project:
    """``blame`` are the broken services that nothing broken stands before: where to look first."""

    name: str
    condition: str
    running: int
    total: int
    directory: str
    files: str
    services: tuple[Service, ...]
    blame: tuple[str, ...]


def projects(state: State) -> list[Project]:
    """Every project that has containers, jobs or a lease, by name."""
    named = {*(one.project for one in state.jobs), *(one.project for one in state.leases)}
    grouped: dict[str, list[Container]] = {name: [] for name in named if name}
    for one in state.containers.values():
        if one.project:
            grouped.setdefault(one.project, []).append(one)
    return [_placed(project(name, grouped[name]), state.places.get(name)) for name in sorted(grouped)]


def _placed(found: Project, place: Place | None) -> Project:
    """Of one without containers: where it was, or its jobs say it is."""
    if found.total or place is None:
        return found
    return replace(found, directory=place.directory, files=place.files)


def project(name: str, containers: Sequence[Container]) -> Project:
    """One project of its containers. Services that are only waited for are there as absent."""
    own = [one for one in containers if not one.oneoff]
    grouped: dict[str, list[Container]] = {}
    for one in sorted(own, key=lambda one: (one.service, one.number)):
        grouped.setdefault(one.service, []).append(one)
    found = {key: _service(key, members) for key, members in grouped.items()}
    for service in list(found.values()):
        for need in service.needs:
            found.setdefault(need.service, Service(need.service, "absent", "not created"))
    found |= {one.name: one for one in _missed(found)}
    services = tuple(found[key] for key in sorted(found))
    return Project(
        name=name,
        condition=worst(one.condition for one in services),
        running=sum(one.running for one in own),
        total=len(own),
        directory=next((one.directory for one in own if one.directory), ""),
        files=next((one.files for one in own if one.files), ""),
        services=services,
        blame=blame(found),
    )


def _missed(services: Mapping[str, Service]) -> Iterable[Service]:
    """What ended with exit code 0 while a service runs that needs it healthy: that is no job which is done."""
    needed = {
        need.service
        for one in services.values()
        if any(each.running for each in one.containers)
        for need in one.needs
        if need.condition == "healthy"
    }
    for key in sorted(needed & services.keys()):
        if services[key].condition == "done":
            yield replace(services[key], condition="stopped", detail="stopped")


def _service(name: str, containers: Sequence[Container]) -> Service:
    word = worst(condition(one) for one in containers)
    count = f" ({len(containers)})" if len(containers) > 1 else ""
    failed = [one for one in containers if condition(one) == "failed"]
    detail = f"{word}{count}"
    if failed and word == "failed":
        one = failed[0]
        detail = (
            f"exited, exit code {one.exit_code}{count}" if one.state == "exited" else f"could not be started{count}"
        )
    needs = dict.fromkeys(need for one in containers for need in one.needs)
    return Service(name, word, detail, tuple(containers), tuple(needs))


def blame(services: Mapping[str, Service]) -> tuple[str, ...]:
    """Broken services whose own dependencies are sound, in the order of the levels."""
    keys = sorted(services)
    edges = [Edge(need.service, key) for key in keys for need in services[key].needs if need.service in services]
    level = levels(keys, edges)
    roots = [
        key
        for key in keys
        if services[key].broken
        and not any(services[need.service].broken for need in services[key].needs if need.service in services)
    ]
    return tuple(sorted(roots, key=lambda key: (level[key], key)))


def chain(services: Mapping[str, Service]) -> frozenset[str]:
    """The blamed services and all that wait for them, directly or through others."""
    found = set(blame(services))
    grown = bool(found)
    while grown:
        more = {
            key
            for key, one in services.items()
            if key not in found and any(need.service in found for need in one.needs)
        }
        grown = bool(more)
        found |= more
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Bar:
    """A container in the timeline: seconds since the first bar's begin. ``ready`` is None for what is not (yet) ready."""

    service: str
    container: str
    created: float
    started: float | None
    ready: float | None
    ended: float | None
    critical: bool


START_PAUSE = 60.0
"""Seconds without a creation or a start that part one `up` from the next."""


def timeline(found: Project, happenings: Sequence[Happening], oneoff: frozenset[str] = frozenset()) -> list[Bar]:
    """The last `up` as a waterfall: when each container was created, started and ready, with the chain that took longest.
    Runs of jobs and of `run` (``oneoff``: their containers) belong to no `up`."""
    services = {one.name for one in found.services}
    own = [
        one
        for one in happenings
        if one.kind == "container"
        and one.project == found.name
        and one.service in services
        and one.container not in oneoff
    ]
    moments = [one.at for one in own if one.action in ("create", "start")]
    if not moments:
        return []
    begin = moments[-1]
    for at in reversed(moments):
        if begin - at > START_PAUSE:
            break
        begin = at
    rows: dict[str, dict[str, float]] = {}
    names: dict[str, str] = {}
    for one in own:
        if one.at < begin:
            continue
        row = rows.setdefault(one.container, {})
        names.setdefault(one.container, one.service)
        word = "ready" if one.action == "health_status: healthy" else one.action
        if word in ("create", "start", "ready", "die"):
            row.setdefault(word, one.at)
    checked = {one.id for service in found.services for one in service.containers if one.health}
    bars = []
    for identity, row in rows.items():
        if not {"create", "start"} & row.keys():
            continue
        started, ended = row.get("start"), row.get("die")
        ready = row.get("ready") or (None if identity in checked else started)
        first = row.get("create", started or begin)
        started, ready, ended = (None if at is None else at - begin for at in (started, ready, ended))
        bars.append(Bar(names[identity], identity, first - begin, started, ready, ended, critical=False))
    return _with_critical_path(bars, {one.name: one for one in found.services})


def _end(bar: Bar) -> float:
    return max(at for at in (bar.created, bar.started, bar.ready) if at is not None)


def _with_critical_path(bars: list[Bar], services: Mapping[str, Service]) -> list[Bar]:
    """From the bar that was ready last back along what it waited for longest."""
    if not bars:
        return []
    last = {bar.service: bar for bar in sorted(bars, key=_end)}
    at: str | None = max(last.values(), key=_end).service
    path: set[str] = set()
    while at is not None and at not in path:
        path.add(at)
        before = [need.service for need in services[at].needs if need.service in last] if at in services else []
        at = max(before, key=lambda key: _end(last[key]), default=None)
    marked = [
        Bar(bar.service, bar.container, bar.created, bar.started, bar.ready, bar.ended, bar.service in path)
        for bar in bars
    ]
    return sorted(marked, key=lambda bar: (bar.created, bar.service))
