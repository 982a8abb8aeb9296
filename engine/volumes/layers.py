"""Layers of volumes: a snapshot is a stack of them, and a volume with a past is an overlay with an upper one of its own.

Saving turns the upper layer into the top-most lower one and gives the volume an empty upper layer; restoring gives it
the snapshot's layers and an empty upper layer. Both are a change of records: no data moves. Only the first save of a
plain volume moves something, its whole directory, by one rename, announced in the record before.

Every layer has a record (kind ``volume-layer``); a directory without one is never touched.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..linux import entries, overlay
from ..linux import mount as kernel
from ..linux.libc import KernelError
from ..shapes import members, strings
from .types import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from ..layout import Layout
    from ..store import Store

KIND = "volume-layer"
SNAPSHOT = "snapshot"
_REMOVED = ".removed-"


def directory(layout: Layout, layer: str) -> Path:
    """Where the layer's files are."""
    return layout.layered / layer / "fs"


def make(layout: Layout, store: Store, below: Path | None) -> str:
    """A new empty layer, its root with owner and mode of ``below``; None for one whose files are about to be moved in."""
    layer = secrets.token_hex(12)
    store.put(KIND, layer, {})
    home = layout.layered / layer
    home.mkdir(mode=0o700)
    (home / "work").mkdir(mode=0o700)
    if below is not None:
        own, source = entries.open_root(home), entries.open_root(below)
        try:
            files = entries.make_directory(own, "fs")
            try:
                entries.copy_attributes(source, files)
            finally:
                os.close(files)
        finally:
            os.close(source)
            os.close(own)
    return layer


def mount(layout: Layout, volume: Volume, target: Path) -> None:
    """Mount the volume's layers on ``target``. Raises EngineError."""
    lower = tuple(str(directory(layout, layer)) for layer in volume.layers)
    upper, work = str(directory(layout, volume.upper)), str(layout.layered / volume.upper / "work")
    try:
        descriptor = kernel.mount_overlay(lower, upper, work, overlay.CHEAP)
        kernel.attach(descriptor, target)
    except KernelError as error:
        raise EngineError(f"cannot mount the layers of volume {volume.name}: {error}") from None


def recover(layout: Layout, store: Store) -> list[Path]:
    """Undo first saves that were cut short, and collect what nothing refers to; the directories to delete."""
    for name, body in store.all("volume").items():
        volume = Volume.from_record(body)
        if not volume.pending:
            continue
        moved, data = directory(layout, volume.pending), layout.volumes / name / "_data"
        if moved.is_dir():
            if data.is_dir():
                os.rmdir(data)  # empty: the data has been moved away from here
            moved.rename(data)
        store.put("volume", name, replace(volume, pending="").record())
    return [*layout.layered.glob(f"{_REMOVED}*"), *collect(layout, store)]


def collect(layout: Layout, store: Store) -> list[Path]:
    """Put aside the layers that no volume and no snapshot refers to any more; the directories to delete."""
    doomed: list[Path] = []
    used: set[str] = set()
    for body in store.all("volume").values():
        volume = Volume.from_record(body)
        used |= {*volume.layers, volume.upper, volume.pending}
    for body in store.all(SNAPSHOT).values():
        for stack in members(body.get("volumes")).values():
            used |= set(strings(stack))
    for layer in store.all(KIND):
        if layer not in used:
            aside = layout.layered / f"{_REMOVED}{layer}"
            with suppress(FileNotFoundError):
                (layout.layered / layer).rename(aside)
                doomed.append(aside)
            store.delete(KIND, layer)
    return doomed
