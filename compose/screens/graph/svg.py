"""A project's graph as an SVG document, by the layout of layout.py. Pure.

A service's networks and volumes stand inside its box: whose they are is seen without a line, and a network that every service
is in needs no line to each. What several services share is named once more below the picture with those who share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from .layout import Edge, Node, arrange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layout import Box, Route

WIDTH, LINE, PADDING = 190.0, 16.0, 10.0
TITLE = 34.0

FILL = {
    "running": "#d7f5dd",
    "healthy": "#b6ecc3",
    "unhealthy": "#f8c9c4",
    "failed": "#f8c9c4",
    "dead": "#f8c9c4",
    "stopped": "#f8c9c4",
    "restarting": "#f8c9c4",
    "exited": "#e8e8e8",
    "starting": "#fdf1c7",
    "created": "#fdf1c7",
    "paused": "#dfe8f5",
}
BROKEN = ("unhealthy", "failed", "stopped", "dead", "restarting")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A service as it is drawn: its state in a word (a key of `FILL`) and in detail, and what stands in its box."""

    name: str
    condition: str
    detail: str
    ports: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What stands below the name, each with the colour of its mark, "" for none."""
        found = [(self.detail, "#a01008" if self.condition in BROKEN else "")]
        found += [(port, "") for port in self.ports]
        found += [(f"network {name}", "#3a6ea5") for name in self.networks]
        found += [(f"volume {name}", "#8a4fa3") for name in self.volumes]
        return found


def height(lines: int) -> float:
    """Of a box with a name and so many lines."""
    return 2 * PADDING + LINE * (lines + 1)


def draw(title: str, services: Sequence[Drawn], edges: Sequence[Edge]) -> str:
    """The whole document."""
    picture = arrange([Node(one.name, WIDTH, height(len(one.lines))) for one in services], edges)
    shared = _shared(services)
    wide = max(picture.width, 420.0)
    tall = TITLE + picture.height + LINE * len(shared) + (PADDING if shared else 0.0)
    shift = (wide - picture.width) / 2
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{tall:.0f}"'
        f' viewBox="0 0 {wide:.0f} {tall:.0f}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{wide:.0f}" height="{tall:.0f}" fill="#fff"/>',
        f'<text x="20" y="26" font-size="16" font-weight="bold">{escape(title)}</text>',
        f'<g transform="translate({shift:.0f} {TITLE:.0f})">',
    ]
    out += [line for route in picture.routes for line in _line(route)]
    by_name = {one.name: one for one in services}
    out += [line for box in picture.boxes for line in _box(box, by_name[box.key])]
    out.append("</g>")
    for index, text in enumerate(shared):
        y = TITLE + picture.height + LINE * index + 4
        out.append(f'<text x="20" y="{y:.0f}" fill="#444">{escape(text)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _shared(services: Sequence[Drawn]) -> list[str]:
    users: dict[str, list[str]] = {}
    for one in services:
        for kind, names in (("network", one.networks), ("volume", one.volumes)):
            for name in dict.fromkeys(names):
                users.setdefault(f"{kind} {name}", []).append(one.name)
    return [f"{what}: {', '.join(names)}" for what, names in users.items() if len(names) > 1]


def path(route: Route) -> str:
    """The route as an SVG path: curves in the channels, straight lines along the boxes."""
    (x, y), *rest = route.points
    out = f"M{x:.0f} {y:.0f}"
    for right, down in rest:
        middle = (y + down) / 2
        out += (
            f" L{right:.0f} {down:.0f}"
            if right == x
            else f" C{x:.0f} {middle:.0f} {right:.0f} {middle:.0f} {right:.0f} {down:.0f}"
        )
        x, y = right, down
    return out


def _line(route: Route) -> list[str]:
    dash = "" if route.edge.required else ' stroke-dasharray="5 4"'
    x, y = route.label_at
    return [
        f'<path d="{path(route)}" fill="none" stroke="#555"{dash} marker-end="url(#a)"/>',
        f'<text x="{x:.0f}" y="{y:.0f}" fill="#555" font-size="10" stroke="#fff" stroke-width="3" paint-order="stroke">'
        f"{escape(route.edge.label)}</text>",
    ]


def _box(box: Box, service: Drawn) -> list[str]:
    border = ' stroke="#c0271c" stroke-width="2"' if service.condition in BROKEN else ' stroke="#555"'
    middle = box.x + box.width / 2
    out = [
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="6"'
        f' fill="{FILL.get(service.condition, "#fff")}"{border}/>',
        f'<text x="{middle:.0f}" y="{box.y + PADDING + 12:.0f}" text-anchor="middle" font-weight="bold">'
        f"{escape(fitting(service.name))}</text>",
    ]
    for index, (text, colour) in enumerate(service.lines, 1):
        y = box.y + PADDING + 12 + LINE * index
        out.append(
            f'<text x="{middle:.0f}" y="{y:.0f}" text-anchor="middle" fill="{colour or "#333"}">'
            f"<title>{escape(text)}</title>{escape(fitting(text))}</text>"
        )
    return out


def fitting(text: str, most: int = 29) -> str:
    """``text`` as much of it as a box holds."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
