"""A service as the ContainerSpec of Swarm's tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ...contents import uses
from ...convert.healthcheck import healthcheck
from ...convert.values import file_mode
from .labels import SERVICE, STACK
from .text import literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...client.bodies import swarm as bodies
    from ...model import Project
    from ...model.parts import FileReference, Ulimit
    from ...model.service import Service
    from ..findings import Findings
    from .facts import Facts
    from .mounts import Mounts

_SECRET_MODE = 0o444

_TEXTS: tuple[tuple[Literal["stop_signal", "user", "working_dir"], Literal["StopSignal", "User", "Dir"]], ...] = (
    ("stop_signal", "StopSignal"),
    ("user", "User"),
    ("working_dir", "Dir"),
)
_LISTS: tuple[tuple[Literal["command", "entrypoint", "group_add"], Literal["Args", "Command", "Groups"]], ...] = (
    ("command", "Args"),
    ("entrypoint", "Command"),
    ("group_add", "Groups"),
)
_FLAGS: tuple[
    tuple[Literal["init", "read_only", "stdin_open", "tty"], Literal["Init", "ReadOnly", "OpenStdin", "TTY"]], ...
] = (
    ("init", "Init"),
    ("read_only", "ReadOnly"),
    ("stdin_open", "OpenStdin"),
    ("tty", "TTY"),
)
"""Keys of a service whose values the spec takes as they are."""


def _capability(name: str) -> str:
    name = name.upper()
    return name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}"


def container_spec(
    project: Project, name: str, facts: Facts, mounts: Mounts, findings: Findings
) -> bodies.ContainerSpec:
    tree = project.services[name]
    body: bodies.ContainerSpec = {
        "Image": facts.images.get(name) or tree.get("image", ""),
        "Labels": {**(tree.get("labels") or {}), STACK: project.name, SERVICE: name},
    }
    _add_scalars(body, tree)
    environment = tree.get("environment") or {}
    if environment:
        body["Env"] = [f"{key}={literal(value)}" for key, value in environment.items() if value is not None]
    health = healthcheck(tree, (1, 44))
    if health:
        body["Healthcheck"] = health
    if mounts.mounts:
        body["Mounts"] = list(mounts.mounts)
    hosts = _hosts(tree.get("extra_hosts") or [])
    if hosts:
        body["Hosts"] = hosts
        if any(one.startswith("host-gateway ") for one in hosts):
            findings.refuse(
                ("services", name, "extra_hosts"),
                "host-gateway is an address of one machine; a task may run on any node",
            )
    limits = _ulimits(tree.get("ulimits") or {})
    if limits:
        body["Ulimits"] = limits
    if tree.get("userns_mode") not in (None, "", "host"):
        findings.refuse(("services", name, "userns_mode"), f"userns_mode {tree['userns_mode']} does not exist on Swarm")
    privileges = _privileges(name, tree, findings)
    if privileges:
        body["Privileges"] = privileges
    secrets: list[bodies.FileUse] = [
        {"SecretName": facts.secrets.get(key, key), "File": _place(one.reference, key)}
        for one in uses(tree)
        if one.noun == "secrets"
        for key in (one.reference["source"],)
    ]
    configs: list[bodies.FileUse] = [
        {"ConfigName": facts.configs.get(key, key), "File": _place(one.reference, f"/{key}")}
        for one in uses(tree)
        if one.noun == "configs"
        for key in (one.reference["source"],)
    ]
    if secrets:
        body["Secrets"] = secrets
    if configs:
        body["Configs"] = configs
    return body


def _add_scalars(body: bodies.ContainerSpec, tree: Service) -> None:
    """What goes into the spec as the file has it, or nearly so."""
    for key, field in _TEXTS:
        if text := tree.get(key):
            body[field] = text
    for many, list_field in _LISTS:
        if words := tree.get(many):
            body[list_field] = list(words)
    for flag, bool_field in _FLAGS:
        if tree.get(flag):
            body[bool_field] = True
    if added := tree.get("cap_add"):
        body["CapabilityAdd"] = [_capability(one) for one in added]
    if dropped := tree.get("cap_drop"):
        body["CapabilityDrop"] = [_capability(one) for one in dropped]
    if hostname := tree.get("hostname"):
        body["Hostname"] = literal(hostname)
    grace = tree.get("stop_grace_period")
    if grace is not None:
        body["StopGracePeriod"] = int(grace)
    if sysctls := tree.get("sysctls"):
        body["Sysctls"] = dict(sysctls)
    resolver = _resolver(tree)
    if resolver:
        body["DNSConfig"] = resolver


def _resolver(tree: Service) -> bodies.Resolver:
    resolver: bodies.Resolver = {}
    if servers := tree.get("dns"):
        resolver["Nameservers"] = list(servers)
    if domains := tree.get("dns_search"):
        resolver["Search"] = list(domains)
    if options := tree.get("dns_opt"):
        resolver["Options"] = list(options)
    return resolver


def _hosts(items: list[str]) -> list[str]:
    """``address name``, as in /etc/hosts."""
    split = [one.replace("=", ":", 1).partition(":") for one in items]
    return [f"{address} {name}" for name, _, address in split]


def _ulimits(tree: Mapping[str, int | Ulimit]) -> list[bodies.Ulimit]:
    return [
        {"Name": name, "Soft": value, "Hard": value}
        if isinstance(value, int)
        else {"Name": name, "Soft": value["soft"], "Hard": value["hard"]}
        for name, value in sorted(tree.items())
    ]


def _privileges(name: str, tree: Service, findings: Findings) -> bodies.Privileges:
    """``security_opt``: what Swarm's Privileges have a field for (API 1.44)."""
    body: bodies.Privileges = {}
    for index, text in enumerate(tree.get("security_opt") or ()):
        word, _, value = text.partition("=") if "=" in text else text.partition(":")
        if word == "no-new-privileges":
            body["NoNewPrivileges"] = value != "false"
        elif word == "seccomp" and value == "unconfined":
            body["Seccomp"] = {"Mode": "unconfined"}
        elif word == "apparmor" and value == "unconfined":
            body["AppArmor"] = {"Mode": "disabled"}
        elif word == "label":
            kind, _, rest = value.partition(":")
            body["SELinuxContext"] = {**body.get("SELinuxContext", {}), **_label(kind, rest)}
        else:
            findings.refuse(("services", name, "security_opt", index), f"Swarm's tasks take no {text}")
    return body


def _label(kind: str, value: str) -> bodies.SELinuxContext:
    """One part of an SELinux context; nothing for one that does not exist."""
    match kind:
        case "disable":
            return {"Disable": True}
        case "user":
            return {"User": value}
        case "role":
            return {"Role": value}
        case "type":
            return {"Type": value}
        case "level":
            return {"Level": value}
    return {}


def _place(use: FileReference, default: str) -> bodies.FileTarget:
    """Where a secret or config stands; its id is filled in where the service is made."""
    return {
        "Name": use.get("target") or default,
        "UID": use.get("uid") or "0",
        "GID": use.get("gid") or "0",
        "Mode": file_mode(use.get("mode"), _SECRET_MODE),
    }
