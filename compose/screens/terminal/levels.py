"""A project's graph as lines of text: levels from what waits for nothing down, each service with what it waits for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.layout import Edge, levels
from ..store import derive
from .rows import mark

if TYPE_CHECKING:
    from ..store.derive import Service


def graph(project: derive.Project) -> list[str]:
    """The chain of blame has ``!`` before it; where to look first is said in words."""
    services = {one.name: one for one in project.services}
    edges = [Edge(need.service, one.name) for one in project.services for need in one.needs]
    level = levels(list(services), edges)
    blamed = derive.chain(services)
    out: list[str] = []
    for number in sorted(set(level.values())):
        out.append(f"level {number + 1}" + ("" if number else ", waits for nothing"))
        for name in sorted(one for one in level if level[one] == number):
            out += _lines(services[name], name in blamed, name in project.blame)
    return out or ["There is no service."]


def _lines(one: Service, blamed: bool, first: bool) -> list[str]:
    said = f"{'!' if blamed else ' '} {mark(one.condition)} {one.name}  {one.detail}"
    out = [f"{said}  ← look here first" if first else said]
    out += [
        f"      └ waits for {need.service} {need.condition}{'' if need.required else ', if it is there'}"
        for need in one.needs
    ]
    networks = dict.fromkeys(name for each in one.containers for name in each.networks)
    mounts = dict.fromkeys(f"{m.name or m.source} at {m.target}" for each in one.containers for m in each.mounts)
    ports = dict.fromkeys(port.text for each in one.containers for port in each.ports)
    for what, names in (("ports", ports), ("networks", networks), ("mounts", mounts)):
        if names:
            out.append(f"        {what} {', '.join(names)}")
    return out
