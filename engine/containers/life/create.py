"""Creating a container: from a request body to a record, its directories and its volumes. Nothing runs yet."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from ... import shapes
from ...errors import EngineError, InvalidParameter, NotFound
from ...images.types import Platform
from ...linux import paths, userns
from ...linux.libc import KernelError
from ...networks.interface import endpoint_sysctls
from ...networks.ipam import check_mac
from ...networks.types import EndpointRequest, endpoint_settings
from ...runtime import defaults
from ...volumes.types import LEASE
from ..spec import (
    apparmor,
    bundle,
    confinement,
    fields,
    merge,
    mounts,
    names,
    pretence,
    resources,
    security,
    skeleton,
    validate,
)
from ..spec.container import OWN_RUNTIMES, ContainerSpec
from ..spec.record import PENDING, ContainerRecord, MountPoint
from ..spec.userspace import Wanted
from . import idranges, users
from .container import Container
from .state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ...images.service import Images
    from ...images.types import Image
    from ...networks.bodies import EndpointSettings, HostPort
    from ..spec.bodies import Config, DriverConfig, HostConfig, LogConfig, VolumeOptions
    from .service import Containers


async def create(
    containers: Containers, body: Mapping[str, object], *, name: str = "", platform: str = "", one_network: bool = False
) -> tuple[Container, list[str]]:
    """The new container and warnings. ``one_network``: before API 1.44 a container is created on one network only."""
    if not body:
        raise InvalidParameter("config cannot be empty in order to create a container")
    wanted = fields.config(body)
    host, given = fields.host_config(shapes.inner(body, "HostConfig")), _given_endpoints(body)
    host["RestartPolicy"] = validate.restart_policy(host["RestartPolicy"])
    validate.config(wanted)
    warnings = validate.host_config(host, wanted)
    if not userns.is_initial():
        warnings += resources.not_applied(resources.limits(host))
    if wanted["MacAddress"] and not one_network:
        warnings.append(
            "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
        )
    validate.runtime_name(host["Runtime"], _runtime_known(host["Runtime"]))
    host["UsernsMode"] = users.mode(containers, Wanted.of(host))
    validate.storage(host, quota_supported=False)
    _by_id(containers, host)
    draft = ContainerSpec(wanted, host)
    draft.check()
    confinement.decide(draft.security, apparmor.lately(), privileged=draft.privileged)
    image = _image(containers.images, wanted["Image"], platform)
    _check_platform(image, wanted["Image"], platform)
    config = merge.with_image(wanted, image.process)
    (config["Labels"] or {}).pop(
        PENDING, None
    )  # the engine's word, which a copy of another container's labels may hold
    validate.config(config)
    if userns.has_one_id():
        warnings += pretence.warnings(config)
    _check_partners(containers, draft)
    id = secrets.token_hex(32)
    _complete(draft, config, id, containers.log_config)
    spec = draft.completed(config, endpoints(given, host, config, one_network=one_network))
    spec.check()
    for request in spec.endpoints:
        try:
            _check_endpoint(request)
        except InvalidParameter as error:
            raise InvalidParameter(f"invalid config for network {request.network}: {error}") from None
    validate.readable_log(spec)
    points = mounts.collect(config, host, lambda ref: _donor(containers, ref))
    _check_sources(points)
    name = validate.container_name(name) if name else names.unused(containers.has_name)
    containers.reserve(name, id)
    record = ContainerRecord(
        id=id,
        name=name,
        created=time.time_ns(),
        image=image.id,
        spec=spec,
        mounts=points,
        layers=tuple(layer.chain_id for layer in image.layers),
    )
    made: list[str] = []
    try:
        bundle.cgroup_path(record, containers.layout)
        if any(point.type in ("volume", "image") for point in points):
            record = replace(record, mounts=await containers.blocking(_volumes, containers, record, made))
        await containers.blocking(_make_place, containers.layout.container_state(id))
        record = replace(record, ids=await users.reserve(containers, id, Wanted.of(host)))
        container = Container(record, State())
        await containers.save(container)
        await _enter(containers, container, image)
    except BaseException:
        containers.free(name, id)
        with anyio.CancelScope(shield=True):
            await containers.blocking(_unmake_place, containers.layout.container_state(id), record.ids)
            if made:
                await containers.blocking(_take_back, containers, made)
        raise
    containers.publish(container, "create")
    return container, warnings


async def _enter(containers: Containers, container: Container, image: Image) -> None:
    """Into the registry, unless the image has been removed since it was found: its layers would be gone."""
    async with container.lock:  # nobody starts it meanwhile
        containers.add(container)
        try:
            await containers.blocking(containers.images.confirm, image)
        except BaseException:
            container.removed = True
            containers.forget(container)
            container.notify()
            raise


def _make_place(state: Path) -> None:
    for directory in (state, state / "upper", state / "work", state / "log"):
        directory.mkdir(parents=True, mode=0o700 if directory is state else 0o755)
    # Programs look for it to learn that they are in a container.
    (state / "upper" / ".dockerenv").touch(mode=0o755)


def _unmake_place(state: Path, ids: int) -> None:
    if ids:
        with contextlib.suppress(OSError):  # without its directory it is nobody's either
            idranges.give_back(ids, state)
    shutil.rmtree(state, ignore_errors=True)


def _runtime_known(name: str) -> bool:
    return name in OWN_RUNTIMES or ("/" not in name and shutil.which(name) is not None)


def _image(images: Images, ref: str, platform: str) -> Image:
    """The image for a platform where the name stands for several and that one is here."""
    if platform:
        with contextlib.suppress(NotFound):
            return images.resolve(ref, Platform.parse(platform))
    return images.resolve(ref)


def _check_platform(image: Image, ref: str, platform: str) -> None:
    if not platform:
        return
    wanted = Platform.parse(platform)
    architecture = image.config.get("architecture") or Platform.host().architecture
    actual = Platform(str(image.config.get("os") or "linux"), str(architecture), str(image.config.get("variant") or ""))
    if (wanted.os, wanted.architecture) != (actual.os, actual.architecture):
        raise NotFound(
            f"image with reference {ref} was found but does not match the specified platform: "
            f"wanted {wanted}, actual: {actual}"
        )


def _log_config(wanted: LogConfig, configured: LogConfig) -> LogConfig:
    """The driver that is asked for or configured; the configured options count for the configured driver only."""
    driver = wanted.get("Type") or configured.get("Type", "")
    options = wanted.get("Config") or {}
    if driver == configured.get("Type"):
        options = {**configured.get("Config", {}), **options}
    chosen: LogConfig = {"Type": driver, "Config": options}
    validate.log_config(chosen)
    return chosen


def _complete(draft: ContainerSpec, config: Config, id: str, log: LogConfig) -> None:
    """Fill in what depends on other members, as inspect will show it."""
    host = draft.host
    mode = host["NetworkMode"] = {"": "bridge", "default": "bridge"}.get(host["NetworkMode"], host["NetworkMode"])
    host["IpcMode"] = host["IpcMode"] or "private"
    host["CgroupnsMode"] = host["CgroupnsMode"] or ("host" if host["Privileged"] else "private")
    host["ShmSize"] = host["ShmSize"] or defaults.SHM_SIZE
    host["LogConfig"] = _log_config(host["LogConfig"], log)
    host["Dns"], host["DnsOptions"], host["DnsSearch"] = (
        host["Dns"] or [],
        host["DnsOptions"] or [],
        host["DnsSearch"] or [],
    )
    host["Devices"] = host["Devices"] or []
    host["PidsLimit"] = host["PidsLimit"] or None
    if host["MemorySwappiness"] == -1:
        host["MemorySwappiness"] = None
    host["PortBindings"] = _port_bindings(host["PortBindings"] or {})
    host["MemorySwap"] = resources.effective_swap(host)
    options = draft.security
    if host["Privileged"] and not options.label:
        host["SecurityOpt"] = [*(host["SecurityOpt"] or ()), "label=disable"]  # as Docker shows what it does on SELinux
    host["MaskedPaths"], host["ReadonlyPaths"] = security.shown_paths(host, options)
    published = () if config["NetworkDisabled"] else host["PortBindings"] or ()
    if exposed := [*(config["ExposedPorts"] or ()), *published]:
        config["ExposedPorts"] = {_port_name(port): {} for port in exposed}
    if not config["Hostname"]:
        if mode == "host" or host["UTSMode"] == "host":
            config["Hostname"] = os.uname().nodename
        elif not mode.startswith("container:"):
            config["Hostname"] = id[:12]
    config["StopSignal"] = config["StopSignal"] or ""


def _port_name(port: str) -> str:
    low, high, protocol = validate.exposed_port(port)
    return f"{low}/{protocol}" if low == high else f"{low}-{high}/{protocol}"


def _port_bindings(given: Mapping[str, Sequence[HostPort] | None]) -> dict[str, list[HostPort] | None]:
    result: dict[str, list[HostPort]] = {}
    anywhere: HostPort = {}
    for port, bindings in given.items():
        for binding in bindings or (anywhere,):
            entry: HostPort = {"HostIp": binding.get("HostIp") or "", "HostPort": binding.get("HostPort") or ""}
            result.setdefault(_port_name(port), []).append(entry)
    return {**result}


def endpoints(
    given: dict[str, EndpointSettings], host: HostConfig, config: Config, *, one_network: bool = False
) -> dict[str, EndpointSettings]:
    """The networks asked for, NetworkMode's first; settings as the client gave them."""
    if one_network and len(given) > 1:
        raise InvalidParameter(f"Container cannot be connected to network endpoints: {', '.join(sorted(given))}")
    mode = host["NetworkMode"]
    if mode.startswith("container:"):
        # The docker command gives a MAC address to the network that has the mode's name; it is the other container's that counts.
        if any(not name.startswith("container:") for name in given):
            raise InvalidParameter(
                "conflicting options: cannot attach user-defined networks to a container network mode"
            )
        return {}
    primary = mode
    if config["NetworkDisabled"]:
        primary, given = "none", {}
    if primary in ("host", "none") and any(name != primary for name in given):
        raise InvalidParameter(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        )
    if "default" in given:
        standing = given.pop("default")
        given.setdefault("bridge", standing)
    # Where endpoints are given they are all that count: the mode alone adds none.
    name_of_first = primary if primary in given or not given else next(iter(given))
    first: EndpointSettings = given.get(name_of_first) or {}
    ordered = {name_of_first: first, **{name: one for name, one in given.items() if name != name_of_first}}
    if config["MacAddress"] and name_of_first != primary:
        raise InvalidParameter(
            "unable to migrate container-wide MAC address to a specific network: HostConfig.NetworkMode must match the identity of a"
            " network in NetworkSettings.Networks"
        )
    if config["MacAddress"] and not first.get("MacAddress"):
        first["MacAddress"] = config["MacAddress"]
    if host["Links"] and not first.get("Links"):
        first["Links"] = list(host["Links"])
    return ordered


def _given_endpoints(body: Mapping[str, object]) -> dict[str, EndpointSettings]:
    networking, where = shapes.inner(body, "NetworkingConfig"), "NetworkingConfig.EndpointsConfig"
    given = shapes.inner(networking, "EndpointsConfig", "NetworkingConfig")
    return {name: endpoint_settings(shapes.inner(given, name, where), f"{where}.{name}") for name in given}


def _check_endpoint(request: EndpointRequest) -> None:
    endpoint_sysctls(request.driver_opts)
    if request.mac_address:
        check_mac(request.mac_address)
    for version, address in ((4, request.ipv4_address), (6, request.ipv6_address)):
        if address:
            try:
                (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(address)
            except ValueError:
                raise InvalidParameter(f"invalid IPv{version} address: {address}") from None


def _donor(containers: Containers, ref: str) -> tuple[MountPoint, ...]:
    return _partner(containers, ref).record.mounts


def _partner(containers: Containers, ref: str) -> Container:
    """Another container that the body names. Its absence is the body's fault: 404 would tell clients to pull the image."""
    try:
        return containers.get(ref)
    except NotFound as error:
        raise InvalidParameter(str(error)) from None


def _check_partners(containers: Containers, draft: ContainerSpec) -> None:
    for mode in (draft.pid, draft.ipc):
        if mode.joins:
            _partner(containers, mode.donor)
    for link in draft.links:
        try:
            containers.get(link.target)
        except NotFound as error:
            raise InvalidParameter(f"could not get container for {link.target}: {error}") from None


def _by_id(containers: Containers, host: HostConfig) -> None:
    """Whom the container shares namespaces with is kept by id, as Docker keeps it: a name may become another container's."""

    def told(text: str) -> str:
        word, _, donor = text.partition(":")
        with contextlib.suppress(NotFound):
            return f"container:{containers.get(donor).id}" if word == "container" else text
        return text

    host["NetworkMode"], host["PidMode"], host["IpcMode"] = map(
        told, (host["NetworkMode"], host["PidMode"], host["IpcMode"])
    )


def _check_sources(points: tuple[MountPoint, ...]) -> None:
    for point in points:
        if point.type == "bind" and point.from_mounts and not point.create_source and not os.path.exists(point.source):
            raise InvalidParameter(
                f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
            )


def _take_back(containers: Containers, volumes: Sequence[str]) -> None:
    """Remove the anonymous volumes of a container that came to nothing."""
    for name in volumes:
        with contextlib.suppress(EngineError, OSError):
            containers.volumes.remove(name)


def _volumes(containers: Containers, record: ContainerRecord, made: list[str]) -> tuple[MountPoint, ...]:
    """Create missing volumes and seed empty ones from the image; the mount points with their volumes' names. ``made`` is told
    of each anonymous one."""
    options = {
        body.get("Target"): body["VolumeOptions"]
        for body in record.spec.host["Mounts"] or ()
        if "VolumeOptions" in body
    }
    nothing: VolumeOptions = {}
    points, fresh = [], []
    for point in record.mounts:
        if point.type == "image":
            containers.images.resolve(point.name)
        if point.type == "volume":
            wanted = options.get(point.destination, nothing)
            driver: DriverConfig = wanted.get("DriverConfig") or {}
            volume = containers.volumes.create(
                point.name,
                driver=driver.get("Name") or ("" if point.from_mounts else record.spec.host["VolumeDriver"]),
                options=driver.get("Options"),
                labels=_volume_labels(record, wanted.get("Labels")),
            )
            if not point.name:
                made.append(volume.name)
            point = replace(point, name=volume.name)
            if not point.no_copy and not point.subpath:
                fresh.append(point)
        points.append(point)
    if fresh:
        _seed(containers, record, fresh)
    return tuple(points)


def _has_directory(root_fd: int, path: str) -> bool:
    try:
        os.close(paths.open_in_root(root_fd, path, os.O_PATH | os.O_DIRECTORY))
    except KernelError:
        return False
    return True


def _volume_labels(record: ContainerRecord, given: Mapping[str, str] | None) -> dict[str, str]:
    """A volume that is made with its container falls under the container's lease."""
    lease = record.labels.get(LEASE)
    return {**(given or {}), **({} if lease is None else {LEASE: lease})}


def _seed(containers: Containers, record: ContainerRecord, points: list[MountPoint]) -> None:
    # What a driver mounts is looked at only when there is something to copy: a mount that fails, fails the start.
    empty = [
        point
        for point in points
        if containers.volumes.get(point.name).options or containers.volumes.is_empty(point.name)
    ]
    if not empty or not record.layers:
        return
    with containers.images.mounted((*containers.lower(record), skeleton.directory(containers.layout))) as root:
        root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for point in empty:
                if not _has_directory(root_fd, point.destination):
                    continue
                with containers.volumes.seeding(point.name) as data:
                    if data is not None:
                        containers.volumes.populate(data, root_fd, point.destination)
        except OSError as error:
            raise EngineError(f"cannot copy the image's files into a volume: {error}") from None
        finally:
            os.close(root_fd)
