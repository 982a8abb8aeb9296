"""One volume from engine to engine: created, filled, and compared with what was read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
from typing import TYPE_CHECKING

from ...client import NotFound
from ...errors import EngineError, OperationError
from . import reading
from .inventory import HELPER
from .sums import Sum, Summing, sum_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...client import Engine
    from ...client.bodies.volumes import Volume

    Passing = Callable[[Iterator[bytes]], Iterator[bytes]]


def move(source: Engine, target: Engine, volume: Volume, passing: Passing) -> tuple[Sum | None, bool]:
    """Bring ``volume`` over. ``passing`` sees the blocks go by. Returns the sum of what is there now (None for a volume whose data is
    elsewhere, by its driver's options), and whether it was there already. Raises `EngineError`, `OperationError`."""
    name, options = volume["Name"], volume.get("Options") or {}
    if volume.get("Driver", "local") != "local":
        raise OperationError(f"its driver is {volume.get('Driver')}: only volumes of driver local can be brought")
    there = _existing(target, name)
    if there is None:
        body = {"Name": name, "Driver": "local", "DriverOpts": options, "Labels": volume.get("Labels") or {}}
        target.volumes.create(body)
    if options:
        if there is not None and (there.get("Options") or {}) != options:
            raise OperationError("there is another volume of this name, with other driver options")
        return None, there is not None
    unfinished = not target.is_pycompose and reading.is_unfinished(target, name)
    if there is not None and not unfinished:
        had = sum_of(reading.archive(target, name))
        if had == sum_of(passing(reading.archive(source, name))):
            return had, True
        if had.files > 1:  # a root alone is an empty volume
            raise OperationError("there is another volume of this name, which holds something else")
    if _is_here(source, volume) and target.endpoint.own and target.is_pycompose:
        return _copied(target, volume), False
    summing = Summing()
    blocks = summing.tee(passing(reading.archive(source, name)))
    if target.is_pycompose:
        target.volumes.import_(name, blocks)
    else:
        reading.fill(target, name, blocks)
    _compare(summing.result(), sum_of(reading.archive(target, name)))
    return summing.result(), False


def _existing(engine: Engine, name: str) -> Volume | None:
    try:
        return engine.volumes.inspect(name)
    except NotFound:
        return None


def _compare(read: Sum, written: Sum) -> None:
    if read != written:
        raise OperationError(
            f"what arrived is not what was read: {written.files} files of {written.size} bytes instead of {read.files} of"
            f" {read.size}; if something writes to the volume, stop it"
        )


def _copied(target: Engine, volume: Volume) -> Sum:
    """Copy a directory of this machine: extended attributes, holes and times to the nanosecond come along, which no archive of
    dockerd's holds. It is mounted read-only for that time."""
    name = volume["Name"]
    view = f"pycompose-moving-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    options = {"type": "none", "o": "bind,ro", "device": volume["Mountpoint"]}
    with contextlib.suppress(NotFound):  # an earlier run was cut off
        target.volumes.remove(view)
    target.volumes.create({"Name": view, "DriverOpts": options, "Labels": {HELPER: name}})
    try:
        target.volumes.clone(view, name)
        read, written = sum_of(target.volumes.export(view)), sum_of(target.volumes.export(name))
    finally:
        with contextlib.suppress(EngineError):
            target.volumes.remove(view)
    _compare(read, written)
    return written


def _is_here(source: Engine, volume: Volume) -> bool:
    """Whether the volume's directory is one of this machine that we may read: the engine is a process in our own mount namespace."""
    path = source.endpoint.address.path
    mountpoint = volume.get("Mountpoint") or ""
    if os.geteuid() != 0 or path is None or source.is_pycompose or not os.path.isdir(mountpoint):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as peer:
            peer.settimeout(10)
            peer.connect(path)
            pid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino == os.stat("/proc/self/ns/mnt").st_ino
    except OSError:
        return False
