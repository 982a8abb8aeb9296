"""A state as the JSON that the page draws, section by section; only what has changed is sent. Pure but for what was sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..graph.layout import Edge, Node, arrange
from ..graph.svg import WIDTH, Drawn, height, path
from ..store import derive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..store.holdings import Build
    from ..store.state import Container, Happening, State, Usage

EVENTS = 200
"""So many events the page is given at once."""

Section = dict[str, object]


class Framer:
    """What one page has been sent. ``project`` is the one whose graph and timeline it shows, "" for none; ``builds``: whether it
    shows their steps."""

    def __init__(self, project: str = "", *, builds: bool = False) -> None:
        self._project = project
        self._builds = builds
        self._before: State | None = None
        self._sent: Section = {}

    def frame(self, state: State) -> Section:
        """The sections that differ from what was sent before."""
        before, self._before = self._before, state
        fresh: Section = {}
        if before is None or (before.connected, before.trouble, before.facts) != (
            state.connected,
            state.trouble,
            state.facts,
        ):
            fresh["engine"] = {"connected": state.connected, "trouble": state.trouble, **asdict(state.facts)}
        if _differ(before, state, "containers", "jobs", "leases", "places"):
            fresh["projects"] = [_glance(one) for one in derive.projects(state)]
            fresh["down"] = _down(state)
        if _differ(before, state, "containers"):
            fresh["others"] = [_container(one) for one in state.containers.values() if not one.project]
        if self._project and _differ(before, state, "containers", "happenings", "places"):
            fresh["project"] = project_view(state, self._project)
        if self._project and _differ(before, state, "jobs", "snapshots"):
            fresh["held"] = held(state, self._project)
        if _differ(before, state, "leases"):
            fresh["leases"] = [one._asdict() for one in state.leases]
        if _differ(before, state, "builds"):
            fresh["building"] = [under_way(one) for one in state.builds if one.state == "running"]
            if self._builds:
                fresh["builds"] = [_build(one) for one in state.builds]
        for name in ("networks", "volumes", "images"):
            if before is None or getattr(before, name) is not getattr(state, name):
                fresh[name] = [one._asdict() for one in getattr(state, name)]
        changed = {key: value for key, value in fresh.items() if key not in self._sent or self._sent[key] != value}
        self._sent |= changed
        if before is None or before.happenings is not state.happenings:
            after = before.counted if before is not None else 0
            changed["events"] = [_event(one) for one in state.happenings[-EVENTS:] if one.number > after]
        if before is None or before.usage is not state.usage:
            changed["usage"] = {key: sample(ring[-1]) for key, ring in state.usage.items()}
        return changed


def _differ(before: State | None, state: State, *names: str) -> bool:
    return before is None or any(getattr(before, name) is not getattr(state, name) for name in names)


def _down(state: State) -> list[Section]:
    """Projects that were here since the server has been looking, and are not now: their files are known."""
    there = {one.name for one in derive.projects(state)}
    return [{"name": name, "files": one.files} for name, one in sorted(state.places.items()) if name not in there]


def held(state: State, project: str) -> Section:
    """Jobs and snapshots of one project."""
    jobs = [one for one in state.jobs if one.project == project]
    return {
        "jobs": [{**one._asdict(), "runs": [run._asdict() for run in one.runs]} for one in jobs],
        "snapshots": [one._asdict() for one in state.snapshots if one.project == project],
    }


def under_way(one: Build) -> Section:
    """A build that runs, in a line: how many of its instructions are done, and what it is at."""
    current = [step.text for step in one.steps if step.state == "running"]
    return {
        "id": one.id,
        "name": one.name,
        "project": one.project,
        "done": sum(step.state in ("done", "cached") for step in one.steps),
        "total": max(one.total, len(one.steps)),
        "step": current[-1] if current else "",
    }


def _build(one: Build) -> Section:
    return {**one._asdict(), "steps": [step._asdict() for step in one.steps]}


def sample(one: Usage) -> list[float]:
    """One sample as a row: time, processor, memory, limit, received, sent, read, written, pids."""
    return [
        round(one.at, 2),
        round(one.processor, 2),
        one.memory,
        one.limit,
        one.received,
        one.sent,
        one.read,
        one.written,
        one.pids,
    ]


def _event(one: Happening) -> Section:
    return one._asdict()


def _glance(one: derive.Project) -> Section:
    return {
        "name": one.name,
        "condition": one.condition,
        "running": one.running,
        "total": one.total,
        "directory": one.directory,
        "files": one.files,
        "blame": list(one.blame),
    }


def _container(one: Container) -> Section:
    return {
        "id": one.id,
        "name": one.name,
        "service": one.service,
        "number": one.number,
        "image": one.image,
        "condition": derive.condition(one),
        "status": one.status,
        "exit_code": one.exit_code,
        "error": one.error,
        "created": one.created,
        "ports": [port._asdict() for port in one.ports],
        "networks": list(one.networks),
        "mounts": [mount._asdict() for mount in one.mounts],
    }


def project_view(state: State, name: str) -> Section | None:
    """Everything of one project but logs and samples; None for one that has no containers."""
    containers = [one for one in state.containers.values() if one.project == name]
    if not containers:
        return None
    found = derive.project(name, containers)
    services = {one.name: one for one in found.services}
    blamed = derive.chain(services)
    oneoff = frozenset(one.id for one in containers if one.oneoff)
    return {
        **_glance(found),
        "services": [
            {
                "name": one.name,
                "condition": one.condition,
                "detail": one.detail,
                "blamed": one.name in found.blame,
                "needs": [need._asdict() for need in one.needs],
                "containers": [_container(each) for each in one.containers],
            }
            for one in found.services
        ],
        "jobs": [_container(one) for one in containers if one.oneoff],
        "graph": graph(name, services, blamed),
        "timeline": [asdict(bar) for bar in derive.timeline(found, state.happenings, oneoff)],
    }


def graph(project: str, services: Mapping[str, derive.Service], blamed: frozenset[str]) -> Section:
    """Boxes and paths of the live graph; ``blamed`` is the chain from what broke to all that wait for it. Networks and volumes are
    named as the Compose file names them, without their project."""
    drawn = [_drawn(one, f"{project}_") for one in services.values()]
    edges = [
        Edge(need.service, one.name, need.condition, need.required) for one in services.values() for need in one.needs
    ]
    picture = arrange([Node(one.name, WIDTH, height(len(one.lines))) for one in drawn], edges)
    by_name = {one.name: one for one in drawn}
    return {
        "width": picture.width,
        "height": picture.height,
        "boxes": [
            {
                "name": box.key,
                "x": box.x,
                "y": box.y,
                "width": box.width,
                "height": box.height,
                "condition": by_name[box.key].condition,
                "lines": [text for text, _ in by_name[box.key].lines],
                "blamed": box.key in blamed,
            }
            for box in picture.boxes
        ],
        "routes": [
            {
                "path": path(route),
                "label": route.edge.label,
                "x": route.label_at[0],
                "y": route.label_at[1],
                "required": route.edge.required,
                "blamed": route.edge.source in blamed and route.edge.target in blamed,
                "title": f"{route.edge.target} waits until {route.edge.source} is {route.edge.label}",
            }
            for route in picture.routes
        ],
    }


def _drawn(one: derive.Service, prefix: str) -> Drawn:
    ports = dict.fromkeys(port.text for each in one.containers for port in each.ports)
    networks = dict.fromkeys(name.removeprefix(prefix) for each in one.containers for name in each.networks)
    volumes = dict.fromkeys(
        mount.name.removeprefix(prefix) for each in one.containers for mount in each.mounts if mount.kind == "volume"
    )
    return Drawn(one.name, one.condition, one.detail, tuple(ports), tuple(networks), tuple(volumes))
