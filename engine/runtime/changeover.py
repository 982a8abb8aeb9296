"""Gives a root directory of an ordinary user the other map of ids: root alone, or a range.

    python -I -S -E <engine>/runtime/changeover.py ROOT one|range

Images, containers, volumes and their snapshots stay; their files change owners (linux/handing.py). No engine may be started
meanwhile: its lock is held, and ids.json says that the change is under way, until it is done. ROOT is empty for the default.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if not __package__:
    # Run by path, in isolated mode: the package has to be found first.
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3)))
    __package__ = "pycompose.engine.runtime"

from ..documents import NewerFormat
from ..layout import Layout
from ..linux import entries
from ..linux.handing import Handing
from . import idsfile, lockfile
from .isolation import shims_live
from .rootless import Withheld, enter_range

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = {idsfile.ONE: "one id", idsfile.RANGE: "a range of ids"}


class Refused(Exception):
    """``str(error)`` is one line."""


def main(root: str, kind: str) -> int:
    """Returns the exit code."""
    try:
        print(change(Layout.for_root(root or None), kind))
    except (Refused, Withheld, NewerFormat, OSError) as error:
        print(f"pycompose engine migrate: {error}", file=sys.stderr)
        return 1
    return 0


def change(layout: Layout, kind: str) -> str:
    """What was done, in words. Raises Refused, Withheld, NewerFormat and OSError."""
    if os.geteuid() == 0:
        raise Refused("an engine that runs as root has all ids: there is nothing to change")
    os.makedirs(layout.run, mode=0o700, exist_ok=True)
    lock = lockfile.take(str(layout.lock))
    if lock is None or shims_live(layout):
        raise Refused('the engine or a container runs: "pycompose engine stop" first')
    try:
        return _change(layout, kind)
    finally:
        os.close(lock)


def _change(layout: Layout, kind: str) -> str:
    try:
        found = idsfile.read(layout)
    except ValueError:
        raise Refused(f"{layout.ids}: damaged: bring the file back from a backup") from None
    if found is None:
        raise Refused(f"{layout.state} has not been used yet, and gets the map that can be had")
    if kind == found.kind and not found.towards:
        return f"{layout.state} has {_NAMES[kind]} already"
    enter_range()
    idsfile.write(layout, idsfile.Ids(found.kind, kind))
    handing = Handing(kind == idsfile.RANGE)
    for path, inherited in _trees(layout):
        _hand_over(handing, path, inherited)
    os.sync()  # the owners, before it is said that they are there
    idsfile.write(layout, idsfile.Ids(kind))
    told = f"{layout.state} has {_NAMES[kind]} now: {handing.changed} files have changed owners"
    return told + (f", {handing.kept} stay root's, for their owners are not in the range" if handing.kept else "")


def _trees(layout: Layout) -> tuple[tuple[Path, bool], ...]:
    """Where files of containers' users are, and whether what nobody is remembered of is its directory's owner's: what has been
    made by containers, not what came with images."""
    below = {"layers": False, "cache": False, "containers": True, "volumes": True, "layered": True}
    return tuple((layout.state / name, inherited) for name, inherited in below.items())


def _hand_over(handing: Handing, path: Path, inherited: bool) -> None:
    try:
        top = entries.open_root(path)
    except FileNotFoundError:
        return
    try:
        handing.tree(top, inherited)
    finally:
        os.close(top)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
