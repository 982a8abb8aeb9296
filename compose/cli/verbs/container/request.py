"""The flags of `container run` and `create` as the body of POST /containers/create, as the docker CLI sends it.

Pure apart from reading the files that flags name (--env-file, --label-file, seccomp profiles). Every mistake is a
ValueError with docker's words.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .....grammar.numerals import natural
from .....grammar.ports import parse as parse_ports
from .endpoints import endpoints
from .limits import limits
from .storage import binds, devices, tmpfs
from .values import key_value_file, key_values, restart_policy

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from ....convert import bodies
    from .endpoints import Endpoint

ENDPOINT_MAC, MANY_ENDPOINTS = (1, 44), (1, 44)
"""The API versions from which on the endpoint takes the MAC address, and creation takes several endpoints."""


@dataclass(frozen=True, slots=True)
class Request:
    """``connect`` are the networks that an older engine takes only after the creation."""

    name: str
    platform: str
    body: dict[str, object]
    connect: tuple[Endpoint, ...]


def create_request(args: Namespace, api: tuple[int, int], proxies: Mapping[str, str] | None = None) -> Request:
    """``proxies`` are variables for which the flags have no values of their own. Raises ValueError."""
    networks = endpoints(args)
    config = _config(args)
    given = {item.partition("=")[0] for item in config["Env"]}
    config["Env"] += [f"{name}={value}" for name, value in (proxies or {}).items() if name not in given]
    host = _host_config(args, networks[0][0])
    if api < ENDPOINT_MAC and networks[0][1].get("MacAddress"):
        config["MacAddress"] = networks[0][1].pop("MacAddress")
    count = len(networks) if api >= MANY_ENDPOINTS else 1
    body: dict[str, object] = {
        **config,
        "Cmd": list(args.command) or None,
        "Entrypoint": None if args.entrypoint is None else [args.entrypoint],
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": dict(networks[:count])},
    }
    return Request(args.name or "", args.platform or "", body, tuple(networks[count:]))


def _config(args: Namespace) -> bodies.ContainerConfig:
    _, anonymous = binds(args.volume)
    streams = args.attach
    config: bodies.ContainerConfig = {
        "Hostname": args.hostname or "",
        "Domainname": args.domainname or "",
        "User": args.user or "",
        "AttachStdin": "stdin" in streams if streams else args.interactive,
        "AttachStdout": not streams or "stdout" in streams,
        "AttachStderr": not streams or "stderr" in streams,
        "Tty": args.tty,
        "OpenStdin": args.interactive,
        "StdinOnce": False,
        "Env": environment(args.container_env_file, args.env),
        "Image": args.image,
        "Volumes": anonymous,
        "WorkingDir": args.workdir or "",
        "Labels": key_values([*_from_files(args.label_file), *args.label]),
    }
    config["StdinOnce"] = config["OpenStdin"] and config["AttachStdin"]
    exposed: dict[str, dict[str, str]] = _exposed(args.expose) | {key: {} for key in _bindings(args.publish)}
    if exposed:
        config["ExposedPorts"] = exposed
    if args.stop_signal:
        config["StopSignal"] = args.stop_signal
    if args.stop_timeout is not None:
        config["StopTimeout"] = args.stop_timeout
    health = _healthcheck(args)
    if health is not None:
        config["Healthcheck"] = health
    return config


def environment(files: Sequence[str], items: Sequence[str]) -> list[str]:
    """The files' variables, then ``-e``: a bare name takes this process's value, or stays bare to unset the image's."""
    result = [line for path in files for line in key_value_file(path, from_environment=True)]
    for item in items:
        name, equals, _ = item.partition("=")
        result.append(f"{name}={os.environ[name]}" if not equals and name in os.environ else item)
    return result


def _from_files(paths: Sequence[str]) -> list[str]:
    return [line for path in paths for line in key_value_file(path, from_environment=False)]


def _exposed(items: Sequence[str]) -> dict[str, dict[str, str]]:
    result: dict[str, dict[str, str]] = {}
    for text in items:
        if ":" in text:
            raise ValueError(f"invalid port format for --expose: {text}")
        ports, _, protocol = text.partition("/")
        first, dash, last = ports.partition("-")
        for number in (first, last if dash else first):
            if natural(number) not in range(65536):
                raise ValueError(
                    f'invalid range format for --expose: {text}, error: strconv.ParseUint: parsing "{number}":'
                    f" {'value out of range' if number.isdecimal() else 'invalid syntax'}"
                )
        for port in range(int(first), int(last or first) + 1):
            result[f"{port}/{protocol or 'tcp'}"] = {}
    return result


def _bindings(items: Sequence[str]) -> dict[str, list[bodies.PortBinding]]:
    """``-p`` in the short form, or ``target=80,published=8080,protocol=tcp``."""
    result: dict[str, list[bodies.PortBinding]] = {}
    for text in items:
        try:
            ports = parse_ports(_short_port(text))
        except ValueError as error:
            message = str(error).replace("invalid IP address", "invalid ip address")
            raise ValueError(message[:1].upper() + message[1:]) from None
        for port in ports:
            binding: bodies.PortBinding = {"HostIp": port.host_ip, "HostPort": port.published}
            result.setdefault(f"{port.target}/{port.protocol}", []).append(binding)
    return result


def _short_port(text: str) -> str:
    if "=" not in text:
        return text
    fields = key_values(text.split(","))
    unknown = set(fields) - {"target", "published", "protocol", "mode"}
    if unknown or not fields.get("target"):
        raise ValueError(f"invalid publish opts format (should be name=value but got '{text}')")
    return f"{fields.get('published', '')}:{fields['target']}/{fields.get('protocol') or 'tcp'}"


def _healthcheck(args: Namespace) -> bodies.Healthcheck | None:
    spans: tuple[tuple[Literal["Interval", "Timeout", "StartPeriod", "StartInterval"], str, int], ...] = (
        ("Interval", "--health-interval", args.health_interval),
        ("Timeout", "--health-timeout", args.health_timeout),
        ("StartPeriod", "--health-start-period", args.health_start_period),
        ("StartInterval", "--health-start-interval", args.health_start_interval),
    )
    given = bool(args.health_cmd or args.health_retries or any(value for _, _, value in spans))
    if args.no_healthcheck:
        if given:
            raise ValueError("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    if not given:
        return None
    body: bodies.Healthcheck = {}
    for field, flag, value in spans:
        if value < 0:
            raise ValueError(f"{flag} cannot be negative")
        if value:
            body[field] = value
    if args.health_retries < 0:
        raise ValueError("--health-retries cannot be negative")
    if args.health_cmd:
        body["Test"] = ["CMD-SHELL", args.health_cmd]
    if args.health_retries:
        body["Retries"] = args.health_retries
    return body


def _host_config(args: Namespace, network_mode: str) -> dict[str, object]:
    for value, flag, word, valid in (
        (args.pid, "--pid", "PID", ("host",)),
        (args.uts, "--uts", "UTS", ("host",)),
        (args.userns, "--userns", "USER", ("host", "private", "auto")),
        (args.cgroupns, "--cgroupns", "CGROUP", ("host", "private")),
    ):
        if value and value not in valid and not (flag == "--pid" and value.startswith("container:")):
            raise ValueError(f"{flag}: invalid {word} mode")
    policy = restart_policy(args.restart)
    if args.rm and policy["Name"] not in ("no", ""):
        raise ValueError("Conflicting options: --restart and --rm")
    if args.log_driver == "none" and args.log_opt:
        raise ValueError("invalid logging opts for driver none")
    bound, _ = binds(args.volume)
    mappings, requests = devices(args.device)
    host: dict[str, object] = {
        "Binds": bound or None,
        "ContainerIDFile": args.cidfile or "",
        "LogConfig": {"Type": args.log_driver or "", "Config": key_values(args.log_opt)},
        "NetworkMode": network_mode,
        "PortBindings": _bindings(args.publish),
        "RestartPolicy": policy,
        "AutoRemove": args.rm,
        "VolumeDriver": args.volume_driver or "",
        "VolumesFrom": list(args.volumes_from) or None,
        "ConsoleSize": [0, 0],
        "CapAdd": list(args.cap_add) or None,
        "CapDrop": list(args.cap_drop) or None,
        "CgroupnsMode": args.cgroupns or "",
        "Dns": list(args.dns),
        "DnsOptions": list(args.dns_option),
        "DnsSearch": list(args.dns_search),
        "ExtraHosts": list(args.add_host) or None,
        "GroupAdd": list(args.group_add) or None,
        "IpcMode": args.ipc or "",
        "Links": list(args.link) or None,
        "OomScoreAdj": args.oom_score_adj,
        "PidMode": args.pid or "",
        "Privileged": args.privileged,
        "PublishAllPorts": args.publish_all,
        "ReadonlyRootfs": args.read_only,
        "UTSMode": args.uts or "",
        "UsernsMode": args.userns or "",
        "ShmSize": args.shm_size,
        "Isolation": args.isolation or "",
        "CgroupParent": args.cgroup_parent or "",
        "Devices": mappings,
        "DeviceCgroupRules": list(args.device_cgroup_rule) or None,
        "DeviceRequests": [*args.gpus, *requests] or None,
        "Ulimits": sorted(args.ulimit, key=lambda one: str(one["Name"])),
        **limits(args),
        **_security(args.security_opt),
    }
    optional: dict[str, object] = {
        "Annotations": key_values(args.annotation),
        "Init": True if args.init else None,
        "Mounts": list(args.mount),
        "Runtime": args.runtime,
        "StorageOpt": _storage(args.storage_opt),
        "Sysctls": key_values(args.sysctl),
        "Tmpfs": tmpfs(args.tmpfs),
    }
    return host | {field: value for field, value in optional.items() if value}


def _storage(items: Sequence[str]) -> dict[str, str]:
    if any("=" not in item for item in items):
        raise ValueError("invalid storage option")
    return key_values(list(items))


def _security(items: Sequence[str]) -> bodies.HostConfig:
    """Profiles are sent as their content; ``systempaths=unconfined`` unmasks."""
    options: list[str] = []
    body: bodies.HostConfig = {}
    for item in items:
        name, separator, value = item.partition("=") if "=" in item else item.partition(":")
        if not separator and name != "no-new-privileges":
            raise ValueError(f'Invalid --security-opt: "{item}"')
        if name == "systempaths" and value == "unconfined":
            body["MaskedPaths"], body["ReadonlyPaths"] = [], []
        elif name == "seccomp" and value not in ("unconfined", "builtin"):
            options.append(f"seccomp={_profile(value)}")
        else:
            options.append(item)
    return {**body, "SecurityOpt": options or None}


def _profile(path: str) -> str:
    import json

    from .... import files

    try:
        return json.dumps(json.loads(files.read(path, 16 << 20)), separators=(",", ":"))
    except OSError as error:
        reason = f"open {path}: {str(error.strerror).lower()}"
        raise ValueError(f"opening seccomp profile ({path}) failed: {reason}") from None
    except ValueError as error:
        raise ValueError(f"compressing json for seccomp profile ({path}) failed: {error}") from None
