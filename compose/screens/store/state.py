"""Everything a screen shows of one engine, as frozen values. Times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .holdings import Build, Job, Lease, Snapshot

HAPPENINGS = 500
"""So many events are kept, the newest."""

PLACES = 200
"""So many projects' places are remembered."""

SAMPLE_PERIOD = 3.0
"""Seconds between two samples of what a container uses."""

SAMPLES = 1200
"""So many samples of each container are kept: an hour."""


class Need(NamedTuple):
    """What a container's service waits for; ``condition`` in a word: started, healthy or completed."""

    service: str
    condition: str
    required: bool = True


class Port(NamedTuple):
    """``url`` is where a browser finds it, "" for what is not published or not TCP."""

    text: str
    url: str = ""


class Mount(NamedTuple):
    kind: str
    name: str
    source: str
    target: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Container:
    """``state`` is the engine's word; ``health`` is "" without a check; ``exit_code`` is None while it runs; ``error`` says why one
    could not be started."""

    id: str
    name: str
    project: str = ""
    service: str = ""
    number: int = 1
    oneoff: bool = False
    image: str = ""
    state: str = "created"
    health: str = ""
    exit_code: int | None = None
    created: float = 0.0
    status: str = ""
    needs: tuple[Need, ...] = ()
    ports: tuple[Port, ...] = ()
    networks: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    directory: str = ""
    files: str = ""
    env_files: str = ""
    error: str = ""

    @property
    def running(self) -> bool:
        return self.state in ("running", "paused", "restarting")


class Place(NamedTuple):
    """Where a project's Compose files are, as its containers' labels say: paths, parted by commas."""

    directory: str
    files: str
    env_files: str = ""


class Network(NamedTuple):
    id: str
    name: str
    driver: str
    project: str
    subnets: tuple[str, ...]


class Volume(NamedTuple):
    name: str
    driver: str
    project: str


class Image(NamedTuple):
    id: str
    tags: tuple[str, ...]
    size: int
    created: float


class Happening(NamedTuple):
    """One event. ``number`` counts them; ``words`` say it to a person; ``grave``: something broke."""

    number: int
    at: float
    kind: str
    action: str
    project: str
    service: str
    container: str
    words: str
    grave: bool


class Usage(NamedTuple):
    """One sample: processor in percent of one, memory and its limit in bytes, the others in bytes or a count since the start."""

    at: float
    processor: float
    memory: float
    limit: float
    received: float
    sent: float
    read: float
    written: float
    pids: int
    spent: float
    """Processor time so far, in nanoseconds: the next sample's share comes of the difference."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The engine itself; ``own`` says whether it is ours."""

    name: str = ""
    version: str = ""
    own: bool = False
    address: str = ""
    processors: int = 0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """``connected`` is False before the first answer and while the engine is away; then ``trouble`` says why."""

    connected: bool = False
    trouble: str = ""
    facts: Facts = field(default_factory=Facts)
    containers: Mapping[str, Container] = field(default_factory=lambda: MappingProxyType({}))
    networks: tuple[Network, ...] = ()
    volumes: tuple[Volume, ...] = ()
    images: tuple[Image, ...] = ()
    jobs: tuple[Job, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    leases: tuple[Lease, ...] = ()
    builds: tuple[Build, ...] = ()
    """The newest first."""

    places: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))
    """By project, also of those that have gone since: what has been taken down can be brought up again."""

    happenings: tuple[Happening, ...] = ()
    counted: int = 0
    """How many events there were."""

    usage: Mapping[str, tuple[Usage, ...]] = field(default_factory=lambda: MappingProxyType({}))
