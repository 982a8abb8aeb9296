"""Projects and engine states as plain values, for tests of planning: nothing here touches an engine or a file.

`State` is a model of an engine: it applies operations the way a real one would and gives the snapshot that comes of it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pycompose.compose.convert.container import Facts, create_request
from pycompose.compose.convert.network import network_body
from pycompose.compose.convert.volume import volume_body
from pycompose.compose.errors import Mark
from pycompose.compose.labels import image_name, service_images
from pycompose.compose.load.bind import bind
from pycompose.compose.load.canonical import Canonical
from pycompose.compose.load.tree import Map, as_tree
from pycompose.compose.model import Project
from pycompose.compose.plan.digest import service_digest
from pycompose.compose.plan.observe import (
    ObservedContainer,
    ObservedImage,
    ObservedMount,
    ObservedNetwork,
    ObservedVolume,
    Snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pycompose.compose.plan import ops

FILE = "compose.yaml"


def make_project(services: Mapping[str, Any], name: str = "demo", **parts: Any) -> Project:
    """A project as the loader makes it of such services: they get the default network and an image, and every short form and text
    that a file may have is read as from a file."""
    given: dict[str, Any] = {}
    for service_name, wanted in services.items():
        service = dict(wanted)
        if "image" not in service and "build" not in service and "provider" not in service:
            service["image"] = "busybox"
        if "network_mode" not in service and "networks" not in service and "provider" not in service:
            service["networks"] = {"default": None}
        given[service_name] = service
    networks = {"default": {"name": f"{name}_default", "ipam": {}}, **parts.pop("networks", {})}
    volumes = {key: {"name": f"{name}_{key}", **(tree or {})} for key, tree in parts.pop("volumes", {}).items()}
    tree = as_tree({"services": given, "networks": networks, "volumes": volumes})
    assert isinstance(tree, Map)
    bound, errors = bind(Canonical().apply(tree))
    assert not errors, errors
    marks: dict[tuple[str | int, ...], Mark] = {}
    for line, service_name in enumerate(given, 2):
        marks["services", service_name] = Mark(FILE, line * 10, 3)
    return Project(
        name=name,
        directory=Path("/src") / name,
        files=(FILE,),
        services={key: bound.services[key] for key in given},
        networks={key: bound.networks[key] for key in networks},
        volumes={key: bound.volumes[key] for key in volumes},
        marks=marks,
        **parts,
    )


class State:
    """An engine with one project on it. ``one_shots`` are services whose containers end with 0 as soon as they start."""

    def __init__(self, project: Project, one_shots: frozenset[str] = frozenset()) -> None:
        self.project = project
        self.one_shots = one_shots
        self.containers: dict[str, ObservedContainer] = {}
        self.networks: dict[str, ObservedNetwork] = {}
        self.volumes: dict[str, ObservedVolume] = {}
        self.images: dict[str, ObservedImage] = {}
        self.hooks_run: list[str] = []
        self._count = 0

    def snapshot(self, project: Project | None = None) -> Snapshot:
        project = project or self.project
        refs = {ref for name in project.services for ref in service_images(project, name)}
        return Snapshot(
            project=project.name,
            containers=tuple(self.containers.values()),
            networks=dict(self.networks),
            volumes=dict(self.volumes),
            images={ref: self.images.get(ref) for ref in refs},
        )

    def have_image(self, ref: str, ident: str = "sha256:one", volumes: tuple[str, ...] = ()) -> None:
        self.images[ref] = ObservedImage(ref, ident, volumes)

    def identity(self) -> str:
        self._count += 1
        return f"{self._count:064x}"

    def apply(self, operation: ops.Operation) -> None:
        """Do what the operation says. AssertionError where a real engine would refuse."""
        getattr(self, f"_{type(operation).__name__}")(operation)

    # -- images, networks, volumes

    def _PullImage(self, operation: ops.PullImage) -> None:
        self.images[operation.ref] = ObservedImage(operation.ref, f"sha256:{self.identity()}")

    def _BuildImage(self, operation: ops.BuildImage) -> None:
        if not (operation.unless_pulled and operation.ref in self.images):
            self.images[operation.ref] = ObservedImage(operation.ref, f"sha256:{self.identity()}")

    def _CreateNetwork(self, operation: ops.CreateNetwork) -> None:
        assert operation.name not in self.networks
        self.networks[operation.name] = ObservedNetwork(
            self.identity(), operation.name, network_body(self.project, operation.network)
        )

    def _RemoveNetwork(self, operation: ops.RemoveNetwork) -> None:
        assert not any(operation.name in one.networks for one in self.containers.values()), "active endpoints"
        del self.networks[operation.name]

    def _CreateVolume(self, operation: ops.CreateVolume) -> None:
        assert operation.name not in self.volumes
        body = volume_body(self.project, operation.volume)
        self.volumes[operation.name] = ObservedVolume(
            operation.name, body["Driver"], body["DriverOpts"], body["Labels"]
        )

    def _RemoveVolume(self, operation: ops.RemoveVolume) -> None:
        used = {mount.name for one in self.containers.values() for mount in one.mounts}
        assert operation.name not in used, "volume in use"
        self.volumes.pop(operation.name, None)

    def _RemoveImage(self, operation: ops.RemoveImage) -> None:
        self.images.pop(operation.ref, None)

    def _ConfigureModel(self, operation: ops.ConfigureModel) -> None:
        assert operation.model in self.project.models

    # -- containers

    def _find(self, name: str, identity: str) -> ObservedContainer:
        if identity:
            return self.containers[identity]
        found = [one for one in self.containers.values() if one.name == name or one.name.endswith(f"_{name}")]
        return max(found, key=lambda one: one.id)

    def _CreateContainer(self, operation: ops.CreateContainer) -> None:
        image = self.images[image_name(self.project, operation.service)]
        service = self.project.services[operation.service]
        digest = service_digest(self.project, operation.service, {})
        shared = {one.service: one.id for one in self.containers.values()}
        request = create_request(
            self.project, operation.service, operation.number, Facts(containers=shared, replaces=operation.replaces)
        )
        assert request.name not in {one.name for one in self.containers.values()}, "name taken"
        networks = {**request.body["NetworkingConfig"]["EndpointsConfig"], **dict(request.connect)}
        kept = dict(operation.kept_volumes)
        anonymous = {path: kept.get(path) or f"anon-{self.identity()}" for path in image.volumes}
        for item in service.get("volumes") or ():
            if item.get("type", "volume") == "volume":
                if item.get("source"):
                    anonymous[item["target"]] = self.project.volumes[item["source"]]["name"]
                else:
                    anonymous[item["target"]] = kept.get(item["target"]) or f"anon-{self.identity()}"
        for name in anonymous.values():
            self.volumes.setdefault(name, ObservedVolume(name))
        identity = self.identity()
        self.containers[identity] = ObservedContainer(
            id=identity,
            name=request.name,
            service=operation.service,
            number=operation.number,
            state="created",
            config_hash=digest.config_hash,
            fields=digest.fields(),
            image=image.ref,
            image_id=image.id,
            networks={name: self.networks[name].id for name in networks},
            mounts=tuple(ObservedMount("volume", name, "", target) for target, name in anonymous.items()),
            replaces=request.body["Labels"].get("com.docker.compose.replace", ""),
            working_dir=str(self.project.directory),
            depends_on=request.body["Labels"]["com.docker.compose.depends_on"],
        )

    def _StartContainer(self, operation: ops.StartContainer) -> None:
        one = self._find(operation.name, operation.id)
        assert not one.running or one.pending, f"{one.name} runs already"
        if one.service in self.one_shots:
            self.containers[one.id] = replace(one, state="exited", exit_code=0)
            return
        checked = bool((self.project.services[one.service].get("healthcheck") or {}).get("test"))
        self.containers[one.id] = replace(one, state="running", health="healthy" if checked else "", pending=False)

    def _RunPreStart(self, operation: ops.RunPreStart) -> None:
        one = self._find(operation.target, operation.id)
        assert one.state == "created", f"{one.name} has been started before its hook"
        hook = self.project.services[one.service]["pre_start"][operation.index]
        assert hook.get("image", one.image) in self.images
        self.hooks_run.append(operation.name)

    def _StopContainer(self, operation: ops.StopContainer) -> None:
        one = self.containers[operation.id]
        assert one.running
        self.containers[one.id] = replace(one, state="exited", exit_code=137, health="")

    def _RemoveContainer(self, operation: ops.RemoveContainer) -> None:
        assert not self.containers[operation.id].running or operation.force
        del self.containers[operation.id]

    def _RenameContainer(self, operation: ops.RenameContainer) -> None:
        one = self._find(operation.name, operation.id)
        assert operation.name not in {other.name for other in self.containers.values()}, "name taken"
        self.containers[one.id] = replace(one, name=operation.name)

    def _RollBack(self, operation: ops.RollBack) -> None:
        assert operation.replicas, "nothing to put back"

    def _MonitorContainer(self, operation: ops.MonitorContainer) -> None:
        one = self._find(operation.name, operation.id)
        assert one.running or one.service in self.one_shots

    def _TakeOverPorts(self, operation: ops.TakeOverPorts) -> None:
        assert self._find(operation.name, "").running, "not running"

    def _WaitHealthy(self, operation: ops.WaitHealthy) -> None:
        one = self._find(operation.name, operation.id)
        if operation.running_is_enough:
            assert one.running or one.exit_code == 0
        else:
            assert one.health == "healthy", f"{one.name} has no health check or is not started"

    def _WaitCompleted(self, operation: ops.WaitCompleted) -> None:
        one = self._find(operation.name, operation.id)
        assert (one.state, one.exit_code) == ("exited", 0)

    def _RunProvider(self, operation: ops.RunProvider) -> None:
        return None
