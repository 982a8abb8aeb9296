"""A project as a picture: text, Mermaid, SVG or JSON. Layout by dependency level; no graphviz."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from ...labels import network_name, volume_name
from ...plan.graph import COMPLETED, HEALTHY, dependencies, layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model import Project
    from ...plan.observe import ObservedContainer

_WORDS = {HEALTHY: "healthy", COMPLETED: "completed"}
_FILL = {"running": "#d7f5dd", "healthy": "#b6ecc3", "unhealthy": "#f8c9c4", "exited": "#e8e8e8", "starting": "#fdf1c7"}
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 170, 54, 46, 70, 24


@dataclass(frozen=True, slots=True)
class Node:
    """A service with its state in a word and in detail."""

    name: str
    state: str
    detail: str
    ports: str
    networks: tuple[str, ...]
    volumes: tuple[str, ...]


def draw(project: Project, names: Sequence[str], containers: Sequence[ObservedContainer], form: str) -> str:
    services = {name: project.services[name] for name in names}
    nodes = {
        name: _node(project, name, [one for one in containers if one.service == name and not one.oneoff])
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
    levels = layers(services)
    if form == "svg":
        return _svg(project.name, nodes, edges, levels)
    return _text(project.name, nodes, edges, levels)


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
        word = states[0] if states else "absent"
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
    return Node(name, word, detail, ports, networks, volumes)


def _tree(nodes: dict[str, Node], edges: Sequence[tuple[str, str, str, bool]]) -> dict[str, Any]:
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
        members = ",".join(_identifier("s", node.name) for node in nodes.values() if node.state == state)
        if members:
            lines += [f"    classDef {state} fill:{fill}", f"    class {members} {state}"]
    return "\n".join(lines) + "\n"


def _svg(
    title: str, nodes: dict[str, Node], edges: Sequence[tuple[str, str, str, bool]], levels: Sequence[Sequence[str]]
) -> str:
    volumes = list(dict.fromkeys(one for node in nodes.values() for one in node.volumes))
    networks = list(dict.fromkeys(one for node in nodes.values() for one in node.networks))
    columns = max([len(level) for level in levels] + [len(volumes), len(networks), 1])
    width = 2 * _MARGIN + columns * (_WIDTH + _GAP_X) - _GAP_X
    rows = len(levels) + bool(volumes) + bool(networks)
    height = 2 * _MARGIN + 30 + rows * (_HEIGHT + _GAP_Y) - _GAP_Y
    places: dict[str, tuple[float, float]] = {}

    def place(row: int, keys: Sequence[str]) -> None:
        used = len(keys) * (_WIDTH + _GAP_X) - _GAP_X
        for index, key in enumerate(keys):
            places[key] = ((width - used) / 2 + index * (_WIDTH + _GAP_X), _MARGIN + 30 + row * (_HEIGHT + _GAP_Y))

    for row, level in enumerate(levels):
        place(row, [f"s:{name}" for name in level])
    if networks:
        place(len(levels), [f"n:{name}" for name in networks])
    if volumes:
        place(len(levels) + bool(networks), [f"v:{name}" for name in volumes])
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
        f'<text x="{_MARGIN}" y="{_MARGIN + 6}" font-size="16" font-weight="bold">{escape(title)}</text>',
    ]
    for node in nodes.values():
        for kind, used in (("n", node.networks), ("v", node.volumes)):
            here = places[f"s:{node.name}"]
            out += [_line(here, places[f"{kind}:{other}"], "#bbb", "2 4", marker=False) for other in used]
    for name, other, word, required in edges:
        out.append(
            _line(places[f"s:{other}"], places[f"s:{name}"], "#555", "" if required else "5 4", marker=True, label=word)
        )
    for node in nodes.values():
        out += _box(
            places[f"s:{node.name}"],
            node.name,
            f"{node.detail}{'  ' + node.ports if node.ports else ''}",
            _FILL.get(node.state, "#fff"),
            6,
        )
    for name in networks:
        out += _box(places[f"n:{name}"], name, "network", "#e3edfb", 26)
    for name in volumes:
        out += _box(places[f"v:{name}"], name, "volume", "#f3e9fb", 14)
    return "\n".join([*out, "</svg>"]) + "\n"


def _line(
    source: tuple[float, float], target: tuple[float, float], color: str, dash: str, *, marker: bool, label: str = ""
) -> str:
    x1, y1 = source[0] + _WIDTH / 2, source[1] + _HEIGHT
    x2, y2 = target[0] + _WIDTH / 2, target[1]
    if y2 <= y1:
        y1, y2 = source[1] + _HEIGHT / 2, target[1] + _HEIGHT / 2
    style = f' stroke-dasharray="{dash}"' if dash else ""
    end = ' marker-end="url(#a)"' if marker else ""
    middle = (y1 + y2) / 2
    path = f'<path d="M{x1:.0f} {y1:.0f} C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}" fill="none" stroke="{color}"{style}{end}/>'
    if not label:
        return path
    return (
        f'{path}\n<text x="{(x1 + x2) / 2 + 4:.0f}" y="{middle:.0f}" fill="#777" font-size="10">{escape(label)}</text>'
    )


def _box(place: tuple[float, float], title: str, detail: str, fill: str, radius: int) -> list[str]:
    x, y = place
    center = x + _WIDTH / 2
    return [
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}" fill="{fill}" stroke="#555"/>',
        f'<text x="{center:.0f}" y="{y + 23:.0f}" text-anchor="middle" font-weight="bold">{escape(title)}</text>',
        f'<text x="{center:.0f}" y="{y + 41:.0f}" text-anchor="middle" fill="#444">{escape(detail)}</text>',
    ]
