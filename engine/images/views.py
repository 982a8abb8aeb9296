"""Temporary merged views of layers: an overlay mounted under the run directory for as long as a ``with`` block lasts.

The one place where images mount anything.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..linux import mount, overlay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OPTIONS = (*overlay.SELF_CONTAINED, "xino=off")
_EMPTY = "empty"


class Views:
    def __init__(self, mounts: Path) -> None:
        self._mounts = mounts

    @contextmanager
    def mounted(self, lower: Sequence[Path], upper: Path | None = None, work: Path | None = None) -> Iterator[Path]:
        """The merged view, ``lower`` top-most first; read-only without ``upper`` and ``work``."""
        self._mounts.mkdir(parents=True, exist_ok=True, mode=0o700)
        layers = [str(path) for path in lower]
        if upper is None or not layers:
            # Overlayfs wants two directories: a read-only view of one layer has an empty one below it.
            empty = self._mounts / _EMPTY
            empty.mkdir(exist_ok=True, mode=0o755)
            layers.append(str(empty))
        point = self._mounts / os.urandom(12).hex()
        point.mkdir(mode=0o700)
        try:
            descriptor = mount.mount_overlay(
                tuple(layers), str(upper) if upper else None, str(work) if work else None, OPTIONS
            )
            mount.attach(descriptor, point)
            try:
                yield point
            finally:
                mount.umount(str(point), mount.MNT_DETACH)
        finally:
            point.rmdir()

    @contextmanager
    def bound(self, descriptor: int) -> Iterator[Path]:
        """What a descriptor (O_PATH will do) refers to, a directory or a file, under a name that nobody else can change."""
        self._mounts.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        point = self._mounts / os.urandom(12).hex()
        if directory:
            point.mkdir(mode=0o700)
        else:
            point.touch(mode=0o600)
        try:
            mount.attach(mount.open_tree("", directory_fd=descriptor, recursive=True), point)
            try:
                yield point
            finally:
                mount.umount(str(point), mount.MNT_DETACH)
        finally:
            (point.rmdir if directory else point.unlink)()

    def recover(self) -> None:
        """Unmount and remove what a killed engine left."""
        with suppress(FileNotFoundError):
            for entry in list(os.scandir(self._mounts)):
                if entry.name == _EMPTY:
                    continue
                with suppress(OSError):  # not mounted: the next line removes it
                    mount.umount(entry.path, mount.MNT_DETACH)
                (os.rmdir if os.path.isdir(entry.path) else os.unlink)(entry.path)
