"""A project as a picture: text, Mermaid, SVG or JSON. Layout by dependency level (screens/graph); no graphviz."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...labels import network_name, volume_name
from ...plan.graph import COMPLETED, HEALTHY, dependencies, layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Project
    from ...plan.observe import ObservedContainer

_WORDS = {HEALTHY: "healthy", COMPLETED: "completed"}
_FILL = {
    "running": "#d7f5dd",
    "healthy": "#b6ecc3",
    "unhealthy": "#f8c9c4",
    "failed": "#f8c9c4",
    "exited": "#e8e8e8",
    "starting": "#fdf1c7",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A service with its state in a word and in detail."""

    name: str
    state: str
    detail: str
    ports: str
    networks: tuple[str, ...]
    volumes: tuple[str, ...]
    failed: bool = False
    """Whether a container has ended with an exit code that is not 0."""


def draw(project: Project, names: Sequence[str], containers: Sequence[ObservedContainer], form: str) -> str:
    services = {name: project.services[name] for name in names}
    nodes = {
        name: _node(project, name, _job_run(containers, name) if name in project.jobs else _replicas(containers, name))
        for name in names
    }
    edges = [
        (name, other, _WORDS.get(dependency.condition, "started"), dependency.required)
        for name in names
        for other, dependency in dependencies(services[name]).items()
        if other in services
    ]
    if form == "json":
        return json.dumps(_tree(nodes, edges), indent=2)
    if form == "mermaid":
        return _mermaid(nodes, edges)
    if form == "svg":
        return _svg(project.name, nodes, edges)
    return _text(project.name, nodes, edges, layers(services))


def _replicas(containers: Sequence[ObservedContainer], name: str) -> list[ObservedContainer]:
    return [one for one in containers if one.service == name and not one.oneoff]


def _job_run(containers: Sequence[ObservedContainer], name: str) -> list[ObservedContainer]:
    """The last run of a job, whose containers are one-off ones. Listings tell seconds, names the number of run and try."""
    import re

    runs = [one for one in containers if one.service == name and one.oneoff]
    last = max(
        runs, key=lambda one: (one.created, [int(number) for number in re.findall(r"\d+", one.name)]), default=None
    )
    return [last] if last is not None else []


def _node(project: Project, name: str, containers: Sequence[ObservedContainer]) -> Node:
    service = project.services[name]
    states = [one.health or one.state for one in containers]
    word = next(
        (
            state
            for state in ("unhealthy", "restarting", "dead", "starting", "exited", "paused", "created")
            if state in states
        ),
        "",
    )
    if not word:
        word = states[0] if states else "not run" if name in project.jobs else "absent"
    detail = f"{word} ({len(containers)})" if len(containers) > 1 else word
    failed = [one for one in containers if one.state == "exited" and one.exit_code]
    if failed:
        detail += f", exit code {failed[0].exit_code}"
    ports = ", ".join(
        f"{one['published']}:{one['target']}" if one.get("published") else str(one["target"])
        for one in service.get("ports") or ()
    )
    volumes = tuple(
        volume_name(project, str(one["source"]))
        for one in service.get("volumes") or ()
        if one.get("source") in project.volumes and (one.get("type") or "volume") == "volume"
    )
    networks = tuple(network_name(project, key) for key in service.get("networks") or ())
    return Node(name, word, detail, ports, networks, volumes, bool(failed))


def _tree(nodes: dict[str, Node], edges: Sequence[tuple[str, str, str, bool]]) -> dict[str, object]:
    return {
        "services": [
            {
                "name": node.name,
                "state": node.state,
                "detail": node.detail,
                "networks": list(node.networks),
                "volumes": list(node.volumes),
                "ports": node.ports,
            }
            for node in nodes.values()
        ],
        "dependencies": [
            {"service": name, "depends_on": other, "condition": word, "required": required}
            for name, other, word, required in edges
        ],
    }


def _text(
    title: str, nodes: dict[str, Node], edges: Sequence[tuple[str, str, str, bool]], levels: Sequence[Sequence[str]]
) -> str:
    """Level by level; under each service what it waits for, publishes and keeps."""
    lines = [title]
    for level, names in enumerate(levels, 1):
        lines.append(f"level {level}")
        for name in names:
            node = nodes[name]
            lines.append(f"  {name}  [{node.detail}]")
            for _, other, word, required in (edge for edge in edges if edge[0] == name):
                lines.append(f"    after   {other} ({word}{'' if required else ', optional'})")
            for label, values in (("ports", (node.ports,)), ("network", node.networks), ("volume", node.volumes)):
                lines += [f"    {label:<7} {value}" for value in values if value]
    return "\n".join(lines) + "\n"


def _identifier(kind: str, name: str) -> str:
    return f"{kind}_" + "".join(char if char.isalnum() else "_" for char in name)


def _mermaid(nodes: dict[str, Node], edges: Sequence[tuple[str, str, str, bool]]) -> str:
    lines = ["flowchart TD"]
    for node in nodes.values():
        ports = f"<br/>{node.ports}" if node.ports else ""
        lines.append(f'    {_identifier("s", node.name)}["{node.name}<br/>{node.detail}{ports}"]')
    for name, other, word, required in edges:
        arrow = "-->" if required else "-.->"
        lines.append(f"    {_identifier('s', other)} {arrow}|{word}| {_identifier('s', name)}")
    for network in dict.fromkeys(one for node in nodes.values() for one in node.networks):
        lines.append(f'    {_identifier("n", network)}{{{{"{network}"}}}}')
        lines += [
            f"    {_identifier('s', node.name)} --- {_identifier('n', network)}"
            for node in nodes.values()
            if network in node.networks
        ]
    for volume in dict.fromkeys(one for node in nodes.values() for one in node.volumes):
        lines.append(f'    {_identifier("v", volume)}[("{volume}")]')
        lines += [
            f"    {_identifier('s', node.name)} --- {_identifier('v', volume)}"
            for node in nodes.values()
            if volume in node.volumes
        ]
    for state, fill in _FILL.items():
        members = ",".join(
            _identifier("s", node.name) for node in nodes.values() if ("failed" if node.failed else node.state) == state
        )
        if members:
            lines += [f"    classDef {state} fill:{fill}", f"    class {members} {state}"]
    return "\n".join(lines) + "\n"


def _svg(title: str, nodes: dict[str, Node], edges: Sequence[tuple[str, str, str, bool]]) -> str:
    from ...screens.graph.layout import Edge
    from ...screens.graph.svg import Drawn, draw

    services = [
        Drawn(
            node.name,
            "failed" if node.failed else node.state,
            node.detail,
            tuple(filter(None, (node.ports,))),
            node.networks,
            node.volumes,
        )
        for node in nodes.values()
    ]
    return draw(title, services, [Edge(other, name, word, required) for name, other, word, required in edges])
