"""Who can be killed of an engine's root, by what it is, and killing one of them or all of them in the same moment."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pycompose.engine.linux import cgroups

from .engine_root import processes

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from pycompose.engine.layout import Layout

EVERYTHING = "everything at once"


def kill_one(layout: Layout, client: int, place: random.Random) -> str:
    """SIGKILL a process of a kind that ``place`` chooses, or, as a power cut does, all there is; the kind, "" for nobody."""
    kinds = victims(layout, client)
    kind = place.choice([*sorted(kinds), EVERYTHING])
    doomed = (
        sorted({pid for pids in kinds.values() for pid in pids}) if kind == EVERYTHING else [place.choice(kinds[kind])]
    )
    # Stopped first, so that nobody sees another one's end.
    for number in (signal.SIGSTOP, signal.SIGKILL) if len(doomed) > 1 else (signal.SIGKILL,):
        reached = [_signalled(pid, number) for pid in doomed]
    return kind if any(reached) else ""


def kill_all(layout: Layout) -> None:
    """The last resort of a failing test."""
    for pids in victims(layout, client=0).values():
        for pid in pids:
            _signalled(pid, signal.SIGKILL)


def victims(layout: Layout, client: int) -> dict[str, list[int]]:
    """Pids by kind: command, keeper, engine, shim, guard, program. An exited process counts as nobody."""
    kinds: dict[str, list[int]] = {}
    programs = set(cgroups.at(f"/pycompose-{layout.instance}").procs())
    supervisors = dict(_supervisors(layout))
    for pid in {*processes(layout), *supervisors, client} - {0}:
        words = _command_line(pid)
        if not words:
            continue
        if pid == client:
            kind = "command"
        elif pid in supervisors:
            kind = supervisors[pid]
        elif pid in programs:
            kind = "program"
        else:
            kind = "engine" if "--keeper-fd" in words else "keeper"
        kinds.setdefault(kind, []).append(pid)
    return {kind: sorted(pids) for kind, pids in kinds.items()}


def _supervisors(layout: Layout) -> Iterator[tuple[int, str]]:
    """Shims and guards of this root, not those of other engines on the machine."""
    titles = {f"pycompose-shim {id[:12]}": "shim" for id in _names(layout.state / "containers", layout.run / "build")}
    titles |= {f"pycompose-guard {path.stem}": "guard" for path in (layout.run / "leases").glob("*.sock")}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        words = _command_line(int(pid))
        if words and (kind := titles.get(words[0])):
            yield int(pid), kind


def _names(*directories: Path) -> Iterator[str]:
    for directory in directories:
        with suppress(FileNotFoundError):
            yield from os.listdir(directory)


def _command_line(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").rstrip("\0").split("\0")
    return []


def _signalled(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
