"""An ephemeral project: a copy under a name of its own that meets no other copy, in whatever directory.

What only one copy could have is dropped: ``container_name``, ``name`` of networks and volumes, and of bridge networks the
subnets, the addresses in them and the bridge's name; the engine picks all of these anew. What refers to a dropped
container name refers to its service then, and the name stays as an alias. External networks and volumes are used as they
are, and so is a macvlan's or ipvlan's subnet, which is the one of a network outside. Images built for it are named after
it and go with it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..model import Project

_ADDRESSES = ("ipv4_address", "ipv6_address")
_BRIDGE_NAME = "com.docker.network.bridge.name"
_NAMESPACES = ("network_mode", "ipc", "pid", "uts")


def ephemeral_name(base: str) -> str:
    """``base-test-1f2e3d4c``"""
    return f"{base[:40]}-test-{secrets.token_hex(4)}"


def ephemeral(project: Project) -> Project:
    """``project`` (already loaded under its ephemeral name) without fixed names and addresses."""
    names = {tree["container_name"]: name for name, tree in project.services.items() if tree.get("container_name")}
    loose = {key for key, tree in project.networks.items() if _picks_addresses(tree or {})}
    services = {name: _service(tree, names, loose) for name, tree in project.services.items()}
    networks = {key: _network(tree) if key in loose else tree for key, tree in _renamed(project, project.networks)}
    return replace(project, services=services, networks=networks, volumes=dict(_renamed(project, project.volumes)))


def lost_addresses(project: Project) -> list[str]:
    """What a copy of ``project`` may miss, in words: fixed addresses that go, and that a service mentions elsewhere."""
    loose = {key for key, tree in project.networks.items() if _picks_addresses(tree or {})}
    fixed = {
        str(settings[kind])
        for tree in project.services.values()
        for key, settings in (tree.get("networks") or {}).items()
        for kind in _ADDRESSES
        if key in loose and (settings or {}).get(kind)
    }
    found = []
    for name, tree in project.services.items():
        text = repr({key: value for key, value in tree.items() if key != "networks"})
        found += [
            f"service {name!r} mentions {address}, an address that a copy of the stack does not have"
            for address in sorted(fixed)
            if re.search(rf"(?<![\w.:]){re.escape(address)}(?![\w.]|:\w*:)", text)
        ]
    return found


def _renamed(project: Project, trees: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, tree in trees.items():
        yield key, tree if (tree or {}).get("external") else {**(tree or {}), "name": f"{project.name}_{key}"}


def _picks_addresses(network: Mapping[str, Any]) -> bool:
    """Whether the engine may give it any free subnet: it is a bridge, and the project's own."""
    return not network.get("external") and network.get("driver") in (None, "", "default", "bridge")


def _network(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    rest = {key: value for key, value in tree.items() if key not in ("ipam", "driver_opts")}
    ipam = {key: value for key, value in (tree.get("ipam") or {}).items() if key != "config"}
    options = {key: value for key, value in (tree.get("driver_opts") or {}).items() if key != _BRIDGE_NAME}
    return {**rest, **({"ipam": ipam} if ipam else {}), **({"driver_opts": options} if options else {})}


def _service(tree: Mapping[str, Any], names: Mapping[str, str], loose: set[str]) -> Mapping[str, Any]:
    copy = {key: value for key, value in tree.items() if key != "container_name"}
    for key in _NAMESPACES:
        kind, _, target = str(tree.get(key) or "").partition(":")
        if kind == "container" and target in names:
            copy[key] = f"service:{names[target]}"
    if donors := tree.get("volumes_from"):
        copy["volumes_from"] = [_donor(str(donor), names) for donor in donors]
    if links := tree.get("external_links"):
        inner = [(link.partition(":")[0], link) for link in map(str, links)]
        copy["external_links"] = [link for name, link in inner if name not in names]
        copy["links"] = [
            *(tree.get("links") or ()),
            *(f"{names[name]}:{link.partition(':')[2] or name}" for name, link in inner if name in names),
        ]
    if networks := tree.get("networks"):
        copy["networks"] = {
            key: _endpoint(settings, tree.get("container_name"), key in loose) for key, settings in networks.items()
        }
    return {key: value for key, value in copy.items() if value or key not in ("external_links", "links")}


def _donor(item: str, names: Mapping[str, str]) -> str:
    kind, _, rest = item.partition(":")
    name, colon, mode = rest.partition(":")
    return f"{names[name]}{colon}{mode}" if kind == "container" and name in names else item


def _endpoint(settings: Mapping[str, Any] | None, alias: str | None, loose: bool) -> Mapping[str, Any] | None:
    kept = {key: value for key, value in (settings or {}).items() if not (loose and key in _ADDRESSES)}
    if alias:
        kept["aliases"] = [*(kept.get("aliases") or ()), alias]
    return kept or None


def built_images(project: Project) -> list[str]:
    """References that only this project's builds have: what is untagged with its lease."""
    return [
        f"{project.name}-{name}"
        for name, tree in project.services.items()
        if tree.get("build") and not tree.get("image")
    ]


def variable(text: str) -> str:
    """A service's name as a part of a variable's name: ``my-db`` → ``MY_DB``."""
    return re.sub(r"[^A-Z0-9]", "_", text.upper())
