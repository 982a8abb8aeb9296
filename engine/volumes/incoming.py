"""What is about to become a volume's data: it is filled beside the volumes and takes its place by a record.

A directory ``.import-<hex>`` is filled while no record names it. The commit is one write: the volume's record names the
directory. The exchange that follows can be finished at any time, by the next start as well, so a volume has either all of what it
had or all of what was brought.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from ..linux import libc
from .types import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from ..layout import Layout
    from ..store import Store

PREFIX = ".import-"
_REMOVED = ".removed-"


def stage(layout: Layout) -> Path:
    """A new directory with an empty ``_data``, as a volume's."""
    home = layout.volumes / f"{PREFIX}{secrets.token_hex(8)}"
    home.mkdir(mode=0o700)
    (home / "_data").mkdir(mode=0o755)
    return home


def sync(layout: Layout) -> None:
    """Bring what was filled in to the disk, before a record says that it is there."""
    descriptor = os.open(layout.volumes, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        libc.check(libc.syncfs(descriptor), "syncfs", layout.volumes)
    finally:
        os.close(descriptor)


def settle(layout: Layout, store: Store, volume: Volume) -> list[Path]:
    """Put the directory that the record names in the place of what the volume had; the directories to delete."""
    home, staged = layout.volumes / volume.name, layout.volumes / volume.incoming
    doomed: list[Path] = []
    if staged.is_dir():
        if home.is_dir():
            doomed = put_aside(layout, home)
        staged.rename(home)
    store.keep("volume", volume.name, replace(volume, incoming="").record())
    return doomed


def put_aside(layout: Layout, home: Path) -> list[Path]:
    """Give a directory the name of what is to be deleted."""
    doomed = layout.volumes / f"{_REMOVED}{secrets.token_hex(8)}"
    home.rename(doomed)
    return [doomed]


def recover(layout: Layout, store: Store) -> list[Path]:
    """Finish exchanges that were cut short, and collect what was never committed; the directories to delete."""
    doomed: list[Path] = []
    for body in store.all("volume").values():
        volume = Volume.from_record(body)
        if volume.incoming:
            doomed += settle(layout, store, volume)
    return [*doomed, *layout.volumes.glob(f"{PREFIX}*")]
