"""What containers use as lines of block characters, which say the same without colours. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..store.state import State, Usage

_BLOCKS = " ▁▂▃▄▅▆▇█"


class _Curve(NamedTuple):
    """``most`` is the value of a full block: the limit where there is one, else the largest that was seen."""

    label: str
    now: str
    values: Sequence[float]
    most: float


def curve(values: Sequence[float], most: float, width: int) -> str:
    """The last ``width`` values, each as a block of its height; what is above nothing at all is seen."""
    if most <= 0:
        most = 1.0
    steps = len(_BLOCKS) - 1
    heights = [0 if one <= 0 else max(1, min(steps, round(one / most * steps))) for one in values[-width:]]
    return "".join(_BLOCKS[one] for one in heights).rjust(width)


def plots(state: State, containers: Sequence[str], width: int) -> list[str]:
    """For each container its name and a line for processor, memory, network, disk and processes, as wide as ``width``."""
    out: list[str] = []
    for identity in containers:
        one, ring = state.containers.get(identity), state.usage.get(identity, ())
        if one is None or not ring:
            continue
        out.append(one.name)
        out += [
            f"  {each.label:<9} {curve(each.values, each.most, max(8, width - 28))} {each.now:>14}"
            for each in _curves(ring)
        ]
        out.append("")
    return out or ["Nothing runs here that could be measured."]


def _curves(ring: Sequence[Usage]) -> list[_Curve]:
    last = ring[-1]
    limited = 0 < last.limit < 2**60
    memory = [one.memory for one in ring]
    network = _rates(ring, [one.received + one.sent for one in ring])
    disk = _rates(ring, [one.read + one.written for one in ring])
    processor, pids = [one.processor for one in ring], [float(one.pids) for one in ring]
    of_limit = f"/{size(last.limit)}" if limited else ""
    return [
        _Curve("processor", f"{last.processor:.1f}%", processor, max(100.0, *processor)),
        _Curve("memory", f"{size(last.memory)}{of_limit}", memory, last.limit if limited else max(memory)),
        _Curve("network", f"{size(network[-1])}/s", network, max(network)),
        _Curve("disk", f"{size(disk[-1])}/s", disk, max(disk)),
        _Curve("processes", str(last.pids), pids, max(pids)),
    ]


def _rates(ring: Sequence[Usage], counts: Sequence[float]) -> list[float]:
    """Counts as changes a second; one that has begun anew makes no fall."""
    pairs = zip(pairwise(ring), pairwise(counts), strict=True)
    return [0.0, *(max(0.0, (new - old) / max(0.001, b.at - a.at)) for (a, b), (old, new) in pairs)]


def size(number: float) -> str:
    """Bytes in a few characters."""
    for unit in ("B", "K", "M", "G"):
        if abs(number) < 1000:
            return f"{number:.0f}{unit}" if unit == "B" or number >= 10 else f"{number:.1f}{unit}"
        number /= 1024
    return f"{number:.1f}T"
