"""A service as the ContainerSpec of Swarm's tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...contents import uses
from ...convert.healthcheck import healthcheck
from ...convert.values import file_mode, pairs
from .labels import SERVICE, STACK
from .text import literal, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...model import Project
    from ..findings import Findings
    from .mounts import Mounts
    from .service import Facts

_SECRET_MODE = 0o444

_TABLE: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("cap_add", "CapabilityAdd", lambda value: [_capability(one) for one in value]),
    ("cap_drop", "CapabilityDrop", lambda value: [_capability(one) for one in value]),
    ("command", "Args", list),
    ("entrypoint", "Command", list),
    ("group_add", "Groups", lambda value: [str(one) for one in value]),
    ("hostname", "Hostname", lambda value: literal(str(value))),
    ("init", "Init", bool),
    ("read_only", "ReadOnly", bool),
    ("stdin_open", "OpenStdin", bool),
    ("stop_grace_period", "StopGracePeriod", int),
    ("stop_signal", "StopSignal", str),
    ("sysctls", "Sysctls", lambda value: {name: plain(one) for name, one in pairs(value).items()}),
    ("tty", "TTY", bool),
    ("user", "User", str),
    ("working_dir", "Dir", str),
)


def _capability(name: str) -> str:
    name = str(name).upper()
    return name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}"


def container_spec(project: Project, name: str, facts: Facts, mounts: Mounts, findings: Findings) -> dict[str, Any]:
    tree = project.services[name]
    body: dict[str, Any] = {
        "Image": facts.images.get(name) or str(tree.get("image") or ""),
        "Labels": {
            **{key: plain(value) for key, value in pairs(tree.get("labels")).items()},
            STACK: project.name,
            SERVICE: name,
        },
    }
    for key, field_name, convert in _TABLE:
        value = tree.get(key)
        if value is not None and value is not False and value != []:
            body[field_name] = convert(value)
    environment = tree.get("environment") or {}
    if environment:
        body["Env"] = [f"{key}={literal(plain(value))}" for key, value in environment.items() if value is not None]
    health = healthcheck(tree, (1, 44))
    if health:
        body["Healthcheck"] = health
    if mounts.mounts:
        body["Mounts"] = list(mounts.mounts)
    hosts = _hosts(tree.get("extra_hosts"))
    if hosts:
        body["Hosts"] = hosts
        if any(one.startswith("host-gateway ") for one in hosts):
            findings.refuse(
                ("services", name, "extra_hosts"),
                "host-gateway is an address of one machine; a task may run on any node",
            )
    resolver = {
        api: list(value)
        for api, value in (
            ("Nameservers", tree.get("dns")),
            ("Search", tree.get("dns_search")),
            ("Options", tree.get("dns_opt")),
        )
        if value
    }
    if resolver:
        body["DNSConfig"] = resolver
    limits = _ulimits(tree.get("ulimits") or {})
    if limits:
        body["Ulimits"] = limits
    privileges = _privileges(name, tree, findings)
    if privileges:
        body["Privileges"] = privileges
    for noun, names in (("secrets", facts.secrets), ("configs", facts.configs)):
        used = [_use(noun, use.reference, names) for use in uses(tree) if use.noun == noun]
        if used:
            body[noun.capitalize()] = used
    return body


def _hosts(value: Any) -> list[str]:
    """``address name``, as in /etc/hosts."""
    if not value:
        return []
    if isinstance(value, list):
        split = [str(item).replace("=", ":", 1).partition(":") for item in value]
        return [f"{address} {name}" for name, _, address in split]
    return [f"{one} {name}" for name, many in value.items() for one in (many if isinstance(many, list) else [many])]


def _ulimits(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, value in sorted(tree.items()):
        both = value if isinstance(value, dict) else {"soft": value, "hard": value}
        found.append({"Name": name, "Soft": int(both["soft"]), "Hard": int(both["hard"])})
    return found


def _privileges(name: str, tree: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """``security_opt``: what Swarm's Privileges have a field for (API 1.44)."""
    body: dict[str, Any] = {}
    for index, item in enumerate(tree.get("security_opt") or ()):
        text = str(item)
        word, _, value = text.partition("=") if "=" in text else text.partition(":")
        if word == "no-new-privileges":
            body["NoNewPrivileges"] = value != "false"
        elif word in ("seccomp", "apparmor") and value == "unconfined":
            field_name, how = ("Seccomp", "unconfined") if word == "seccomp" else ("AppArmor", "disabled")
            body[field_name] = {"Mode": how}
        elif word == "label":
            kind, _, rest = value.partition(":")
            linux = body.setdefault("SELinuxContext", {})
            linux |= {"Disable": True} if kind == "disable" else {kind.capitalize(): rest}
        else:
            findings.refuse(("services", name, "security_opt", index), f"Swarm's tasks take no {text}")
    return body


def _use(noun: str, use: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A reference by name; the id is filled in where the object is made."""
    source = str(use["source"])
    target = str(use.get("target") or (f"/{source}" if noun == "configs" else source))
    singular = noun.removesuffix("s").capitalize()
    return {
        f"{singular}Name": names.get(source, source),
        "File": {
            "Name": target,
            "UID": str(use.get("uid") or "0"),
            "GID": str(use.get("gid") or "0"),
            "Mode": file_mode(use.get("mode"), _SECRET_MODE),
        },
    }
