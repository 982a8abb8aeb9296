"""What an engine has, as far as it is to be brought to another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...client import NotFound
from ...errors import OperationError
from ...labels import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...client import Engine
    from ...client.bodies.containers import Container, ContainerRow
    from ...client.bodies.networks import Network
    from ...client.bodies.volumes import Volume

HELPER = "io.pycompose.moving"
"""On what was made only to reach a volume: the volume's name."""

BUILT_IN = frozenset({"bridge", "host", "none", "ingress", "docker_gwbridge", "podman"})
"""Networks that every engine has by itself."""


class WantedImage(NamedTuple):
    """``size`` in bytes."""

    id: str
    tags: tuple[str, ...]
    size: int

    @property
    def title(self) -> str:
        return ", ".join(self.tags) or self.id.removeprefix("sha256:")[:12]


class Inventory(NamedTuple):
    images: tuple[WantedImage, ...]
    networks: tuple[Network, ...]
    volumes: tuple[Volume, ...]
    containers: tuple[Container, ...]


def take(engine: Engine, project: str | None) -> Inventory:
    """All of the engine, or what belongs to ``project``: its containers, what they use, and what carries its label. Raises
    `OperationError` when there is nothing of the project."""
    wanted = {"label": [f"{PROJECT}={project}"]} if project else None
    rows = [row for row in engine.containers.list(wanted, all=True) if HELPER not in row["Labels"]]
    containers = tuple(_details(engine, rows))
    networks, volumes = engine.networks.list(), engine.volumes.list()
    if project:
        joined = {name for one in containers for name in (one["NetworkSettings"].get("Networks") or {})}
        mounted = {mount.get("Name") for one in containers for mount in one.get("Mounts") or ()}
        networks = [one for one in networks if one["Name"] in joined or _belongs(one.get("Labels"), project)]
        volumes = [one for one in volumes if one["Name"] in mounted or _belongs(one.get("Labels"), project)]
        if not (containers or networks or volumes):
            raise OperationError(f"project {project} has nothing on the engine at {engine.endpoint.address}")
    return Inventory(
        images=tuple(_images(engine, containers, project)),
        networks=tuple(one for one in networks if one["Name"] not in BUILT_IN and one.get("Scope", "local") == "local"),
        volumes=tuple(sorted(volumes, key=lambda one: one["Name"])),
        containers=containers,
    )


def _details(engine: Engine, rows: Iterable[ContainerRow]) -> Iterable[Container]:
    for row in sorted(rows, key=lambda row: (row.get("Created", 0), row["Id"])):
        try:
            yield engine.containers.inspect(row["Id"])
        except NotFound:
            continue  # it has gone since it was listed


def _images(engine: Engine, containers: tuple[Container, ...], project: str | None) -> Iterable[WantedImage]:
    used = {one["Image"] for one in containers}
    for row in engine.images.list():
        tags = tuple(sorted(tag for tag in row.get("RepoTags") or () if not tag.endswith("<none>")))
        asked = _belongs(row.get("Labels"), project) if project else bool(tags)
        if row["Id"] in used or asked:
            yield WantedImage(row["Id"], tags, int(row.get("Size") or 0))


def _belongs(labels: dict[str, str] | None, project: str) -> bool:
    return (labels or {}).get(PROJECT) == project
