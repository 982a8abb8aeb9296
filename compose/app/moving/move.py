"""Everything of an inventory from one engine to another: images first, then networks, volumes, and the containers that use them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from ...client import Conflict, NotFound
from ...client.http import ConnectionLost, Refused
from ...errors import EngineError, OperationError
from ...labels import PROJECT, SERVICE
from . import images, volumes
from .adopting import Adoption, given_back
from .bodies import draft, has_fixed_address, neighbours, network_body
from .inventory import HELPER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...client import Engine
    from ...client.bodies.containers import Container
    from ...client.bodies.networks import Network
    from ...client.bodies.volumes import Volume
    from .bodies import Draft
    from .inventory import Inventory, WantedImage

T = TypeVar("T")

ORIGIN = "io.pycompose.brought-from"
"""On a container: the id that it had at the engine it was brought from."""

MOVED, THERE, FAILED, WOULD = "brought", "there already", "failed", "would be brought"


class Moved(NamedTuple):
    """What became of one object: ``kind`` is image, network, volume or container, ``state`` one of the words above; ``size`` in bytes
    of what went over, 0 for what has none."""

    kind: str
    name: str
    state: str
    detail: str = ""
    size: int = 0


class Watcher(Protocol):
    """Who is told while things go over."""

    def passing(self, kind: str, name: str, size: int, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The blocks of one object as they come; ``size`` is how many bytes are expected, 0 when nobody knows."""

    def done(self, moved: Moved) -> None:
        """One object is through."""


class Move:
    """One run. ``failed`` tells whether something could not be brought."""

    def __init__(self, source: Engine, target: Engine, wanted: Inventory, watcher: Watcher) -> None:
        self._source, self._target, self._wanted, self._watcher = source, target, wanted, watcher
        self._images: dict[str, str] = {}
        self._made: dict[str, str] = {}
        self._services: dict[str, dict[str, str]] = {}
        self.failed = 0

    def run(self) -> None:
        """Bring everything; what fails is told and the rest goes on. Raises `EngineError` when an engine cannot be reached."""
        self._sweep()
        for image in self._wanted.images:
            self._each("image", image.title, self._image, image)
        for network in self._wanted.networks:
            self._each("network", network["Name"], self._network, network)
        for volume in self._wanted.volumes:
            self._each("volume", volume["Name"], self._volume, volume)
        adoption = Adoption(self._wanted.containers, self._target.version)
        for container in ordered(self._wanted.containers):
            self._each("container", container["Name"].lstrip("/"), self._container, (container, adoption))

    def _sweep(self) -> None:
        """Take away what an earlier run that was killed has left to read by."""
        if self._target.is_pycompose:
            for volume in self._target.volumes.list({"label": [HELPER]}):
                with contextlib.suppress(NotFound, Conflict):  # another run may be at it
                    self._target.volumes.remove(volume["Name"])
        if not self._source.is_pycompose:
            for row in self._source.containers.list({"label": [HELPER]}, all=True):
                with contextlib.suppress(NotFound):
                    self._source.containers.remove(row["Id"], force=True)

    def _each(self, kind: str, name: str, bring: Callable[[T], Moved], wanted: T) -> None:
        try:
            moved = bring(wanted)
        except (ConnectionLost, Refused):
            raise
        except (EngineError, OperationError) as error:
            self.failed += 1
            moved = Moved(kind, name, FAILED, " ".join(str(error).split()))
        self._watcher.done(moved)

    def _image(self, wanted: WantedImage) -> Moved:
        found, state = images.find(self._source, self._target, wanted), THERE
        if found is None:
            passing = lambda blocks: self._watcher.passing("image", wanted.title, wanted.size, blocks)  # noqa: E731
            found, state = images.move(self._source, self._target, wanted, passing), MOVED
        self._images[wanted.id] = found
        return Moved("image", wanted.title, state, found.removeprefix("sha256:")[:12], wanted.size)

    def _network(self, wanted: Network) -> Moved:
        name = wanted["Name"]
        for one in self._target.networks.list({"name": [name]}):
            if one["Name"] == name:
                if one.get("Driver") != wanted.get("Driver"):
                    raise OperationError(f"there is another network of this name, of driver {one.get('Driver')}")
                return Moved("network", name, THERE)
        addressed = any(has_fixed_address(one, name) for one in self._wanted.containers)
        self._target.networks.create(network_body(wanted, addressed=addressed))
        return Moved("network", name, MOVED)

    def _volume(self, wanted: Volume) -> Moved:
        name = wanted["Name"]
        passing = lambda blocks: self._watcher.passing("volume", name, 0, blocks)  # noqa: E731
        found, there = volumes.move(self._source, self._target, wanted, passing)
        detail = "its driver's options only" if found is None else _amount(found.files)
        users = self._source.containers.list({"volume": [name], "status": ["running"]})
        if users and found is not None and not there:
            names = ", ".join(sorted(one["Names"][0].lstrip("/") for one in users))
            detail += f"; {names} may have written meanwhile: stop it for a copy of one moment"
        return Moved("volume", name, THERE if there else MOVED, detail, 0 if found is None else found.size)

    def _container(self, wanted: tuple[Container, Adoption]) -> Moved:
        container, adoption = wanted
        name, identity = container["Name"].lstrip("/"), container["Id"]
        there = self._existing(name, identity)
        if there:
            self._note_made(container, there)
            return Moved("container", name, THERE)
        if (container.get("HostConfig") or {}).get("AutoRemove"):
            return Moved("container", name, "left out", "it is removed when it ends (--rm)")
        image_id = self._images.get(container["Image"])
        if image_id is None:
            raise OperationError("its image could not be brought")
        image = self._target.images.inspect(image_id)
        reference = container["Config"].get("Image") or ""
        made = draft(container, reference if self._is_image(reference, image_id) else image_id, self._made)
        labels, difference = adoption.labels(
            container, made, image, self._services.get(_tags(container).get(PROJECT, ""), {})
        )
        tags = {**_labels(made), **labels, ORIGIN: identity}
        body_labels = tags if self._target.is_pycompose else given_back(tags)
        self._note_made(container, self._create(name, made, body_labels))
        notes = [*made.notes, *([f"up will replace it: {difference}"] if difference else ())]
        return Moved("container", name, MOVED, "; ".join(notes))

    def _is_image(self, reference: str, identity: str) -> bool:
        try:
            return bool(reference) and self._target.images.inspect(reference)["Id"] == identity
        except NotFound:
            return False

    def _existing(self, name: str, identity: str) -> str:
        """The id of what an earlier run has made. Raises `OperationError` for another container of the name."""
        try:
            found = self._target.containers.inspect(name)
        except NotFound:
            return ""
        if found["Name"].lstrip("/") != name:
            return ""
        if _tags(found).get(ORIGIN) != identity:
            raise OperationError("there is another container of this name")
        return found["Id"]

    def _create(self, name: str, made: Draft, labels: dict[str, str]) -> str:
        """A container whole or not at all: on an engine that takes one network at creation the others follow."""
        endpoints = list(made.endpoints.items())
        first = endpoints if self._target.version >= (1, 44) else endpoints[:1]
        body = {
            **made.config,
            "Labels": labels,
            "HostConfig": made.host,
            "NetworkingConfig": {"EndpointsConfig": dict(first)},
        }
        identity = self._target.containers.create(body, name)["Id"]
        try:
            for network, settings in endpoints[len(first) :]:
                self._target.networks.connect(network, identity, settings)
        except BaseException:
            with contextlib.suppress(EngineError):
                self._target.containers.remove(identity, force=True)
            raise
        return identity

    def _note_made(self, container: Container, identity: str) -> None:
        self._made[container["Id"]] = self._made[container["Name"].lstrip("/")] = identity
        tags = _tags(container)
        if PROJECT in tags and SERVICE in tags:
            self._services.setdefault(tags[PROJECT], {}).setdefault(tags[SERVICE], identity)


def plan(source: Engine, target: Engine, wanted: Inventory) -> Iterator[Moved]:
    """What a run would do, as far as names tell: nothing is read or written."""
    for image in wanted.images:
        state = WOULD if images.find(source, target, image) is None else THERE
        yield Moved("image", image.title, state, "", image.size)
    networks = {one["Name"] for one in target.networks.list()}
    for network in wanted.networks:
        yield Moved("network", network["Name"], THERE if network["Name"] in networks else WOULD)
    names = {one["Name"] for one in target.volumes.list()}
    for volume in wanted.volumes:
        yield Moved("volume", volume["Name"], "would be compared" if volume["Name"] in names else WOULD)
    names = {one["Names"][0].lstrip("/") for one in target.containers.list(all=True)}
    for container in ordered(wanted.containers):
        name = container["Name"].lstrip("/")
        yield Moved("container", name, THERE if name in names else WOULD)


def ordered(containers: tuple[Container, ...]) -> list[Container]:
    """Those whose namespaces others share first."""
    by_name = {key: one for one in containers for key in (one["Id"], one["Name"].lstrip("/"))}
    found: dict[str, Container] = {}

    def visit(one: Container, above: frozenset[str]) -> None:
        for other in neighbours(one):
            if other in by_name and by_name[other]["Id"] not in above:
                visit(by_name[other], above | {one["Id"]})
        found.setdefault(one["Id"], one)

    for one in containers:
        visit(one, frozenset({one["Id"]}))
    return list(found.values())


def _amount(members: int) -> str:
    """Of an archive's members, one of which is the root."""
    files = members - 1
    return "empty" if files <= 0 else "1 file" if files == 1 else f"{files} files"


def _tags(container: Container) -> dict[str, str]:
    return container["Config"].get("Labels") or {}


def _labels(made: Draft) -> dict[str, str]:
    found = made.config.get("Labels")
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
