"""Which containers to create, replace and remove: desired replicas against observed ones, each with its cause."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ...dataclass import dataclass, field
from ...errors import PlanError, dotted
from ...labels import container_name, image_name, network_name
from ..digest import changed_fields
from ..graph import shared_services
from ..ops import Cause, Change
from .options import FORCE, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...model import Project
    from ...model.service import Service
    from ..digest import ServiceDigest
    from ..observe import ObservedContainer, Snapshot
    from .options import UpOptions
    from .resources import ResourcePlan

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"[0-9a-f]{12}_")


@dataclass(frozen=True, slots=True)
class Situation:
    """What is decided upon: what the model wants, what is there, what was asked for, and what becomes of networks and volumes."""

    project: Project
    snapshot: Snapshot
    options: UpOptions
    resources: ResourcePlan


@dataclass(frozen=True, slots=True)
class Replica:
    """One container as it shall be. ``observed`` None: to be created; ``cause`` set: to be created or replaced."""

    name: str
    service: str
    number: int
    observed: ObservedContainer | None
    cause: Cause | None
    kept_volumes: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class ServiceState:
    """The decisions for one service. ``surplus`` goes away; ``leftovers`` are from an `up` that was cut off:
    ``(container, final name or None)``, to be renamed or removed."""

    name: str
    replicas: list[Replica] = field(default_factory=list)
    surplus: list[ObservedContainer] = field(default_factory=list)
    leftovers: list[tuple[ObservedContainer, str | None]] = field(default_factory=list)
    unfinished: list[ObservedContainer] = field(default_factory=list)
    """Without all that they need: to be removed, with the volumes that nobody has used yet."""

    def abandoned(self) -> Iterator[tuple[ObservedContainer, str, bool]]:
        """What is to be removed: the container, why, and whether its anonymous volumes go as well."""
        for one, final in self.leftovers:
            if final is None:
                yield one, "it is left over from an interrupted recreation", False
        for one in self.unfinished:
            yield one, "its creation was interrupted", True

    @property
    def recreated(self) -> bool:
        return any(replica.cause is not None and replica.observed is not None for replica in self.replicas)


def desired_count(service: Service, override: int | None) -> int:
    if override is not None:
        return override
    deploy = service.get("deploy") or {}
    count = deploy.get("replicas")
    if count is None:
        count = service.get("scale")
    return 1 if count is None else int(count)


def decide(
    situation: Situation, name: str, digest: ServiceDigest, decided: Mapping[str, ServiceState], *, selected: bool
) -> ServiceState:
    """``decided`` holds the services this one depends on; ``selected``: the user named it (or all)."""
    project, options, snapshot = situation.project, situation.options, situation.snapshot
    service = project.services[name]
    state = ServiceState(name, unfinished=snapshot.unfinished_of(name))
    observed = _sort_out(project, name, snapshot, state)
    count = desired_count(service, options.scale.get(name))
    if count > 1 and service.get("container_name"):
        raise PlanError(
            f'the "{name}" service is using the custom container name "{service["container_name"]}". Each container needs'
            " a name of its own: remove the custom name to scale the service"
        )
    kept, state.surplus = observed[:count], observed[count:]
    mode = options.recreate if selected else options.recreate_dependencies
    for one in kept:
        cause = _divergence(situation, name, one, digest, decided, mode)
        if cause is None and options.renew_volumes and mode != NEVER and _anonymous_volumes(one):
            cause = Cause("its anonymous volumes are to be renewed")
        final = next((target for left, target in state.leftovers if left is one and target), one.name)
        if cause is not None:
            final = str(service.get("container_name") or container_name(project, name, one.number))
        volumes = () if options.renew_volumes or cause is None else kept_volumes(project, name, one, snapshot)
        state.replicas.append(Replica(final, name, one.number, one, cause, volumes))
    highest = max((one.number for one in observed), default=0)
    for offset in range(count - len(kept)):
        number = highest + 1 + offset
        final = str(service.get("container_name") or container_name(project, name, number))
        cause = Cause(f"service {name} has {len(kept)} of {count} containers", mark=project.mark("services", name))
        state.replicas.append(Replica(final, name, number, None, cause))
    return state


def _sort_out(project: Project, name: str, snapshot: Snapshot, state: ServiceState) -> list[ObservedContainer]:
    """The containers that count as the service's, by number; what an `up` that was cut off has left goes to ``state``."""
    observed: list[ObservedContainer] = []
    everything = snapshot.of_service(name)
    settled = {one.name for one in everything if not _TEMPORARY.match(one.name)}
    for one in everything:
        final = one.replaces or container_name(project, name, one.number)
        if not _TEMPORARY.match(one.name):
            observed.append(one)
        elif final in settled:
            state.leftovers.append((one, None))
        else:
            state.leftovers.append((one, final))
            observed.append(one)
    observed.sort(key=lambda one: (one.number, one.name))
    return observed


def _divergence(
    situation: Situation,
    name: str,
    one: ObservedContainer,
    digest: ServiceDigest,
    decided: Mapping[str, ServiceState],
    mode: str,
) -> Cause | None:
    """Why the container must be replaced; None when it is as the model says."""
    project, snapshot, resources = situation.project, situation.snapshot, situation.resources
    service = project.services[name]
    for other in shared_services(service):
        if other in decided and decided[other].recreated:
            return Cause(
                f"it shares a namespace or volumes of service {other}, which is replaced",
                mark=project.mark("services", name),
            )
    for key in service.get("networks") or ():
        if key in resources.replaced:
            return resources.reasons[key]
    if mode == NEVER:
        return None
    if mode == FORCE:
        return Cause("recreation was asked for")
    if one.config_hash != digest.config_hash:
        return _configuration_cause(project, name, one, digest)
    image = snapshot.images.get(image_name(project, name))
    if image is not None and one.image_id and image.id != one.image_id:
        return Cause(
            f"image {image.ref} is now {_short(image.id)}, was {_short(one.image_id)}",
            mark=project.mark("services", name, "image"),
        )
    for key in service.get("networks") or ():
        network = network_name(project, key)
        found = snapshot.networks.get(network)
        mark = project.mark("services", name, "networks", key)
        if key in resources.network_keys:
            return Cause(f"network {network} is created anew", mark=mark)
        if network not in one.networks:
            return Cause(f"it is not connected to network {network}", mark=mark)
        if found is not None and one.networks[network] not in ("", found.id):
            return Cause(f"it is connected to an earlier network {network}", mark=mark)
    return None


def _configuration_cause(project: Project, name: str, one: ObservedContainer, digest: ServiceDigest) -> Cause:
    if one.fields is None:
        tool = f"Docker Compose {one.version}" if one.version else "another tool"
        return Cause(
            f"it was made by {tool}, whose configuration hash cannot be compared", mark=project.mark("services", name)
        )
    changes = tuple(
        Change(dotted(path), kind, project.mark("services", name, *path) if kind != "removed" else None)
        for path, kind in changed_fields(one.fields, digest)
    )
    return Cause("configuration changed", changes, project.mark("services", name))


def kept_volumes(
    project: Project, name: str, one: ObservedContainer, snapshot: Snapshot
) -> tuple[tuple[str, str], ...]:
    """Anonymous volumes of the old container that the new one takes over: (target, volume name)."""
    service = project.services[name]
    image = snapshot.images.get(image_name(project, name))
    declared = {posixpath.normpath(path) for path in (image.volumes if image is not None else ())}
    named: set[str] = set()
    for item in service.get("volumes") or ():
        target = posixpath.normpath(str(item["target"]))
        if (item.get("type") or "volume") == "volume" and not item.get("source"):
            declared.add(target)
        else:
            named.add(target)
    return tuple(
        (mount.target, mount.name)
        for mount in one.mounts
        if mount.kind == "volume" and mount.name and posixpath.normpath(mount.target) in declared - named
    )


def _anonymous_volumes(one: ObservedContainer) -> bool:
    return any(
        mount.kind == "volume" and (mount.name in one.kept_volumes or _ANONYMOUS.fullmatch(mount.name))
        for mount in one.mounts
    )


def orphans(project: Project, snapshot: Snapshot) -> list[ObservedContainer]:
    """Containers of this project whose service the model does not have, and one-off ones that are over. Those of a job are
    its recorded runs, and stay as long as the job keeps them."""
    jobs = {*project.jobs, *project.disabled_jobs}
    known = {*project.services, *project.disabled_services}
    return [
        one
        for one in snapshot.containers
        if one.service not in jobs
        and (one.service not in known or (one.oneoff and not one.hook and one.state in ("exited", "dead")))
    ]


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]
