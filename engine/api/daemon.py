"""The engine as the routes see it: all nouns of one instance, and what ends its life."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..containers.life.workers import Workers
from ..meters import Meters

if TYPE_CHECKING:
    from ..build.service import Builder
    from ..buildkit.service import BuildKit
    from ..containers.life.service import Containers
    from ..containers.view.hour import Hours
    from ..events import Events
    from ..images.service import Images
    from ..images.types import RootRunner
    from ..jobs import Jobs
    from ..layout import Layout
    from ..leases import Leases
    from ..meters import Histogram
    from ..networks import Networks
    from ..runtime.client import KeeperClient
    from ..store import Store
    from ..volumes import Volumes
    from ..volumes.exchange import Exchange
    from ..volumes.shipping import Shipping
    from ..volumes.snapshots import Snapshots

T = TypeVar("T")

TRANSFERS = 64


class Offers(Protocol):
    """Images served to other machines (pulls.py)."""

    @property
    def is_serving(self) -> bool: ...

    async def offer(self, address: str, refs: list[str]) -> dict[str, str]:
        """Serve ``refs`` at ``address``; the digest of each. Raises EngineError."""


@dataclass(slots=True)
class Daemon:
    """``transfers`` bounds the worker threads that move streams, apart from those for short work: clients that are slow
    with their archives wait for each other only. ``buildkit`` is made when a client first asks for it. ``remote`` are
    the TCP addresses that are listened on; ``pulls`` serves images to other machines. ``turns`` is how long turns of the event
    loop took. ``stopping`` is set when the engine shall end."""

    layout: Layout
    store: Store
    events: Events
    images: Images
    networks: Networks
    volumes: Volumes
    containers: Containers
    hours: Hours
    leases: Leases
    jobs: Jobs
    snapshots: Snapshots
    exchange: Exchange
    shipping: Shipping
    builder: Builder
    keeper: KeeperClient
    bootstrap_runner: RootRunner
    keeper_pid: int
    buildkit: BuildKit | None = None
    remote: tuple[str, ...] = ()
    pulls: Offers | None = None
    meters: Meters = field(default_factory=Meters)
    turns: Histogram | None = None
    shows_metrics: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    transfers: Workers = field(default_factory=lambda: Workers(TRANSFERS))
