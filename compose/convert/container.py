"""A service as the body of POST /containers/create.

Attributes that only change their name are tables (renames.py). What needs other facts (networks, mounts, namespaces of other
services) is a function each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .. import labels
from ..dataclass import dataclass, field
from ..errors import Diagnostic, PlanError
from . import hooks, renames
from .healthcheck import healthcheck
from .mounts import CREDENTIALS, PlacedFile, credential_files, plan_mounts
from .network import endpoint_settings, service_networks
from .resources import resources
from .values import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..model import Project
    from ..model.service import Service, ServiceNetwork
    from .bodies import (
        ContainerBody,
        ContainerConfig,
        EndpointSettings,
        HostConfig,
        LogConfig,
        PortBinding,
        RestartPolicy,
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a body depends on besides the model."""

    api: tuple[int, int] = (1, 41)
    image: str = ""
    """The reference to create from; empty: the service's own."""
    own: bool = False
    """The engine is pycompose's, which knows more than the Engine API says."""
    image_id: str = ""
    config_hash: str = ""
    fields: str = ""
    containers: Mapping[str, str] = field(default_factory=dict)
    """Service name -> id of the container whose namespaces, volumes or links are shared."""
    kept_volumes: Mapping[str, str] = field(default_factory=dict)
    """Target -> anonymous volume taken over from the container that is replaced."""
    replaces: str = ""
    socket: str | None = None
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that providers, models and the client's configuration (proxies) add to the service."""
    credentials: bytes | None = None
    """A config.json for a service that uses the engine's socket."""
    security_files: Mapping[str, str] = field(default_factory=dict)
    """Path of a seccomp profile -> its content."""


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """``connect`` are the networks that an older engine takes only after creation; ``files`` go in before the start."""

    name: str
    platform: str
    body: ContainerBody
    connect: tuple[tuple[str, EndpointSettings], ...]
    files: tuple[PlacedFile, ...]


class _Body(NamedTuple):
    """The two halves of a body while it is made."""

    config: ContainerConfig
    host: HostConfig


@dataclass(frozen=True, slots=True)
class OneOff:
    """What `run` changes in a service."""

    name: str
    slug: str
    command: Sequence[str] | None = None
    use_aliases: bool = False
    auto_remove: bool = False
    tty: bool = False
    stdin: bool = False


def _environment(service: Service, extra: Mapping[str, str]) -> list[str]:
    merged = {**extra, **(service.get("environment") or {})}
    return [name if value is None else f"{name}={value}" for name, value in merged.items()]


def _extra_hosts(entries: list[str]) -> list[str]:
    """``name:address`` entries, from ``name=address``."""
    return [item.replace("=", ":", 1) if "=" in item else item for item in entries]


def create_request(
    project: Project,
    name: str,
    number: int,
    facts: Facts,
    oneoff: OneOff | None = None,
    service: Service | None = None,
) -> CreateRequest:
    """The request that creates container ``number`` of service ``name``. Raises `PlanError` for what no engine can do."""
    service = project.services[name] if service is None else service
    container = (
        oneoff.name if oneoff else str(service.get("container_name") or labels.container_name(project, name, number))
    )
    config: ContainerConfig = {
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "Env": _environment(service, facts.extra_environment),
        "Image": facts.image or labels.image_name(project, name),
        "Labels": container_labels(project, name, number, facts, oneoff, service),
        **renames.config(service),
    }
    host: HostConfig = {
        "LogConfig": _logging(service),
        "RestartPolicy": restart_policy(service, own=facts.own),
        **renames.host(service),
        **resources(service),
    }
    if service.get("stop_grace_period") is not None:
        config["StopTimeout"] = seconds(service["stop_grace_period"])
    if service.get("extra_hosts"):
        host["ExtraHosts"] = _extra_hosts(service["extra_hosts"])
    health = healthcheck(service, facts.api)
    if health is not None:
        config["Healthcheck"] = health
    _ports(service, config, host)
    _security(service, facts, host)
    _namespaces(project, name, service, facts, host)
    mounts = plan_mounts(project, name, service, facts.kept_volumes, facts.socket)
    files = (*mounts.files, *credential_files(service, facts.credentials))
    if len(files) > len(mounts.files):
        config["Env"].append(f"DOCKER_CONFIG={CREDENTIALS}")
    if mounts.binds:
        host["Binds"] = list(mounts.binds)
    if mounts.mounts:
        host["Mounts"] = list(mounts.mounts)
    if mounts.tmpfs:
        host["Tmpfs"] = mounts.tmpfs
    if oneoff is not None:
        _apply_oneoff(oneoff, config, host)
    connect = _networks(project, name, service, container, facts, oneoff, _Body(config, host))
    first = connect if facts.api >= (1, 44) else connect[:1]
    body: ContainerBody = {**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": dict(first)}}
    later = () if facts.api >= (1, 44) else tuple(connect[1:])
    temporary = f"{facts.replaces[:12]}_{container}" if facts.replaces else container
    return CreateRequest(temporary, str(service.get("platform") or ""), body, later, files)


def container_labels(
    project: Project, name: str, number: int, facts: Facts, oneoff: OneOff | None, service: Service
) -> dict[str, str]:
    result = {
        **(service.get("labels") or {}),
        labels.CONFIG_HASH: facts.config_hash,
        labels.NUMBER: str(number),
        labels.DEPENDS_ON: ",".join(_dependency_words(service, project)),
        labels.IMAGE: facts.image_id,
        labels.ONEOFF: "True" if oneoff else "False",
        labels.PROJECT: project.name,
        labels.CONFIG_FILES: ",".join(project.files),
        labels.WORKING_DIR: str(project.directory),
        labels.SERVICE: name,
        labels.VERSION: labels.COMPATIBLE_VERSION,
    }
    if project.env_files:
        result[labels.ENVIRONMENT_FILE] = ",".join(project.env_files)
    if facts.fields:
        result[labels.FIELDS] = facts.fields
    if facts.kept_volumes:
        result[labels.KEPT_VOLUMES] = ",".join(sorted(facts.kept_volumes.values()))
    if service.get("pre_stop") and oneoff is None:
        result[labels.PRE_STOP] = hooks.recorded(service["pre_stop"])
    if service.get("post_start") and oneoff is None:
        result[labels.POST_START] = hooks.recorded(service["post_start"])
    if service.get("pre_start") and oneoff is None:
        result[labels.PRE_START] = hooks.recorded(service["pre_start"])
    if facts.replaces:
        result[labels.REPLACE] = str(service.get("container_name") or labels.container_name(project, name, number))
    if oneoff is not None:
        result[labels.SLUG] = oneoff.slug
        result.pop(labels.NUMBER)
        result[labels.NUMBER] = "1"
    return result


def _dependency_words(service: Service, project: Project) -> list[str]:
    return [
        f"{other}:{one.get('condition', 'service_started')}:{'true' if one.get('restart') else 'false'}"
        for other, one in sorted((service.get("depends_on") or {}).items())
        if other in project.services
    ]


def _logging(service: Service) -> LogConfig:
    tree = service.get("logging") or {}
    return {"Type": tree.get("driver") or "", "Config": dict(tree.get("options") or {})}


def restart_policy(service: Service, *, own: bool = False) -> RestartPolicy:
    """``restart``, overruled by ``deploy.restart_policy``. Our own engine (``own``) takes ``Delay`` and ``Window`` in
    nanoseconds as well, and with these a number of attempts for any condition."""
    deploy = (service.get("deploy") or {}).get("restart_policy")
    if not deploy:
        name, retries = service["restart"].policy if "restart" in service else ("", 0)
        return {"Name": name, "MaximumRetryCount": retries}
    condition = {"none": "no", "on-failure": "on-failure"}.get(deploy.get("condition") or "any", "always")
    attempts = deploy.get("max_attempts") or 0
    delay, window = deploy.get("delay"), deploy.get("window")
    if own and condition != "no" and (delay or window or attempts):
        policy: RestartPolicy = {"Name": condition, "MaximumRetryCount": attempts, "Window": window or 0}
        if delay:
            policy["Delay"] = delay
        return policy
    return {"Name": condition, "MaximumRetryCount": attempts if condition == "on-failure" else 0}


def _ports(service: Service, config: ContainerConfig, host: HostConfig) -> None:
    exposed: dict[str, dict[str, str]] = {}
    bindings: dict[str, list[PortBinding]] = {}
    for item in service.get("expose") or ():
        first, last, protocol = item.ports
        for number in range(first, last + 1):
            exposed[f"{number}/{protocol}"] = {}
    for port in service.get("ports") or ():
        key = f"{port['target']}/{port.get('protocol') or 'tcp'}"
        exposed[key] = {}
        bindings.setdefault(key, []).append(
            {"HostIp": port.get("host_ip") or "", "HostPort": port.get("published") or ""}
        )
    if exposed:
        config["ExposedPorts"] = exposed
    if bindings:
        host["PortBindings"] = bindings


def _security(service: Service, facts: Facts, host: HostConfig) -> None:
    options: list[str] = []
    for item in service.get("security_opt") or ():
        name, separator, value = item.partition("=") if "=" in item else item.partition(":")
        if name == "systempaths" and value == "unconfined":
            host["MaskedPaths"], host["ReadonlyPaths"] = [], []
        elif name == "seccomp" and value != "unconfined":
            options.append(f"seccomp={facts.security_files.get(value, value)}")
        else:
            options.append(f"{name}={value}" if separator else name)
    if options:
        host["SecurityOpt"] = options


def _namespaces(project: Project, name: str, service: Service, facts: Facts, host: HostConfig) -> None:
    if service.get("ipc"):
        host["IpcMode"] = _shared(project, name, "ipc", service["ipc"], facts)
    if service.get("pid"):
        host["PidMode"] = _shared(project, name, "pid", service["pid"], facts)
    if service.get("volumes_from"):
        host["VolumesFrom"] = [_volumes_from(item, facts) for item in service["volumes_from"]]


def _shared(project: Project, name: str, key: str, value: str, facts: Facts) -> str:
    """A namespace mode with ``service:x`` turned into the container that runs x."""
    if not value.startswith("service:"):
        return value
    other = value.removeprefix("service:")
    if other not in facts.containers:
        path = ("services", name, key)
        raise PlanError(str(Diagnostic(f"service {other!r} has no container to share", path, project.mark(*path))))
    return f"container:{facts.containers[other]}"


def _volumes_from(item: str, facts: Facts) -> str:
    if item.startswith("container:"):
        return item.removeprefix("container:")
    name, separator, mode = item.partition(":")
    return facts.containers.get(name, name) + separator + mode


def _networks(
    project: Project,
    name: str,
    service: Service,
    container: str,
    facts: Facts,
    oneoff: OneOff | None,
    body: _Body,
) -> list[tuple[str, EndpointSettings]]:
    """Sets NetworkMode; the endpoints by network name, the default route's first."""
    mode = service.get("network_mode")
    if mode:
        body.host["NetworkMode"] = _shared(project, name, "network_mode", mode, facts)
        if service.get("mac_address"):
            body.config["MacAddress"] = service["mac_address"]
        return []
    keys = service_networks(service)
    if not keys:
        body.host["NetworkMode"] = "none"
        return []
    body.host["NetworkMode"] = labels.network_name(project, keys[0])
    named = oneoff is None or oneoff.use_aliases
    aliases = [container, name] if named else [container]
    links = [link for item in service.get("links") or () for link in _links(project, item, facts)]
    links += [item if ":" in item else f"{item}:{item}" for item in service.get("external_links") or ()]
    endpoints: list[tuple[str, EndpointSettings]] = []
    for index, key in enumerate(keys):
        given: ServiceNetwork = service["networks"][key] or {}
        settings = endpoint_settings(given if named else {**given, "aliases": []}, aliases, links, facts.api)
        if index == 0 and service.get("mac_address"):
            if facts.api >= (1, 44):
                settings.setdefault("MacAddress", service["mac_address"])
            else:
                body.config["MacAddress"] = service["mac_address"]
        if facts.api < (1, 44) and given.get("mac_address"):
            if index == 0:
                body.config["MacAddress"] = given["mac_address"]
            else:
                path = ("services", name, "networks", key, "mac_address")
                message = "this engine sets the MAC address of a container's first network only"
                raise PlanError(str(Diagnostic(message, path, project.mark(*path))))
        endpoints.append((labels.network_name(project, key), settings))
    return endpoints


def _links(project: Project, item: str, facts: Facts) -> list[str]:
    """``SERVICE[:ALIAS]`` as the names under which the linked container answers. By its name, not by its id: it may be
    replaced without this one."""
    other, _, alias = item.partition(":")
    if other not in facts.containers:
        return []
    number = f"{other}-1"
    standard = labels.container_name(project, other, 1)
    target = str((project.services.get(other) or {}).get("container_name") or standard)
    return [f"{target}:{name}" for name in dict.fromkeys((alias or other, number, standard))]


def _apply_oneoff(oneoff: OneOff, config: ContainerConfig, host: HostConfig) -> None:
    if oneoff.command is not None:
        config["Cmd"] = list(oneoff.command)
    config["Tty"] = oneoff.tty
    config["OpenStdin"] = oneoff.stdin
    config["StdinOnce"] = oneoff.stdin
    config["AttachStdin"] = oneoff.stdin
    host["AutoRemove"] = oneoff.auto_remove
    host["RestartPolicy"] = {"Name": "", "MaximumRetryCount": 0}
