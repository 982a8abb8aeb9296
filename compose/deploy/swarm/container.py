"""A service as the ContainerSpec of Swarm's tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ...contents import uses
from ...convert.healthcheck import healthcheck
from ...convert.resources import ulimits
from ...convert.values import file_mode
from ..words import command_words
from .labels import SERVICE, STACK
from .text import literal

if TYPE_CHECKING:
    from ...client.bodies import swarm as bodies
    from ...model import Project
    from ...model.parts import FileReference
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
    _add_command(body, name, tree, findings)
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
    if tree.get("ulimits"):
        body["Ulimits"] = [{**one} for one in ulimits(tree["ulimits"])]
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


def _add_command(body: bodies.ContainerSpec, name: str, tree: Service, findings: Findings) -> None:
    entrypoint, command = command_words(name, tree, findings)
    if command:
        body["Args"] = list(command)
    if entrypoint:
        body["Command"] = list(entrypoint)


def _add_scalars(body: bodies.ContainerSpec, tree: Service) -> None:
    """What goes into the spec as the file has it, or nearly so."""
    for key, field in _TEXTS:
        if text := tree.get(key):
            body[field] = text
    for flag, bool_field in _FLAGS:
        if tree.get(flag):
            body[bool_field] = True
    if added := tree.get("cap_add"):
        body["CapabilityAdd"] = [_capability(one) for one in added]
    if dropped := tree.get("cap_drop"):
        body["CapabilityDrop"] = [_capability(one) for one in dropped]
    if groups := tree.get("group_add"):
        body["Groups"] = list(groups)
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
        elif word == "label" and (label := _label(value)):
            body["SELinuxContext"] = {**body.get("SELinuxContext", {}), **label}
        else:
            findings.refuse(("services", name, "security_opt", index), f"Swarm's tasks take no {text}")
    return body


def _label(text: str) -> bodies.SELinuxContext:
    """One part of an SELinux context; nothing for one that does not exist."""
    kind, _, value = text.partition(":")
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
