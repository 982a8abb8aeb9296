"""The engine's state of one project as one frozen snapshot: what reconciliation compares the model with.

Few calls, no inspect storms: containers, networks and volumes come from one listing each, images are asked for once per
reference. Reads, decides nothing.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from .. import labels
from ..client import NotFound
from ..convert import hooks
from ..dataclass import dataclass, field
from ..labels import network_name, service_images, volume_name
from ..status import exit_code, health_word
from .recorded import by_their_makers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..client import Engine
    from ..client.bodies.containers import ContainerRow
    from ..client.bodies.networks import Network
    from ..client.bodies.volumes import Volume
    from ..model import Project
    from ..model.service import Hook, PreStartHook


@dataclass(frozen=True, slots=True)
class ObservedMount:
    kind: str
    name: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """``state`` is the engine's word (running, exited, created, paused, restarting, dead); ``health`` is "" without a check."""

    id: str
    name: str
    service: str
    number: int
    oneoff: bool = False
    state: str = "running"
    exit_code: int | None = None
    health: str = ""
    config_hash: str = ""
    fields: Mapping[str, str] | None = None
    image: str = ""
    image_id: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[ObservedMount, ...] = ()
    network_mode: str = ""
    replaces: str = ""
    working_dir: str = ""
    version: str = ""
    depends_on: str = ""
    created: int = 0
    kept_volumes: tuple[str, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    """The hooks recorded at creation."""
    post_start: tuple[Hook, ...] = ()
    pre_start: tuple[PreStartHook, ...] = ()
    pending: bool = False
    """Its post_start hooks have not come to their end."""
    hook: str = ""
    """The kind of hook whose container this is; such containers count as one-off ones."""
    hook_index: int = 0
    hook_for: str = ""

    @property
    def running(self) -> bool:
        return self.state in ("running", "restarting", "paused")

    @property
    def unfinished(self) -> bool:
        """Its creation was cut off: it must not be started."""
        return self.name.startswith(labels.UNFINISHED)


def _nothing() -> Network:
    return {}


@dataclass(frozen=True, slots=True)
class ObservedNetwork:
    id: str
    name: str
    tree: Network = field(default_factory=_nothing)

    @property
    def labels(self) -> Mapping[str, str]:
        return self.tree.get("Labels") or {}


@dataclass(frozen=True, slots=True)
class ObservedVolume:
    name: str
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObservedImage:
    """``volumes`` are the paths the image declares; ``has_check``: a health check; ``pulled`` is when its tag last moved, seconds since the epoch."""

    ref: str
    id: str
    volumes: tuple[str, ...] = ()
    pulled: float | None = None
    has_check: bool = False


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image of the engine with the project's labels: its first tag, and the service it was built for."""

    ref: str
    service: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``images`` maps references to images, None for one that the engine does not have; ``jobs`` the names of registered
    jobs to their configuration hashes."""

    project: str
    containers: tuple[ObservedContainer, ...] = ()
    networks: Mapping[str, ObservedNetwork] = field(default_factory=dict)
    volumes: Mapping[str, ObservedVolume] = field(default_factory=dict)
    images: Mapping[str, ObservedImage | None] = field(default_factory=dict)
    jobs: Mapping[str, str] = field(default_factory=dict)

    def hooks_of(self, name: str) -> list[ObservedContainer]:
        """The containers that hooks of the service have left."""
        return [one for one in self.containers if one.service == name and one.hook]

    def of_service(self, name: str) -> list[ObservedContainer]:
        """The service's containers without one-off and unfinished ones, by number."""
        found = [one for one in self.containers if one.service == name and not one.oneoff and not one.unfinished]
        return sorted(found, key=lambda one: (one.number, one.name))

    def unfinished_of(self, name: str) -> list[ObservedContainer]:
        """What a creation that was cut off has left of the service."""
        return [one for one in self.containers if one.service == name and not one.oneoff and one.unfinished]


def observe(engine: Engine, project: Project, *, images: Iterable[str] | None = None) -> Snapshot:
    """The state of ``project``: its containers, the networks and volumes it names, and its services' images."""
    containers = list_containers(engine, project.name)
    networks = {network_name(project, key) for key in project.networks}
    volumes = {volume_name(project, key) for key in project.volumes}
    if images is None:
        images = dict.fromkeys(ref for name in project.services for ref in service_images(project, name))
    return Snapshot(
        project=project.name,
        containers=containers,
        networks=_networks(engine, networks),
        volumes=_volumes(engine, volumes),
        images={ref: observe_image(engine, ref) for ref in images},
        jobs=observe_jobs(engine, project.name),
    )


def observe_recorded(engine: Engine, name: str) -> Snapshot:
    """What the engine has under the project's label, for `down` without a model."""
    wanted = {"label": [f"{labels.PROJECT}={name}"]}
    return Snapshot(
        project=name,
        containers=list_containers(engine, name),
        networks={one["Name"]: ObservedNetwork(one["Id"], one["Name"], one) for one in engine.networks.list(wanted)},
        volumes={one["Name"]: _volume(one) for one in engine.volumes.list(wanted)},
        jobs=observe_jobs(engine, name),
    )


def observe_jobs(engine: Engine, name: str) -> dict[str, str]:
    """The project's jobs and their configuration hashes; other engines have none."""
    if not engine.is_pycompose:
        return {}
    found = engine.jobs.list({labels.PROJECT: name})
    return {str(one["Name"]): str(one["Labels"].get(labels.CONFIG_HASH, "")) for one in found}


def list_containers(engine: Engine, name: str) -> tuple[ObservedContainer, ...]:
    found = engine.containers.list({"label": [f"{labels.PROJECT}={name}"]}, all=True)
    mine = by_their_makers(engine, (one for one in found if labels.belongs(one.get("Labels") or {})))
    return tuple(sorted(map(container, mine), key=lambda one: (one.service, one.number, one.name)))


def list_built(engine: Engine, name: str) -> tuple[BuiltImage, ...]:
    """The tagged images that were built for the project."""
    found = engine.images.list({"label": [f"{labels.PROJECT}={name}"], "dangling": ["false"]})
    return tuple(
        BuiltImage(tags[0], (one.get("Labels") or {}).get(labels.SERVICE, ""))
        for one in found
        if (tags := one.get("RepoTags"))
    )


def container(tree: ContainerRow) -> ObservedContainer:
    """One element of GET /containers/json; see recorded.py for its labels."""
    tags: Mapping[str, str] = tree.get("Labels") or {}
    status = str(tree.get("Status") or "")
    endpoints = (tree.get("NetworkSettings") or {}).get("Networks") or {}
    return ObservedContainer(
        id=str(tree["Id"]),
        name=str((tree.get("Names") or [tree["Id"][:12]])[0]).removeprefix("/"),
        service=tags.get(labels.SERVICE, ""),
        number=labels.number(tags, labels.NUMBER, 1),
        oneoff=tags.get(labels.ONEOFF, "False") == "True" or bool(tags.get(labels.HOOK)),
        state=str(tree.get("State") or ""),
        exit_code=exit_code(status),
        health=health_word(status),
        config_hash=tags.get(labels.CONFIG_HASH, ""),
        fields=_fields(tags.get(labels.FIELDS)),
        image=str(tree.get("Image") or ""),
        image_id=tags.get(labels.IMAGE) or str(tree.get("ImageID") or ""),
        networks={name: str((one or {}).get("NetworkID") or "") for name, one in endpoints.items()},
        mounts=tuple(
            ObservedMount(
                str(one.get("Type") or ""),
                str(one.get("Name") or ""),
                str(one.get("Source") or ""),
                str(one.get("Destination") or ""),
            )
            for one in tree.get("Mounts") or ()
        ),
        network_mode=str((tree.get("HostConfig") or {}).get("NetworkMode") or ""),
        replaces=tags.get(labels.REPLACE, ""),
        working_dir=tags.get(labels.WORKING_DIR, ""),
        version=tags.get(labels.VERSION, ""),
        depends_on=tags.get(labels.DEPENDS_ON, ""),
        created=int(tree.get("Created") or 0),
        kept_volumes=tuple(filter(None, tags.get(labels.KEPT_VOLUMES, "").split(","))),
        pre_stop=hooks.read(tags.get(labels.PRE_STOP)),
        post_start=hooks.read(tags.get(labels.POST_START)),
        pre_start=hooks.read(tags.get(labels.PRE_START)),
        pending=labels.PENDING in tags,
        hook=tags.get(labels.HOOK, ""),
        hook_index=labels.number(tags, labels.HOOK_INDEX, 0),
        hook_for=tags.get(labels.HOOK_FOR, ""),
    )


def _fields(text: str | None) -> Mapping[str, str] | None:
    if not text:
        return None
    try:
        decoded = json.loads(text)
    except ValueError:
        return None
    return decoded if isinstance(decoded, dict) else None


def _networks(engine: Engine, names: Iterable[str]) -> dict[str, ObservedNetwork]:
    wanted = set(names)
    if not wanted:
        return {}
    found = engine.networks.list({"name": sorted(wanted)})
    return {one["Name"]: ObservedNetwork(one["Id"], one["Name"], one) for one in found if one["Name"] in wanted}


def _volumes(engine: Engine, names: Iterable[str]) -> dict[str, ObservedVolume]:
    wanted = set(names)
    if not wanted:
        return {}
    found = engine.volumes.list({"name": sorted(wanted)})
    return {one["Name"]: _volume(one) for one in found if one["Name"] in wanted}


def _volume(tree: Volume) -> ObservedVolume:
    return ObservedVolume(
        tree["Name"], tree.get("Driver") or "local", tree.get("Options") or {}, tree.get("Labels") or {}
    )


def observe_image(engine: Engine, ref: str) -> ObservedImage | None:
    try:
        tree = engine.images.inspect(ref)
    except NotFound:
        return None
    config = tree.get("Config") or {}
    moved = (tree.get("Metadata") or {}).get("LastTagTime")
    test = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    volumes = tuple(sorted(config.get("Volumes") or ()))
    return ObservedImage(ref, str(tree["Id"]), volumes, _seconds(moved), has_check=test[0] != "NONE")


def _seconds(moment: str | None) -> float | None:
    """RFC 3339 with nanoseconds as seconds since the epoch; None for none and for Go's zero time."""
    if not moment or moment.startswith("0001-"):
        return None
    from datetime import datetime

    matched = re.fullmatch(r"(.*?)(\.\d+)?(Z|[+-]\d\d:\d\d)", moment)
    if matched is None:
        return None
    return datetime.fromisoformat(matched[1] + matched[3].replace("Z", "+00:00")).timestamp()
