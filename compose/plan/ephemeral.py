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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Project
    from ..model.resources import Ipam, Network
    from ..model.service import Service, ServiceNetwork

_BRIDGE_NAME = "com.docker.network.bridge.name"


def ephemeral_name(base: str) -> str:
    """``base-test-1f2e3d4c``"""
    return f"{base[:40]}-test-{secrets.token_hex(4)}"


def ephemeral(project: Project) -> Project:
    """``project`` (already loaded under its ephemeral name) without fixed names and addresses."""
    names = {tree["container_name"]: name for name, tree in project.services.items() if tree.get("container_name")}
    loose = {key for key, tree in project.networks.items() if _picks_addresses(tree or {})}
    return replace(
        project,
        services={name: _service(tree, names, loose) for name, tree in project.services.items()},
        networks={
            key: _network(tree or {}, f"{project.name}_{key}", key in loose) for key, tree in project.networks.items()
        },
        volumes={
            key: tree if tree and tree.get("external") else {**(tree or {}), "name": f"{project.name}_{key}"}
            for key, tree in project.volumes.items()
        },
    )


def lost_addresses(project: Project) -> list[str]:
    """What a copy of ``project`` may miss, in words: fixed addresses that go, and that a service mentions elsewhere."""
    loose = {key for key, tree in project.networks.items() if _picks_addresses(tree or {})}
    fixed = {
        address
        for tree in project.services.values()
        for key, settings in (tree.get("networks") or {}).items()
        if key in loose and settings
        for address in (settings.get("ipv4_address"), settings.get("ipv6_address"))
        if address
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


def _picks_addresses(network: Network) -> bool:
    """Whether the engine may give it any free subnet: it is a bridge, and the project's own."""
    return not network.get("external") and network.get("driver") in (None, "", "default", "bridge")


def _network(tree: Network, name: str, loose: bool) -> Network:
    if tree.get("external"):
        return tree
    copy: Network = {**tree, "name": name}
    if not loose:
        return copy
    ipam: Ipam = {**copy.pop("ipam", {})}
    ipam.pop("config", None)
    options = {key: value for key, value in copy.pop("driver_opts", {}).items() if key != _BRIDGE_NAME}
    if ipam:
        copy["ipam"] = ipam
    if options:
        copy["driver_opts"] = options
    return copy


def _service(tree: Service, names: Mapping[str, str], loose: set[str]) -> Service:
    copy: Service = {**tree}
    copy.pop("container_name", None)
    _share_with_services(copy, names)
    if donors := tree.get("volumes_from"):
        copy["volumes_from"] = [_donor(donor, names) for donor in donors]
    if outer := tree.get("external_links"):
        _link(copy, [(link.partition(":")[0], link) for link in outer], names)
    if networks := tree.get("networks"):
        copy["networks"] = {
            key: _endpoint(settings or {}, tree.get("container_name"), key in loose)
            for key, settings in networks.items()
        }
    return copy


def _share_with_services(service: Service, names: Mapping[str, str]) -> None:
    """Name the service where a namespace is shared with a container of this project."""

    def other(mode: str) -> str:
        kind, _, target = mode.partition(":")
        return f"service:{names[target]}" if kind == "container" and target in names else mode

    if "network_mode" in service:
        service["network_mode"] = other(service["network_mode"])
    if "ipc" in service:
        service["ipc"] = other(service["ipc"])
    if "pid" in service:
        service["pid"] = other(service["pid"])
    if "uts" in service:
        service["uts"] = other(service["uts"])


def _link(service: Service, outer: list[tuple[str, str]], names: Mapping[str, str]) -> None:
    """Links to containers of this project become links to its services."""
    service["external_links"] = [link for name, link in outer if name not in names]
    service["links"] = [
        *service.get("links", ()),
        *(f"{names[name]}:{link.partition(':')[2] or name}" for name, link in outer if name in names),
    ]
    if not service["external_links"]:
        del service["external_links"]
    if not service["links"]:
        del service["links"]


def _donor(item: str, names: Mapping[str, str]) -> str:
    kind, _, rest = item.partition(":")
    name, colon, mode = rest.partition(":")
    return f"{names[name]}{colon}{mode}" if kind == "container" and name in names else item


def _endpoint(settings: ServiceNetwork, alias: str | None, loose: bool) -> ServiceNetwork | None:
    kept: ServiceNetwork = {**settings}
    if loose:
        kept.pop("ipv4_address", None)
        kept.pop("ipv6_address", None)
    if alias:
        kept["aliases"] = [*kept.get("aliases", ()), alias]
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
