"""A stack file that `docker stack deploy` takes as it is, from the specs that `deploy` itself would send."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from ....grammar import durations
from ...errors import Diagnostic, LoadError
from ...labels import network_name
from ...load.yamldump import yaml_text
from .convert import PIN
from .labels import SERVICE, STACK, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...model import Project
    from ..objects import Wanted

FILE = "stack.yaml"
_UNKNOWN = {"Groups": "group_add", "Privileges": "security_opt"}
"""Fields of a spec that the stack file's grammar has no key for."""


def write_stack(project: Project, wanted: Sequence[Wanted], write: Callable[[str, bytes], None]) -> None:
    """Write the stack file and the files of its secrets and configs. Raises `LoadError` for what such a file cannot say."""
    tree: dict[str, Any] = {"version": "3.8", "services": {}}
    findings: list[Diagnostic] = []
    keys = _file_keys(project, wanted)
    for one in wanted:
        if one.kind == "service":
            container = one.body["TaskTemplate"]["ContainerSpec"]
            for field, key in _UNKNOWN.items():
                if container.get(field):
                    path = (*one.path, key)
                    findings.append(Diagnostic("docker stack deploy has no such key", path, project.mark(*path)))
            tree["services"][one.service] = escaped(_service(project, one.body, keys))
        elif one.kind == "network":
            tree.setdefault("networks", {})[one.path[-1]] = escaped(_network(one.body))
        elif one.kind in ("secret", "config"):
            noun = f"{one.kind}s"
            name = f"{noun}/{one.path[-1]}"
            tree.setdefault(noun, {})[one.path[-1]] = {"name": escaped(one.name), "file": f"./{name}"}
            write(name, base64.b64decode(one.body["Data"]))
    if findings:
        raise LoadError(findings)
    _outside(project, tree)
    volumes = {_volume_key(project, mount["Source"]): mount for mount in _named_mounts(wanted)}
    for key, mount in sorted(volumes.items()):
        tree.setdefault("volumes", {})[key] = escaped(_volume(mount))
    write(FILE, (_heading(project, wanted) + yaml_text(tree)).encode())


def _heading(project: Project, wanted: Sequence[Wanted]) -> str:
    lines = [f"# docker stack deploy -c {FILE} {project.name}"]
    lines += [
        f"# Before, on the node where volume {one.name} is: docker node update --label-add {pin(one.name)}={project.name} NODE"
        for one in wanted
        if one.kind == PIN
    ]
    return "\n".join(lines) + "\n"


def escaped(value: Any) -> Any:
    """With every ``$`` doubled: the stack file is interpolated when it is read."""
    if isinstance(value, dict):
        return {key: escaped(one) for key, one in value.items()}
    if isinstance(value, list):
        return [escaped(one) for one in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _given(pairs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in pairs.items() if value not in (None, "", [], {}, False)}


def _service(project: Project, spec: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    own = {key: value for key, value in container["Labels"].items() if key not in (STACK, SERVICE)}
    health = container.get("Healthcheck")
    limits = {one["Name"]: {"soft": one["Soft"], "hard": one["Hard"]} for one in container.get("Ulimits") or ()}
    resolver = container.get("DNSConfig") or {}
    log = task.get("LogDriver") or {}
    grace = container.get("StopGracePeriod")
    return _given(
        {
            "image": container["Image"],
            "command": container.get("Args"),
            "entrypoint": container.get("Command"),
            "environment": container.get("Env"),
            "labels": own,
            "hostname": container.get("Hostname"),
            "user": container.get("User"),
            "working_dir": container.get("Dir"),
            "init": container.get("Init"),
            "tty": container.get("TTY"),
            "stdin_open": container.get("OpenStdin"),
            "read_only": container.get("ReadOnly"),
            "stop_signal": container.get("StopSignal"),
            "stop_grace_period": None if grace is None else durations.format(grace),
            "healthcheck": _health(health) if health else None,
            "cap_add": container.get("CapabilityAdd"),
            "cap_drop": container.get("CapabilityDrop"),
            "sysctls": container.get("Sysctls"),
            "ulimits": limits,
            "extra_hosts": [":".join(reversed(one.split(" ", 1))) for one in container.get("Hosts") or ()],
            "dns": resolver.get("Nameservers"),
            "dns_search": resolver.get("Search"),
            "logging": _given({"driver": log.get("Name"), "options": log.get("Options")}),
            "networks": _networks(project, task.get("Networks") or ()),
            "volumes": [_mount(project, one) for one in container.get("Mounts") or ()],
            "secrets": _files(container.get("Secrets") or (), "SecretName", keys),
            "configs": _files(container.get("Configs") or (), "ConfigName", keys),
            "ports": [_port(one) for one in (spec.get("EndpointSpec") or {}).get("Ports") or ()],
            "deploy": _deploy(spec),
        }
    )


def _health(body: Mapping[str, Any]) -> dict[str, Any]:
    if body.get("Test") == ["NONE"]:
        return {"disable": True}
    times = {
        "Interval": "interval",
        "Timeout": "timeout",
        "StartPeriod": "start_period",
        "StartInterval": "start_interval",
    }
    found = {key: durations.format(body[field]) for field, key in times.items() if body.get(field)}
    return _given({"test": body.get("Test"), "retries": body.get("Retries"), **found})


def _networks(project: Project, attached: Sequence[Mapping[str, Any]]) -> Any:
    keys = {network_name(project, key): key for key in project.networks}
    return {keys.get(one["Target"], one["Target"]): _given({"aliases": one.get("Aliases")}) or None for one in attached}


def _mount(project: Project, body: Mapping[str, Any]) -> dict[str, Any]:
    kind = body["Type"]
    options = body.get("VolumeOptions") or {}
    tmpfs = body.get("TmpfsOptions") or {}
    bind = body.get("BindOptions") or {}
    source = body.get("Source")
    return _given(
        {
            "type": kind,
            "source": _volume_key(project, source) if kind == "volume" and source else source,
            "target": body["Target"],
            "read_only": body.get("ReadOnly"),
            "volume": _given({"nocopy": options.get("NoCopy")}),
            "tmpfs": _given({"size": tmpfs.get("SizeBytes"), "mode": tmpfs.get("Mode")}),
            "bind": _given({"propagation": bind.get("Propagation")}),
        }
    )


def _volume_key(project: Project, source: str) -> str:
    from ...labels import volume_name

    return {volume_name(project, key): key for key in project.volumes}.get(source, source)


def _named_mounts(wanted: Sequence[Wanted]) -> list[Mapping[str, Any]]:
    return [
        mount
        for one in wanted
        if one.kind == "service"
        for mount in one.body["TaskTemplate"]["ContainerSpec"].get("Mounts") or ()
        if mount["Type"] == "volume" and mount.get("Source")
    ]


def _volume(mount: Mapping[str, Any]) -> dict[str, Any]:
    options = mount.get("VolumeOptions") or {}
    driver = options.get("DriverConfig") or {}
    labels = {key: value for key, value in (options.get("Labels") or {}).items() if key != STACK}
    return _given(
        {
            "name": mount["Source"],
            "driver": driver.get("Name"),
            "driver_opts": driver.get("Options"),
            "labels": labels,
            "external": STACK not in (options.get("Labels") or {}),
        }
    )


def _network(body: Mapping[str, Any]) -> dict[str, Any]:
    labels = {key: value for key, value in body["Labels"].items() if key != STACK}
    pools = [_given({"subnet": one.get("Subnet")}) for one in (body.get("IPAM") or {}).get("Config") or ()]
    return _given(
        {
            "name": body["Name"],
            "driver": body["Driver"],
            "driver_opts": body.get("Options"),
            "attachable": body.get("Attachable"),
            "internal": body.get("Internal"),
            "ipam": {"config": pools} if pools else None,
            "labels": labels,
        }
    )


def _file_keys(project: Project, wanted: Sequence[Wanted]) -> dict[str, str]:
    """The file's own key of each secret and config, by the name that it has on the swarm."""
    keys = {one.name: str(one.path[-1]) for one in wanted if one.kind in ("secret", "config")}
    for section in (project.secrets, project.configs):
        keys |= {str(tree.get("name") or key): key for key, tree in section.items() if (tree or {}).get("external")}
    return keys


def _files(uses: Sequence[Mapping[str, Any]], name: str, keys: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "source": keys[use[name]],
            "target": use["File"]["Name"],
            "uid": use["File"]["UID"],
            "gid": use["File"]["GID"],
            "mode": use["File"]["Mode"],
        }
        for use in uses
    ]


def _port(body: Mapping[str, Any]) -> dict[str, Any]:
    return _given(
        {
            "target": body["TargetPort"],
            "published": body.get("PublishedPort"),
            "protocol": body["Protocol"],
            "mode": body["PublishMode"],
        }
    )


def _deploy(spec: Mapping[str, Any]) -> dict[str, Any]:
    task = spec["TaskTemplate"]
    mode = next(iter(spec["Mode"]))
    words = {
        "Replicated": "replicated",
        "Global": "global",
        "ReplicatedJob": "replicated-job",
        "GlobalJob": "global-job",
    }
    count = spec["Mode"][mode].get("Replicas", spec["Mode"][mode].get("TotalCompletions"))
    placement = task.get("Placement") or {}
    restart = task.get("RestartPolicy") or {}
    times = {
        key: durations.format(restart[field])
        for field, key in (("Delay", "delay"), ("Window", "window"))
        if restart.get(field)
    }
    labels = {
        key: value for key, value in spec["Labels"].items() if key not in (STACK, SERVICE, "com.docker.stack.image")
    }
    spreads = [{"spread": one["Spread"]["SpreadDescriptor"]} for one in placement.get("Preferences") or ()]
    body = _given(
        {
            "mode": words[mode],
            "labels": labels,
            "endpoint_mode": (spec.get("EndpointSpec") or {}).get("Mode"),
            "placement": _given(
                {
                    "constraints": placement.get("Constraints"),
                    "preferences": spreads,
                    "max_replicas_per_node": placement.get("MaxReplicas"),
                }
            ),
            "resources": _resources(task.get("Resources") or {}),
            "restart_policy": _given(
                {"condition": restart.get("Condition"), "max_attempts": restart.get("MaxAttempts"), **times}
            ),
            "update_config": _update(spec.get("UpdateConfig") or {}),
            "rollback_config": _update(spec.get("RollbackConfig") or {}),
        }
    )
    return body if count is None else {**body, "replicas": count}


def _resources(body: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for field, key in (("Limits", "limits"), ("Reservations", "reservations")):
        one = body.get(field) or {}
        cpus = one.get("NanoCPUs")
        generic = [
            {
                "discrete_resource_spec": {
                    "kind": item["DiscreteResourceSpec"]["Kind"],
                    "value": item["DiscreteResourceSpec"]["Value"],
                }
            }
            for item in one.get("GenericResources") or ()
        ]
        found[key] = _given(
            {
                "cpus": f"{cpus / 1e9:.9f}".rstrip("0").rstrip(".") if cpus else None,
                "memory": str(one["MemoryBytes"]) if one.get("MemoryBytes") else None,
                "pids": one.get("Pids"),
                "generic_resources": generic,
            }
        )
    return _given(found)


def _update(body: Mapping[str, Any]) -> dict[str, Any]:
    times = {
        key: durations.format(body[field])
        for field, key in (("Delay", "delay"), ("Monitor", "monitor"))
        if body.get(field)
    }
    words = {"FailureAction": "failure_action", "Order": "order", "MaxFailureRatio": "max_failure_ratio"}
    found = _given({**times, **{key: body.get(field) for field, key in words.items()}})
    return found if body.get("Parallelism") is None else {**found, "parallelism": body["Parallelism"]}


def _outside(project: Project, tree: dict[str, Any]) -> None:
    """Networks, secrets and configs that the project uses and does not make."""
    for noun in ("networks", "secrets", "configs"):
        for key, one in getattr(project, noun).items():
            if (one or {}).get("external"):
                tree.setdefault(noun, {})[key] = {"external": True, "name": str(one.get("name") or key)}
