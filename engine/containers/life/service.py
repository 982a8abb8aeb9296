"""Containers: the registry of all containers of this engine and what the verbs need to act on them.

Look-up by name, id and prefix; saving records; events; worker threads for what blocks. The verbs are modules beside
this one and take (containers, container).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import anyio

from ...errors import EngineError, InvalidParameter, NotFound
from ...networks.holding import Holding
from ..spec import validate
from ..spec.userspace import Ids
from ..view.logwatch import LogWatch
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path
    from typing import Unpack

    from anyio.abc import TaskGroup

    from ...events import Events
    from ...images.service import Images
    from ...layout import Layout
    from ...networks import Networks
    from ...runtime.client import KeeperClient
    from ...store import Store
    from ...trash import Trash
    from ...volumes import Volumes
    from ..spec.bodies import LogConfig
    from ..spec.record import ContainerRecord, RecordChanges
    from .container import Container

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

WORKERS = 32


class Containers:
    # More than seven: these are the parts of the engine that containers need, handed over where it is put together. A value that
    # held them would only be another name for the engine.
    def __init__(
        self,
        layout: Layout,
        store: Store,
        events: Events,
        images: Images,
        networks: Networks,
        volumes: Volumes,
        keeper: KeeperClient,
        trash: Trash,
        log_config: LogConfig | None = None,
        ids: Ids | None = None,
    ) -> None:
        """``log_config`` is the LogConfig of containers that ask for none, ``ids`` what user namespaces are made of."""
        self.log_config: LogConfig = log_config or {"Type": "json-file", "Config": {}}
        self.ids = ids or Ids()
        self.layout = layout
        self.store = store
        self.logs = LogWatch()
        self.events = events
        self.images = images
        self.networks = networks
        self.volumes = volumes
        self.keeper = keeper
        self.trash = trash
        self.holding = Holding()
        self._by_id: dict[str, Container] = {}
        self._by_name: dict[str, str] = {}
        self.revive: Callable[[Container, float], object] | None = None
        """Starts a container whose shim was killed after so many seconds; None while the engine starts and ends."""
        self._tasks: TaskGroup | None = None
        self._workers = Workers(WORKERS)
        volumes.protect(self._volume_users)
        images.protect(self._layers_in_use)

    # look-up -------------------------------------------------------------------------------------------------------
    def __iter__(self) -> Iterator[Container]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, ref: str) -> Container:
        """By full id, name (with or without slash) or unique id prefix; in this order. Raises NotFound."""
        if found := self._by_id.get(ref):
            return found
        if found := self._by_id.get(self._by_name.get(ref.removeprefix("/"), "")):
            return found
        matching = [container for id, container in self._by_id.items() if ref and id.startswith(ref)]
        if len(matching) > 1:
            raise InvalidParameter(f"Multiple IDs found with provided prefix: {ref}")
        if not matching:
            raise NotFound(f"No such container: {ref}")
        return matching[0]

    def counts(self) -> dict[str, int]:
        """How many are running, paused and stopped, as info counts them."""
        states = [container.state for container in self._by_id.values()]
        paused = sum(state.status == "paused" for state in states)
        running = sum(state.active for state in states) - paused
        return {"running": running, "paused": paused, "stopped": len(states) - running - paused}

    # names -----------------------------------------------------------------------------------------------------------
    def reserve(self, name: str, id: str) -> None:
        """Take a name; Conflict when another container has it."""
        owner = self._by_name.setdefault(name, id)
        if owner != id:
            raise validate.refuse_name(name, owner)

    def free(self, name: str, id: str) -> None:
        if self._by_name.get(name) == id:
            del self._by_name[name]

    def has_name(self, name: str) -> bool:
        return name in self._by_name

    # records -----------------------------------------------------------------------------------------------------------
    def add(self, container: Container) -> None:
        """Put a container into the registry; its name must have been reserved."""
        self._by_id[container.id] = container

    def forget(self, container: Container) -> None:
        """Drop a container and its record."""
        self.forget_record(container.id)
        self._by_id.pop(container.id, None)
        self.free(container.name, container.id)

    def forget_record(self, id: str) -> None:
        self.store.delete("container", id)
        self.store.delete("health", id)

    async def save(self, container: Container, **changes: Unpack[RecordChanges]) -> None:
        """Replace members of the record, durably. Raises Unavailable when the disk does not take it."""
        before = container.record
        record = replace(before, **changes)
        with anyio.CancelScope(shield=True):
            await self.blocking(self.store.put, "container", record.id, record.body())
        if container.record is before:
            container.record = record
        else:  # something has happened meanwhile, and was told of the record as it was
            self.note(container, **changes)

    def note(self, container: Container, **changes: Unpack[RecordChanges]) -> None:
        """Replace members of the record by what is the case already: no disk that is full keeps anybody from it."""
        record = replace(container.record, **changes)
        self.store.keep("container", record.id, record.body())
        container.record = record

    def publish(self, container: Container, action: str, **attributes: str) -> None:
        self.events.publish("container", action, container.id, {**container.record.attributes(), **attributes})

    # work ------------------------------------------------------------------------------------------------------------
    def begin(self, tasks: TaskGroup) -> None:
        """Background tasks (supervision, health) run in this group from now on."""
        self._tasks = tasks
        self._workers.begin()

    def close(self) -> None:
        """The engine ends: its threads may."""
        self._workers.close()

    def spawn(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` in the background. Its failure is logged and ends nothing else."""
        if self._tasks is None:
            raise EngineError("the engine is not running")
        self._tasks.start_soon(self._guarded, what, work)

    async def _guarded(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        # The one place where any failure of a background task ends: one container's trouble is not the others'.
        try:
            await work()
        except Exception:
            log.exception("%s failed", what)

    async def blocking(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call something that blocks in a worker thread; a cancelled caller still waits for it to end."""
        return await self._workers.run(partial(function, *arguments, **options))

    def warn(self, message: str) -> None:
        """Note a failure that ends nothing, such as a teardown that found something in its way."""
        log.warning("%s", message)

    # what others ask ---------------------------------------------------------------------------------------------------
    def lower(self, record: ContainerRecord) -> tuple[Path, ...]:
        """The overlay's lower directories, top-most first."""
        return tuple(self.layout.layer(chain_id) / "fs" for chain_id in reversed(record.layers))

    def image_users(self, image_id: str) -> list[tuple[str, bool]]:
        """(container id, running) of the containers made from an image."""
        return [(one.id, one.state.active) for one in self if one.record.image == image_id]

    def _volume_users(self, name: str) -> list[str]:
        return [
            container.id
            for container in list(self._by_id.values())
            if any(point.type == "volume" and point.name == name for point in container.record.mounts)
        ]

    def _layers_in_use(self) -> list[str]:
        return [layer for container in list(self._by_id.values()) for layer in container.record.layers]

    def network_id(self, name: str) -> str:
        """The id of a network by the name a container asked for it; "" when it is gone."""
        try:
            return self.networks.get(name).id
        except NotFound:
            return ""
