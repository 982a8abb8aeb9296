"""Host ports that the engine picks for a container and gives it again: label ``io.pycompose.ports=auto``.

A picked port is chosen by binding it, so nothing can come between the choice and the bind; the shim then holds the
socket. It is remembered by container name, so a restart, a recreation, and a later ``up`` have it again. Picked below the
kernel's range for outgoing connections, from a place that depends on engine and name, past those remembered for others.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, cast

from ...errors import EngineError
from ...networks.ports import PortTaken
from ...networks.ports import release as release_ports
from ...networks.ports import reserve as reserve_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...networks.types import Allocation, PortBinding
    from ..spec.record import ContainerRecord
    from .service import Containers

LABEL = "io.pycompose.ports"
KIND = "port"
FIRST, LAST = 20000, 32767
_ATTEMPTS = 256
_REMEMBERED = 4096


def allocate(
    containers: Containers,
    record: ContainerRecord,
    bindings: Sequence[PortBinding],
    reserve: Callable[[Sequence[PortBinding]], Allocation],
) -> Allocation:
    """``reserve`` the bindings, those without a host port on their remembered or on picked ones; they stay taken until
    `release`. Raises what it raises."""
    if not _is_automatic(record, bindings):
        return reserve(bindings)
    known = _known(containers)
    keys = [_key(record.name, index, binding) for index, binding in enumerate(bindings)]
    own = {key: known[key]["port"] for key in keys if key in known}
    others = {entry["port"] for key, entry in known.items() if key not in own}
    picks = {
        key: _candidates(f"{containers.layout.instance}/{key}", own.get(key), others)
        for key, binding in zip(keys, bindings, strict=True)
        if not binding.host_port
    }
    for attempt in range(_ATTEMPTS):
        chosen: dict[str, int] = {}
        for key, candidates in picks.items():
            chosen[key] = next(port for port in candidates if port not in chosen.values())
        wanted = [
            replace(binding, host_port=chosen[key], host_port_end=0) if key in chosen else binding
            for key, binding in zip(keys, bindings, strict=True)
        ]
        try:
            allocation = reserve(wanted)
        except PortTaken:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        containers.holding.keep(record.id, allocation.ports, allocation.sockets)
        _remember(containers, {key: port for key, port in chosen.items() if own.get(key) != port})
        return allocation
    raise AssertionError("the loop returns or raises")


def inherited(
    record: ContainerRecord, bindings: Sequence[PortBinding], former: Sequence[PortBinding]
) -> Sequence[PortBinding]:
    """The bindings, with the host ports that another container, whose place this one is to take, has for the same ports."""
    if not _is_automatic(record, bindings):
        return bindings
    known: dict[tuple[int, str], list[int]] = {}
    for one in former:
        ports = known.setdefault((one.container_port, one.protocol), [])
        if one.host_port not in ports:
            ports.append(one.host_port)
    found = []
    for one in bindings:
        left = known.get((one.container_port, one.protocol))
        found.append(replace(one, host_port=left.pop(0)) if left and not one.host_port else one)
    return found


def rest(containers: Containers, record: ContainerRecord) -> None:
    """The container does not run: hold its ports for its next start. An engine that has not started it binds them."""
    bindings = list(record.spec.ports)
    if not _is_automatic(record, bindings):
        return
    if record.id not in containers.holding:
        known = _known(containers)
        keys = [_key(record.name, index, binding) for index, binding in enumerate(bindings)]
        remembered = [known[key]["port"] if key in known else 0 for key in keys]
        bindings = [
            replace(one, host_port=one.host_port or port) for one, port in zip(bindings, remembered, strict=True)
        ]
        if not all(one.host_port for one in bindings):
            return  # it has not run yet
        try:
            actual, sockets = reserve_ports(bindings)
        except EngineError:
            return  # somebody has been quicker: another one is picked at the start
        containers.holding.keep(record.id, actual, [one.fileno() for one in sockets])
        release_ports(sockets)
    containers.holding.rest(record.id)


def release(containers: Containers, record: ContainerRecord) -> None:
    """The container is removed. Its ports stay remembered, and are anybody's."""
    containers.holding.drop(record.id)


def _is_automatic(record: ContainerRecord, bindings: Sequence[PortBinding]) -> bool:
    return record.labels.get(LABEL) == "auto" and not all(binding.host_port for binding in bindings)


def _key(name: str, index: int, binding: PortBinding) -> str:
    return f"{name}|{index}|{binding.container_port}/{binding.protocol}"


def _candidates(seed: str, remembered: int | None, others: set[int]) -> Iterator[int]:
    if remembered is not None:
        yield remembered
    count = LAST - FIRST + 1
    start = zlib.crc32(seed.encode())
    for step in range(count):
        port = FIRST + (start + step) % count
        if port not in others:
            yield port


class Remembered(TypedDict):
    """A port that a container of this name has had, and when, in ns since the epoch."""

    port: int
    used: int


def _known(containers: Containers) -> dict[str, Remembered]:
    return cast("dict[str, Remembered]", containers.store.all(KIND))


def _remember(containers: Containers, chosen: dict[str, int]) -> None:
    with containers.store.transaction():
        for key, port in chosen.items():
            containers.store.put(KIND, key, {"port": port, "used": time.time_ns()})
        known = _known(containers)
        for key in sorted(known, key=lambda key: known[key]["used"])[: max(0, len(known) - _REMEMBERED)]:
            containers.store.delete(KIND, key)


def forget(containers: Containers, name: str) -> None:
    """The container of this name will not come again."""
    for key in containers.store.all(KIND):
        if key.startswith(f"{name}|"):
            containers.store.delete(KIND, key)
