"""A stack file that `docker stack deploy` takes as it is, from the specs that `deploy` itself would send."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from ....grammar import durations
from ...errors import Diagnostic, LoadError
from ...labels import network_name
from ...load.yamldump import yaml_text
from .convert import PIN, spec_of
from .labels import SERVICE, STACK, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...client.bodies import swarm as bodies
    from ...client.bodies.containers import HealthCheck
    from ...client.bodies.networks import Network
    from ...model import Project
    from ..objects import Wanted

FILE = "stack.yaml"


def write_stack(project: Project, wanted: Sequence[Wanted], write: Callable[[str, bytes], None]) -> None:
    """Write the stack file and the files of its secrets and configs. Raises `LoadError` for what such a file cannot say."""
    sections: dict[str, dict[str, object]] = {"services": {}}
    findings: list[Diagnostic] = []
    keys = _file_keys(project, wanted)
    for one in wanted:
        if one.kind == "service":
            spec = spec_of(one)
            for key in _unknown(spec["TaskTemplate"]["ContainerSpec"]):
                path = (*one.path, key)
                findings.append(Diagnostic("docker stack deploy has no such key", path, project.mark(*path)))
            sections["services"][one.service] = escaped(_service(project, spec, keys))
        elif one.kind == "network":
            sections.setdefault("networks", {})[str(one.path[-1])] = escaped(_network(cast("Network", one.body)))
        elif one.kind in ("secret", "config"):
            noun, key = f"{one.kind}s", str(one.path[-1])
            name = f"{noun}/{key}"
            sections.setdefault(noun, {})[key] = {"name": escaped(one.name), "file": f"./{name}"}
            write(name, base64.b64decode(cast("bodies.FileSpec", one.body)["Data"]))
    if findings:
        raise LoadError(findings)
    _outside(project, sections)
    volumes = {_volume_key(project, mount["Source"]): mount for mount in _named_mounts(wanted)}
    for key, mount in sorted(volumes.items()):
        sections.setdefault("volumes", {})[key] = escaped(_volume(mount))
    write(FILE, (_heading(project, wanted) + yaml_text({"version": "3.8", **sections})).encode())


def _unknown(container: bodies.ContainerSpec) -> list[str]:
    """The keys of the service that the stack file's grammar has not."""
    pairs = (("group_add", container.get("Groups")), ("security_opt", container.get("Privileges")))
    return [key for key, value in pairs if value]


def _heading(project: Project, wanted: Sequence[Wanted]) -> str:
    lines = [f"# docker stack deploy -c {FILE} {project.name}"]
    lines += [
        f"# Before, on the node where volume {one.name} is: docker node update --label-add {pin(one.name)}={project.name} NODE"
        for one in wanted
        if one.kind == PIN
    ]
    return "\n".join(lines) + "\n"


def escaped(value: object) -> object:
    """With every ``$`` doubled: the stack file is interpolated when it is read."""
    if isinstance(value, dict):
        return {key: escaped(one) for key, one in value.items()}
    if isinstance(value, list):
        return [escaped(one) for one in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _given(pairs: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in pairs.items() if value not in (None, "", [], {}, False)}


def _service(project: Project, spec: bodies.ServiceSpec, keys: Mapping[str, str]) -> dict[str, object]:
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    own = {key: value for key, value in container["Labels"].items() if key not in (STACK, SERVICE)}
    health = container.get("Healthcheck")
    limits = {one["Name"]: {"soft": one["Soft"], "hard": one["Hard"]} for one in container.get("Ulimits") or ()}
    resolver = container.get("DNSConfig", {})
    log = task.get("LogDriver", {})
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
            "secrets": [_file(keys[one["SecretName"]], one) for one in container.get("Secrets") or ()],
            "configs": [_file(keys[one["ConfigName"]], one) for one in container.get("Configs") or ()],
            "ports": [_port(one) for one in spec.get("EndpointSpec", {}).get("Ports") or ()],
            "deploy": _deploy(spec),
        }
    )


def _health(body: HealthCheck) -> dict[str, object]:
    if body.get("Test") == ["NONE"]:
        return {"disable": True}
    return _given(
        {
            "test": body.get("Test"),
            "retries": body.get("Retries"),
            "interval": _span(body.get("Interval")),
            "timeout": _span(body.get("Timeout")),
            "start_period": _span(body.get("StartPeriod")),
            "start_interval": _span(body.get("StartInterval")),
        }
    )


def _span(nanoseconds: int | None) -> str | None:
    return durations.format(nanoseconds) if nanoseconds else None


def _networks(project: Project, attached: Sequence[bodies.Attachment]) -> dict[str, object]:
    keys = {network_name(project, key): key for key in project.networks}
    return {keys.get(one["Target"], one["Target"]): _given({"aliases": one.get("Aliases")}) or None for one in attached}


def _mount(project: Project, body: bodies.Mount) -> dict[str, object]:
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


def _named_mounts(wanted: Sequence[Wanted]) -> list[bodies.Mount]:
    return [
        mount
        for one in wanted
        if one.kind == "service"
        for mount in spec_of(one)["TaskTemplate"]["ContainerSpec"].get("Mounts") or ()
        if mount["Type"] == "volume" and mount.get("Source")
    ]


def _volume(mount: bodies.Mount) -> dict[str, object]:
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


def _network(body: Network) -> dict[str, object]:
    labels = {key: value for key, value in (body["Labels"] or {}).items() if key != STACK}
    pools = [_given({"subnet": one.get("Subnet")}) for one in body.get("IPAM", {}).get("Config") or ()]
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


def _file(source: str, use: bodies.FileUse) -> dict[str, object]:
    place = use["File"]
    return {
        "source": source,
        "target": place["Name"],
        "uid": place["UID"],
        "gid": place["GID"],
        "mode": place["Mode"],
    }


def _port(body: bodies.Port) -> dict[str, object]:
    return _given(
        {
            "target": body["TargetPort"],
            "published": body.get("PublishedPort"),
            "protocol": body["Protocol"],
            "mode": body["PublishMode"],
        }
    )


def _mode(body: bodies.Mode) -> tuple[str, int | None]:
    """The mode's word, and how many tasks it wants."""
    if "Replicated" in body:
        return "replicated", (body["Replicated"] or {}).get("Replicas")
    if "ReplicatedJob" in body:
        return "replicated-job", (body["ReplicatedJob"] or {}).get("TotalCompletions")
    return ("global-job" if "GlobalJob" in body else "global"), None


def _deploy(spec: bodies.ServiceSpec) -> dict[str, object]:
    task = spec["TaskTemplate"]
    mode, count = _mode(spec["Mode"])
    placement = task.get("Placement", {})
    restart = task.get("RestartPolicy", {})
    labels = {
        key: value for key, value in spec["Labels"].items() if key not in (STACK, SERVICE, "com.docker.stack.image")
    }
    spreads = [{"spread": one["Spread"]["SpreadDescriptor"]} for one in placement.get("Preferences") or ()]
    body = _given(
        {
            "mode": mode,
            "labels": labels,
            "endpoint_mode": spec.get("EndpointSpec", {}).get("Mode"),
            "placement": _given(
                {
                    "constraints": placement.get("Constraints"),
                    "preferences": spreads,
                    "max_replicas_per_node": placement.get("MaxReplicas"),
                }
            ),
            "resources": _resources(task.get("Resources", {})),
            "restart_policy": _given(
                {
                    "condition": restart.get("Condition"),
                    "max_attempts": restart.get("MaxAttempts"),
                    "delay": _span(restart.get("Delay")),
                    "window": _span(restart.get("Window")),
                }
            ),
            "update_config": _update(spec.get("UpdateConfig", {})),
            "rollback_config": _update(spec.get("RollbackConfig", {})),
        }
    )
    return body if count is None else {**body, "replicas": count}


def _resources(body: bodies.Resources) -> dict[str, object]:
    return _given({"limits": _amounts(body.get("Limits", {})), "reservations": _amounts(body.get("Reservations", {}))})


def _amounts(body: bodies.Amounts) -> dict[str, object]:
    cpus = body.get("NanoCPUs")
    generic = [
        {"discrete_resource_spec": {"kind": one["Kind"], "value": one["Value"]}}
        for item in body.get("GenericResources") or ()
        for one in (item["DiscreteResourceSpec"],)
    ]
    return _given(
        {
            "cpus": f"{cpus / 1e9:.9f}".rstrip("0").rstrip(".") if cpus else None,
            "memory": str(body["MemoryBytes"]) if body.get("MemoryBytes") else None,
            "pids": body.get("Pids"),
            "generic_resources": generic,
        }
    )


def _update(body: bodies.UpdateConfig) -> dict[str, object]:
    found = _given(
        {
            "delay": _span(body.get("Delay")),
            "monitor": _span(body.get("Monitor")),
            "failure_action": body.get("FailureAction"),
            "order": body.get("Order"),
            "max_failure_ratio": body.get("MaxFailureRatio"),
        }
    )
    return found if body.get("Parallelism") is None else {**found, "parallelism": body["Parallelism"]}


def _outside(project: Project, sections: dict[str, dict[str, object]]) -> None:
    """Networks, secrets and configs that the project uses and does not make."""
    for noun in ("networks", "secrets", "configs"):
        for key, one in getattr(project, noun).items():
            if (one or {}).get("external"):
                sections.setdefault(noun, {})[key] = {"external": True, "name": str(one.get("name") or key)}
