"""Changing a container that exists: its name, its limits and restart policy, and the networks it is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio

from ... import shapes
from ...errors import Conflict, EngineError, Forbidden, InvalidParameter, NotFound
from ...linux import userns
from ...linux.cgroup import CgroupError
from ...networks.types import EndpointRequest
from ...runtime.client import ShimError
from ..spec import fields, resources, validate
from . import start, stop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...networks.bodies import EndpointSettings
    from ..spec.bodies import Config, HostConfig, RestartPolicy
    from .container import Container
    from .service import Containers


async def rename(containers: Containers, container: Container, name: str) -> None:
    """Give the container another name; its DNS names follow."""
    if not name:
        raise InvalidParameter("Neither old nor new names may be empty")
    try:
        new = validate.container_name(name)
    except InvalidParameter:
        raise InvalidParameter(
            f"Error when allocating new name: Invalid container name (/{name.removeprefix('/')}), "
            "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        ) from None
    async with container.lock:
        old = container.name
        if new == old:
            raise InvalidParameter("Renaming a container with the same name as its current name")
        try:
            containers.reserve(new, container.id)
        except Conflict as error:
            raise Conflict(f"Error when allocating new name: {error}") from None
        await containers.save(container, name=new)
        containers.free(old, container.id)
        await containers.blocking(containers.networks.rename, start.reference(container.record))
        containers.publish(container, "rename", oldName=f"/{old}")


_UNCHANGED = (
    *("CgroupParent", "CpuCount", "CpuPercent", "DeviceCgroupRules", "DeviceRequests", "Devices", "IOMaximumBandwidth"),
    *("IOMaximumIOps", "KernelMemoryTCP", "MemorySwappiness", "OomKillDisable", "Ulimits"),
)
_OF_AN_UPDATE = {
    name: fields.HOST_CONFIG[name] for name in (*resources.UPDATABLE, *resources.UPDATABLE_RULES, *_UNCHANGED)
}
"""What clients may say of limits. Docker reads all of it, and changes some."""


def check(body: Mapping[str, object]) -> None:
    """What is wrong with a body for every container. Raises InvalidParameter."""
    changed, policy = _asked(body)
    if policy.get("Name"):
        validate.restart_policy(policy)
    # More than the memory alone a container may have is only seen beside what it has.
    alone = {name: value for name, value in changed.items() if name != "MemorySwap"}
    plain = cast("HostConfig", {**shapes.normalize(fields.HOST_CONFIG, {}, ""), **alone})
    validate.host_config(plain, cast("Config", shapes.normalize(fields.CONFIG, {}, "")))


async def update(containers: Containers, container: Container, body: Mapping[str, object]) -> list[str]:
    """Change limits and the restart policy, of a running container at once. Returns warnings."""
    changed, policy = _asked(body)
    async with container.lock:
        if container.removed or container.record.removing:
            raise Conflict(
                f"Cannot update container {container.id}: container is marked for removal and cannot be updated"
            )
        spec = container.record.spec
        before = spec.host
        after = cast("HostConfig", {**before, **changed})
        if policy.get("Name"):
            after["RestartPolicy"] = validate.restart_policy(_with_times(policy, before["RestartPolicy"]))
        # As Docker has it: a container without a limit of memory and swap has 0 there.
        if changed.get("Memory") and "MemorySwap" not in changed and before["MemorySwap"] < after["Memory"]:
            raise Conflict(
                f"Cannot update container {container.id}: Memory limit should be smaller than already set memoryswap limit, "
                "update the memoryswap at the same time"
            )
        warnings = validate.host_config(
            {**after, "KernelMemory": 0}, spec.config
        )  # whose warning comes at creation only
        if not userns.is_initial():
            warnings += resources.not_applied(resources.update(before, after))
        with anyio.CancelScope(shield=True):
            if container.state.running and changed:
                try:
                    applied = await containers.blocking(
                        stop.cgroup(containers, container).apply, resources.update(before, after)
                    )
                except (CgroupError, OSError) as error:
                    raise EngineError(f"Cannot update container {container.id}: {error}") from None
                warnings += applied
            spec = spec.with_host(after)
            await containers.save(container, spec=spec)
            if container.shim is not None and policy.get("Name"):
                try:
                    await container.shim.set_restart(spec.restart)
                except ShimError as error:
                    raise EngineError(f"Cannot update container {container.id}: {error}") from None
    containers.publish(container, "update")
    return warnings


def _asked(body: Mapping[str, object]) -> tuple[Mapping[str, object], RestartPolicy]:
    """What an update body changes: some of the limits, and the restart policy when it has a name."""
    shapes.checked(_OF_AN_UPDATE, body, "")
    names = [name for name in resources.UPDATABLE if body.get(name) not in (None, 0, "")]
    names += [name for name in resources.UPDATABLE_RULES if body.get(name) is not None]
    if body.get("PidsLimit") is not None:
        names.append("PidsLimit")
    changed = {name: shapes.convert(fields.HOST_CONFIG[name], body[name], name) for name in dict.fromkeys(names)}
    if isinstance(limit := changed.get("PidsLimit"), int):
        changed["PidsLimit"] = max(limit, 0)  # every number below is no limit
    policy = shapes.convert(fields.HOST_CONFIG["RestartPolicy"], shapes.inner(body, "RestartPolicy"), "RestartPolicy")
    return changed, cast("RestartPolicy", policy)


def _with_times(policy: RestartPolicy, before: RestartPolicy) -> RestartPolicy:
    """Clients of Docker's API do not know our times: they stay with a container that goes on being restarted."""
    kept: RestartPolicy = {}
    if policy.get("Name") != "no":
        if "Delay" in before:
            kept["Delay"] = before["Delay"]
        if "Window" in before:
            kept["Window"] = before["Window"]
    return {**kept, **policy}


async def remove_link(containers: Containers, container: Container, alias: str) -> None:
    """Forget a link of the container by its alias, from its next start on."""
    async with container.lock:
        spec = container.record.spec
        links = spec.host["Links"] or []
        kept = [link for link in links if (link.partition(":")[2] or link).removeprefix("/") != alias]
        if len(kept) == len(links):
            raise NotFound(f"Cannot get parent /{container.name} for name /{container.name}/{alias}")
        networks: dict[str, EndpointSettings] = {
            name: {**settings, "Links": [link for link in linked if link in kept]}
            if (linked := settings.get("Links"))
            else settings
            for name, settings in spec.networks.items()
        }
        spec = spec.with_host({**spec.host, "Links": kept or None}).with_networks(networks)
        containers.note(container, spec=spec)


async def connect(containers: Containers, container: Container, ref: str, settings: EndpointSettings) -> None:
    """Put the container on one more network, a running one at once."""
    network = await containers.blocking(containers.networks.get, ref)
    async with container.lock:
        spec = container.record.spec
        if container.record.removing or container.removed:
            raise Conflict("container is marked for removal and cannot be connected or disconnected to the network")
        if spec.network.joins:
            raise InvalidParameter(
                "container sharing network namespace with another container or host cannot be connected to any other network"
            )
        if "host" in container.record.spec.networks and network.name != "host":
            raise InvalidParameter(
                "container sharing network namespace with another container or host cannot be connected to any other network"
            )
        if network.name == "host":
            raise InvalidParameter("container cannot be disconnected from host network or connected to host network")
        if "none" in container.record.spec.networks or network.name == "none":
            raise InvalidParameter(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode"
            )
        known = _name_in_record(containers, container, network.id, network.name)
        if known is not None:
            if container.state.active:
                raise Forbidden(f"endpoint with name {container.name} already exists in network {network.name}")
            networks = {**container.record.spec.networks, known: settings}
        else:
            networks = {**container.record.spec.networks, network.name: settings}
        with anyio.CancelScope(shield=True):
            if container.state.active and container.shim is not None:
                prepared = await container.shim.prepared()
                request = EndpointRequest.from_docker(network.name, settings)
                await containers.blocking(
                    containers.networks.connect, start.reference(container.record), request, prepared.netns_fd
                )
                await containers.save(container, spec=container.record.spec.with_networks(networks))
                await start.refresh_files(containers, container)
            else:
                request = EndpointRequest.from_docker(network.name, settings)
                await containers.blocking(containers.networks.connect, start.reference(container.record), request, None)
                await containers.save(container, spec=container.record.spec.with_networks(networks))


async def disconnect(containers: Containers, container: Container, ref: str, *, force: bool) -> None:
    try:
        network = await containers.blocking(containers.networks.get, ref)
    except NotFound:
        if container.state.active and not force:
            raise
        await _forget(containers, container, ref)
        return
    async with container.lock:
        known = _name_in_record(containers, container, network.id, network.name)
        if network.name == "host" and known is not None:
            raise InvalidParameter("container cannot be disconnected from host network or connected to host network")
        if known is None:
            raise EngineError(f"container {container.id} is not connected to the network {network.name}")
        networks = {name: value for name, value in container.record.spec.networks.items() if name != known}
        with anyio.CancelScope(shield=True):
            if container.state.active and container.shim is not None:
                prepared = await container.shim.prepared()
                await containers.blocking(
                    containers.networks.disconnect, container.id, network.id, prepared.netns_fd, force
                )
                containers.note(container, spec=container.record.spec.with_networks(networks))
                try:
                    await start.refresh_files(containers, container)
                except OSError as error:  # it has left the network, whatever the disk takes
                    containers.warn(f"the files of {container.id[:12]} still name the network it has left: {error}")
            else:
                containers.note(container, spec=container.record.spec.with_networks(networks))


async def _forget(containers: Containers, container: Container, ref: str) -> None:
    """Take a network that is gone out of the container's settings, so that it can be started without."""
    async with container.lock:
        if ref not in container.record.spec.networks:
            raise EngineError(f"container {container.id} is not connected to the network {ref}")
        rest = {name: value for name, value in container.record.spec.networks.items() if name != ref}
        containers.note(container, spec=container.record.spec.with_networks(rest))


def _name_in_record(containers: Containers, container: Container, id: str, name: str) -> str | None:
    for known in container.record.spec.networks:
        if known in (id, name) or containers.network_id(known) == id:
            return known
    return None
