"""Boxes in rows by dependency level, and lines between them that never cross a box. Pure.

Every line runs in the channels between rows; where it passes a row it has a slot of its own there, between the boxes, as if
it were a narrow box (Sugiyama's method). A level with more boxes than fit side by side takes several rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GAP, SLOT, MARGIN = 28.0, 14.0, 20.0
CHANNEL, LABEL = 34.0, 13.0
"""Height of a channel without labels, and what each label above one box adds."""

COLUMNS = 6
SWEEPS = 6
"""How often the rows are reordered to have fewer crossings."""


class Node(NamedTuple):
    key: str
    width: float
    height: float


class Edge(NamedTuple):
    """``target`` waits for ``source``."""

    source: str
    target: str
    label: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    key: str
    x: float
    y: float
    width: float
    height: float
    level: int


@dataclass(frozen=True, slots=True)
class Route:
    """A line through ``points``; ``label`` stands at ``label_at``, the left end of its baseline."""

    edge: Edge
    points: tuple[tuple[float, float], ...]
    label_at: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    width: float
    height: float
    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place in a row: a node's, or the passage of edge number ``edge``."""

    key: str
    width: float
    edge: int = -1


def levels(keys: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The longest way to each key from one that waits for nothing. An edge that would close a cycle counts for nothing."""
    before: dict[str, list[str]] = {key: [] for key in keys}
    for edge in edges:
        if edge.source in before and edge.target in before:
            before[edge.target].append(edge.source)
    found: dict[str, int] = {}
    for start in keys:
        stack, open_keys = [start], set[str]()
        while stack:
            key = stack[-1]
            if key in found:
                stack.pop()
                continue
            open_keys.add(key)
            missing = [one for one in before[key] if one not in found and one not in open_keys]
            if missing:
                stack.append(missing[0])
                continue
            found[key] = 1 + max((found[one] for one in before[key] if one in found), default=-1)
            open_keys.discard(key)
            stack.pop()
    return found


def arrange(nodes: Sequence[Node], edges: Sequence[Edge]) -> Picture:
    """The picture of ``nodes`` and those ``edges`` that lead from a higher level to a lower one."""
    by_key = {node.key: node for node in nodes}
    level = levels(list(by_key), edges)
    row_of, level_rows = _rows(by_key, level, edges)
    drawn = [
        edge
        for edge in edges
        if edge.source in by_key and edge.target in by_key and level[edge.source] < level[edge.target]
    ]
    rows = _with_passages(by_key, row_of, len(level_rows), drawn)
    rows = _fewer_crossings(rows, row_of, drawn)
    return _Geometry(by_key, level, row_of, rows, drawn).picture()


def _rows(
    nodes: Mapping[str, Node], level: Mapping[str, int], edges: Sequence[Edge]
) -> tuple[dict[str, int], list[list[str]]]:
    """Which row each node is in: a level's nodes in rows of at most `COLUMNS`, those that others wait for last."""
    waited_for = {edge.source for edge in edges}
    rows: list[list[str]] = []
    for number in sorted(set(level.values())):
        members = sorted((key for key in nodes if level[key] == number), key=lambda key: key in waited_for)
        rows += [members[at : at + COLUMNS] for at in range(0, len(members), COLUMNS)]
    return {key: index for index, row in enumerate(rows) for key in row}, rows


def _with_passages(
    nodes: Mapping[str, Node], row_of: Mapping[str, int], count: int, edges: Sequence[Edge]
) -> list[list[_Slot]]:
    rows: list[list[_Slot]] = [[] for _ in range(count)]
    for key, node in nodes.items():
        rows[row_of[key]].append(_Slot(key, node.width))
    for index, edge in enumerate(edges):
        for row in range(row_of[edge.source] + 1, row_of[edge.target]):
            rows[row].append(_Slot(f"\0{index}", SLOT, index))
    return rows


def _fewer_crossings(rows: list[list[_Slot]], row_of: Mapping[str, int], edges: Sequence[Edge]) -> list[list[_Slot]]:
    """Every slot near the mean place of those it is joined with, downwards and upwards in turn."""
    above: dict[tuple[int, str], list[str]] = {}
    below: dict[tuple[int, str], list[str]] = {}
    for index, edge in enumerate(edges):
        first, last = row_of[edge.source], row_of[edge.target]
        chain = [edge.source, *(f"\0{index}" for _ in range(first + 1, last)), edge.target]
        for offset, (upper, lower) in enumerate(pairwise(chain)):
            below.setdefault((first + offset, upper), []).append(lower)
            above.setdefault((first + offset + 1, lower), []).append(upper)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for row in order:
            places = _centers(rows[row - 1 if down else row + 1])
            own = _centers(rows[row])
            rows[row] = sorted(
                rows[row],
                key=lambda slot: _mean(
                    [places[one] for one in neighbours.get((row, slot.key), ())],
                    own[slot.key],
                ),
            )
    return rows


def _centers(row: Sequence[_Slot]) -> dict[str, float]:
    """The middle of every slot, the row's own middle being 0."""
    total = sum(slot.width + GAP for slot in row)
    found, at = {}, -total / 2
    for slot in row:
        found[slot.key] = at + (slot.width + GAP) / 2
        at += slot.width + GAP
    return found


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


class _Geometry:
    def __init__(
        self,
        nodes: Mapping[str, Node],
        level: Mapping[str, int],
        row_of: Mapping[str, int],
        rows: Sequence[Sequence[_Slot]],
        edges: Sequence[Edge],
    ) -> None:
        self.nodes, self.level, self.row_of, self.rows, self.edges = nodes, level, row_of, rows, edges
        span = max((sum(slot.width + GAP for slot in row) - GAP for row in rows), default=0.0)
        self.width = span + 2 * MARGIN
        self.middle = [_centers(row) for row in rows]
        self.incoming: dict[str, list[int]] = {}
        self.outgoing: dict[str, list[int]] = {}
        for index, edge in enumerate(edges):
            self.incoming.setdefault(edge.target, []).append(index)
            self.outgoing.setdefault(edge.source, []).append(index)
        self.top: list[float] = []
        self.bottom: list[float] = []
        at = MARGIN
        for number, row in enumerate(rows):
            labels = max((len(self.incoming.get(slot.key, ())) for slot in row), default=0)
            at += CHANNEL + LABEL * labels if number else 0.0
            self.top.append(at)
            at += max((nodes[slot.key].height for slot in row if slot.edge < 0), default=0.0)
            self.bottom.append(at)
        self.height = at + MARGIN

    def picture(self) -> Picture:
        boxes = tuple(
            Box(
                key,
                self._x(key) - node.width / 2,
                self.top[self.row_of[key]],
                node.width,
                node.height,
                self.level[key],
            )
            for key, node in self.nodes.items()
        )
        return Picture(self.width, self.height, boxes, tuple(self._route(index) for index in range(len(self.edges))))

    def _x(self, key: str) -> float:
        return self.width / 2 + self.middle[self.row_of[key]][key]

    def _port(self, key: str, sharing: list[int], index: int) -> float:
        """Where line ``index`` meets the box: the lines of one side are spread over it in the order of their other ends."""
        node = self.nodes[key]
        order = sorted(sharing, key=lambda one: (self._toward(one, key), one))
        share = (order.index(index) + 1) / (len(order) + 1)
        return self._x(key) - node.width / 2 + node.width * share

    def _toward(self, index: int, key: str) -> float:
        edge = self.edges[index]
        first, last = self.row_of[edge.source], self.row_of[edge.target]
        if last - first > 1:
            row = first + 1 if key == edge.source else last - 1
            return self.middle[row][f"\0{index}"]
        other = edge.target if key == edge.source else edge.source
        return self.middle[self.row_of[other]][other]

    def _route(self, index: int) -> Route:
        edge = self.edges[index]
        first, last = self.row_of[edge.source], self.row_of[edge.target]
        source = self.nodes[edge.source]
        start = self._port(edge.source, self.outgoing[edge.source], index)
        points = [(start, self.top[first] + source.height)]
        if source.height < self.bottom[first] - self.top[first]:
            points.append((start, self.bottom[first]))
        for row in range(first + 1, last):
            x = self.width / 2 + self.middle[row][f"\0{index}"]
            points += [(x, self.top[row]), (x, self.bottom[row])]
        end = self._port(edge.target, self.incoming[edge.target], index)
        points += [(end, self.top[last] - LABEL * len(self.incoming[edge.target])), (end, self.top[last])]
        rank = sorted(self.incoming[edge.target], key=lambda one: (self._toward(one, edge.target), one)).index(index)
        return Route(edge, tuple(points), (end + 4, self.top[last] - 8 - LABEL * rank))
