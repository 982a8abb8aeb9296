"""A service as the body of POST /containers/create.

The plain attributes are a table (`_CONFIG`, `_HOST`): attribute, field of the API, conversion. What needs other facts
(networks, mounts, namespaces of other services) is a function each.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .. import labels
from ..dataclass import dataclass, field
from ..errors import Diagnostic, PlanError
from .healthcheck import healthcheck
from .mounts import CREDENTIALS, PlacedFile, credential_files, plan_mounts
from .network import endpoint_settings, service_networks
from .resources import resources
from .values import byte_count, nanoseconds, pairs, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..model import Project


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
    body: dict[str, Any]
    connect: tuple[tuple[str, dict[str, Any]], ...]
    files: tuple[PlacedFile, ...]


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


def _environment(service: Mapping[str, Any], extra: Mapping[str, str]) -> list[str]:
    merged = {**extra, **(service.get("environment") or {})}
    return [name if value is None else f"{name}={_text(value)}" for name, value in merged.items()]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _extra_hosts(value: Any) -> list[str]:
    """``name:address`` entries, from the mapping or from ``name=address``."""
    if isinstance(value, list):
        return [item.replace("=", ":", 1) if "=" in item else item for item in value]
    return [f"{name}:{one}" for name, many in value.items() for one in (many if isinstance(many, list) else [many])]


_CONFIG: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("command", "Cmd", list),
    ("domainname", "Domainname", str),
    ("entrypoint", "Entrypoint", list),
    ("hostname", "Hostname", str),
    ("stdin_open", "OpenStdin", bool),
    ("stop_grace_period", "StopTimeout", seconds),
    ("stop_signal", "StopSignal", str),
    ("tty", "Tty", bool),
    ("user", "User", str),
    ("working_dir", "WorkingDir", str),
)

_HOST: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("annotations", "Annotations", pairs),
    ("cap_add", "CapAdd", list),
    ("cap_drop", "CapDrop", list),
    ("cgroup", "CgroupnsMode", str),
    ("dns", "Dns", list),
    ("dns_opt", "DnsOptions", list),
    ("dns_search", "DnsSearch", list),
    ("extra_hosts", "ExtraHosts", _extra_hosts),
    ("group_add", "GroupAdd", lambda value: [str(item) for item in value]),
    ("init", "Init", bool),
    ("oom_score_adj", "OomScoreAdj", int),
    ("privileged", "Privileged", bool),
    ("read_only", "ReadonlyRootfs", bool),
    ("runtime", "Runtime", str),
    ("shm_size", "ShmSize", byte_count),
    ("storage_opt", "StorageOpt", dict),
    ("sysctls", "Sysctls", lambda value: {name: str(one) for name, one in pairs(value).items()}),
    ("userns_mode", "UsernsMode", str),
    ("uts", "UTSMode", str),
    ("volume_driver", "VolumeDriver", str),
)


def _apply(
    table: Sequence[tuple[str, str, Callable[[Any], Any]]], service: Mapping[str, Any], body: dict[str, Any]
) -> None:
    for key, name, convert in table:
        value = service.get(key)
        if value is not None and value is not False:
            body[name] = convert(value)


def create_request(
    project: Project,
    name: str,
    number: int,
    facts: Facts,
    oneoff: OneOff | None = None,
    service: Mapping[str, Any] | None = None,
) -> CreateRequest:
    """The request that creates container ``number`` of service ``name``. Raises `PlanError` for what no engine can do."""
    service = project.services[name] if service is None else service
    container = (
        oneoff.name if oneoff else str(service.get("container_name") or labels.container_name(project, name, number))
    )
    config: dict[str, Any] = {
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "Env": _environment(service, facts.extra_environment),
        "Image": facts.image or labels.image_name(project, name),
        "Labels": container_labels(project, name, number, facts, oneoff, service),
    }
    host: dict[str, Any] = {"LogConfig": _logging(service), "RestartPolicy": restart_policy(service, own=facts.own)}
    _apply(_CONFIG, service, config)
    _apply(_HOST, service, host)
    host.update(resources(service))
    health = healthcheck(service, facts.api)
    if health is not None:
        config["Healthcheck"] = health
    _ports(service, config, host)
    _security(service, facts, host)
    for key, field_name in (("ipc", "IpcMode"), ("pid", "PidMode")):
        if service.get(key):
            host[field_name] = _shared(project, name, key, str(service[key]), facts)
    if service.get("volumes_from"):
        host["VolumesFrom"] = [_volumes_from(item, facts) for item in service["volumes_from"]]
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
    connect = _networks(project, name, service, container, facts, oneoff, config, host)
    body = {**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": dict(connect[:1])}}
    if facts.api >= (1, 44):
        body["NetworkingConfig"] = {"EndpointsConfig": dict(connect)}
    later = () if facts.api >= (1, 44) else tuple(connect[1:])
    temporary = f"{facts.replaces[:12]}_{container}" if facts.replaces else container
    return CreateRequest(temporary, str(service.get("platform") or ""), body, later, files)


def container_labels(
    project: Project, name: str, number: int, facts: Facts, oneoff: OneOff | None, service: Mapping[str, Any]
) -> dict[str, str]:
    result = {key: _text(value) for key, value in pairs(service.get("labels")).items()}
    result |= {
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
        result[labels.PRE_STOP] = json.dumps(service["pre_stop"], separators=(",", ":"))
    if service.get("post_start") and oneoff is None:
        result[labels.POST_START] = json.dumps(service["post_start"], separators=(",", ":"))
    if service.get("pre_start") and oneoff is None:
        result[labels.PRE_START] = json.dumps(service["pre_start"], separators=(",", ":"))
    if facts.replaces:
        result[labels.REPLACE] = str(service.get("container_name") or labels.container_name(project, name, number))
    if oneoff is not None:
        result[labels.SLUG] = oneoff.slug
        result.pop(labels.NUMBER)
        result[labels.NUMBER] = "1"
    return result


def _dependency_words(service: Mapping[str, Any], project: Project) -> list[str]:
    return [
        f"{other}:{one.get('condition', 'service_started')}:{'true' if one.get('restart') else 'false'}"
        for other, one in sorted((service.get("depends_on") or {}).items())
        if other in project.services
    ]


def _logging(service: Mapping[str, Any]) -> dict[str, Any]:
    tree = service.get("logging") or {}
    return {
        "Type": tree.get("driver") or "",
        "Config": {key: _text(value) for key, value in (tree.get("options") or {}).items()},
    }


def restart_policy(service: Mapping[str, Any], *, own: bool = False) -> dict[str, Any]:
    """``restart``, overruled by ``deploy.restart_policy``. Our own engine (``own``) takes ``Delay`` and ``Window`` in
    nanoseconds as well, and with these a number of attempts for any condition."""
    name, _, count = str(service.get("restart") or "").partition(":")
    policy = {"Name": name, "MaximumRetryCount": int(count) if count.isdigit() else 0}
    deploy = (service.get("deploy") or {}).get("restart_policy")
    if deploy:
        condition = {"none": "no", "on-failure": "on-failure"}.get(str(deploy.get("condition") or "any"), "always")
        attempts = int(deploy.get("max_attempts") or 0) if condition == "on-failure" else 0
        policy = {"Name": condition, "MaximumRetryCount": attempts}
        attempts = int(deploy.get("max_attempts") or 0)
        given = {name: deploy[key] for key, name in (("delay", "Delay"), ("window", "Window")) if deploy.get(key)}
        if own and condition != "no" and (given or attempts):
            times = {name: nanoseconds(value) for name, value in given.items()}
            policy |= {"MaximumRetryCount": attempts, "Window": 0, **times}
    return policy


def _ports(service: Mapping[str, Any], config: dict[str, Any], host: dict[str, Any]) -> None:
    exposed: dict[str, dict[str, str]] = {}
    bindings: dict[str, list[dict[str, str]]] = {}
    for item in service.get("expose") or ():
        port, _, protocol = str(item).partition("/")
        first, _, last = port.partition("-")
        for number in range(int(first), int(last or first) + 1):
            exposed[f"{number}/{protocol or 'tcp'}"] = {}
    for port in service.get("ports") or ():
        key = f"{port['target']}/{port.get('protocol') or 'tcp'}"
        exposed[key] = {}
        published = port.get("published")
        bindings.setdefault(key, []).append({"HostIp": port.get("host_ip") or "", "HostPort": str(published or "")})
    if exposed:
        config["ExposedPorts"] = exposed
    if bindings:
        host["PortBindings"] = bindings


def _security(service: Mapping[str, Any], facts: Facts, host: dict[str, Any]) -> None:
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
    service: Mapping[str, Any],
    container: str,
    facts: Facts,
    oneoff: OneOff | None,
    config: dict[str, Any],
    host: dict[str, Any],
) -> list[tuple[str, dict[str, Any]]]:
    """Sets NetworkMode; the endpoints by network name, the default route's first."""
    mode = service.get("network_mode")
    if mode:
        host["NetworkMode"] = _shared(project, name, "network_mode", str(mode), facts)
        if service.get("mac_address"):
            config["MacAddress"] = service["mac_address"]
        return []
    keys = service_networks(service)
    if not keys:
        host["NetworkMode"] = "none"
        return []
    host["NetworkMode"] = labels.network_name(project, keys[0])
    aliases = [container]
    if oneoff is None or oneoff.use_aliases:
        aliases.append(name)
    links = [link for item in service.get("links") or () for link in _links(project, item, facts)]
    links += [item if ":" in item else f"{item}:{item}" for item in service.get("external_links") or ()]
    named = oneoff is None or oneoff.use_aliases
    endpoints: list[tuple[str, dict[str, Any]]] = []
    for index, key in enumerate(keys):
        plain = (
            service if named else {**service, "networks": {key: {**(service["networks"][key] or {}), "aliases": []}}}
        )
        settings = endpoint_settings(plain, key, aliases, links, facts.api)
        if index == 0 and service.get("mac_address"):
            if facts.api >= (1, 44):
                settings.setdefault("MacAddress", service["mac_address"])
            else:
                config["MacAddress"] = service["mac_address"]
        if facts.api < (1, 44) and (service["networks"][key] or {}).get("mac_address"):
            if index == 0:
                config["MacAddress"] = service["networks"][key]["mac_address"]
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


def _apply_oneoff(oneoff: OneOff, config: dict[str, Any], host: dict[str, Any]) -> None:
    if oneoff.command is not None:
        config["Cmd"] = list(oneoff.command)
    config["Tty"] = oneoff.tty
    config["OpenStdin"] = oneoff.stdin
    config["StdinOnce"] = oneoff.stdin
    config["AttachStdin"] = oneoff.stdin
    host["AutoRemove"] = oneoff.auto_remove
    host["RestartPolicy"] = {"Name": "", "MaximumRetryCount": 0}
