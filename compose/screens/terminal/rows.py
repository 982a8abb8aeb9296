"""What the terminal view writes, as plain rows of text. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..store import derive

if TYPE_CHECKING:
    from ..store.state import State, Usage

MARKS = {
    "healthy": "●",
    "running": "●",
    "done": "✓",
    "starting": "◌",
    "created": "◌",
    "paused": "‖",
    "absent": "·",
}
"""Each state has a mark of its own, so that a terminal without colours shows it too; what is broken has ``✗``."""

COLOURS = {
    "healthy": "green",
    "running": "green",
    "done": "green",
    "starting": "yellow",
    "created": "yellow",
    "paused": "blue",
}


class Row(NamedTuple):
    """A line of the list: a project (``service`` is "") or one of its services."""

    project: str
    service: str
    condition: str
    name: str
    state: str
    use: str
    ports: str

    @property
    def key(self) -> str:
        return f"{self.project}/{self.service}"


def mark(condition: str) -> str:
    return "✗" if condition in derive.BROKEN else MARKS.get(condition, "○")


def colour(condition: str) -> str:
    return "red" if condition in derive.BROKEN else COLOURS.get(condition, "")


def fitting(name: str, most: int) -> str:
    """A long name loses its middle: beginnings are often alike, and so are ends."""
    most = max(most, 18)
    return name if len(name) <= most else f"{name[: most - 9]}…{name[-8:]}"


def rows(state: State) -> list[Row]:
    """Every project with its services below it."""
    found = []
    for project in derive.projects(state):
        words = f"{project.running} of {project.total} run"
        if project.blame:
            words += f", look first at {', '.join(fitting(one, 28) for one in project.blame)}"
        found.append(Row(project.name, "", project.condition, project.name, words, "", ""))
        for service in project.services:
            latest = [ring[-1] for one in service.containers if (ring := state.usage.get(one.id))]
            ports = dict.fromkeys(port.text for one in service.containers for port in one.ports)
            found.append(
                Row(
                    project.name,
                    service.name,
                    service.condition,
                    service.name,
                    service.detail,
                    use(latest),
                    " ".join(ports),
                )
            )
    return found


def use(latest: list[Usage]) -> str:
    """Processor and memory of a service's containers together."""
    if not latest:
        return ""
    memory = sum(one.memory for one in latest) / 2**20
    return f"{sum(one.processor for one in latest):.0f}% {memory:.0f}M"


def containers(state: State, project: str, service: str) -> list[str]:
    """The ids that a row stands for."""
    found = [one for one in state.containers.values() if one.project == project and not one.oneoff]
    return [one.id for one in found if not service or one.service == service]


def events(state: State, project: str) -> list[str]:
    """The project's events, the newest first."""
    return [
        f"{datetime.fromtimestamp(one.at):%H:%M:%S} {'! ' if one.grave else '  '}{one.words}"
        for one in reversed(state.happenings)
        if one.project == project
    ]


def start(state: State, project: str) -> list[str]:
    """The last start as a waterfall of characters."""
    own = [one for one in state.containers.values() if one.project == project]
    bars = derive.timeline(
        derive.project(project, own), state.happenings, frozenset(one.id for one in own if one.oneoff)
    )
    if not bars:
        return ["Nothing was started in the last hour."]
    end = max(max(one.created, one.started or 0.0, one.ready or 0.0) for one in bars) or 1.0
    wide, out = 40, []
    for one in bars:
        started = end if one.started is None else one.started
        ready = end if one.ready is None else one.ready
        first, second, third = (round(at / end * wide) for at in (one.created, started, ready))
        bar = " " * first + "─" * (second - first) + "█" * max(1, third - second)
        words = "not ready" if one.ready is None else f"{one.ready:.1f} s"
        out.append(f"{'*' if one.critical else ' '} {one.service[:18]:<18} {bar:<{wide + 1}} {words}")
    return [*out, "  ─ created to started, █ started to ready, * the chain that took longest"]
