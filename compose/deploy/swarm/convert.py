"""A project as the objects of a stack: networks, secrets, configs, services, and where volumes are pinned. Pure but for files."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from ...labels import network_name
from ...plan.graph import HEALTHY, STARTED, dependencies
from ..jobs import JOB_MODES, awaited, mode
from ..naming import contents
from ..objects import COMPLETED, READY, Wanted
from .facts import Facts
from .labels import KEY, STACK
from .mounts import pinned_volumes
from .service import service_name, service_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...client.bodies.networks import Network as NetworkBody
    from ...client.bodies.networks import Pool
    from ...client.bodies.swarm import FileSpec, ServiceSpec
    from ...model import Project
    from ...model.resources import IpamPool
    from ..findings import Findings
    from ..naming import Content

LARGEST_SECRET, LARGEST_CONFIG = 500 << 10, 1000 << 10
LONGEST = 64
PIN = "pin"
"""The kind of what is no object: a volume's label on a node."""


def convert(
    project: Project, images: Mapping[str, str], findings: Findings, *, allow_binds: bool = False
) -> list[Wanted]:
    """Every object of the stack, each with what it needs. ``images`` are references by service."""
    objects: list[Wanted] = []
    names: dict[str, dict[str, str]] = {}
    for noun, largest in (("secrets", LARGEST_SECRET), ("configs", LARGEST_CONFIG)):
        names[noun] = _external(project, noun)
        for key, content in contents(project, noun, largest).items():
            wanted = _file(project, content)
            names[noun][key] = wanted.name
            objects.append(wanted)
    objects += [_network(project, key, findings) for key in _used_networks(project)]
    jobs = frozenset(
        name for name, tree in project.services.items() if name in awaited(project) or mode(tree) in JOB_MODES
    )
    facts = Facts(images, names["secrets"], names["configs"], jobs, allow_binds)
    pins = {volume for name in project.services for volume in pinned_volumes(project, name)}
    objects += [Wanted(PIN, volume, {"volume": volume}, ("volumes",)) for volume in sorted(pins)]
    for name in project.services:
        spec = service_spec(project, name, facts, findings)
        needs = _needs(project, name, spec)
        wait = COMPLETED if name in jobs else READY
        objects.append(
            Wanted("service", service_name(project, name), spec, ("services", name), name, wait, tuple(needs))
        )
    return objects


def spec_of(wanted: Wanted) -> ServiceSpec:
    """What is wanted of a service, as `service_spec` has made it."""
    return cast("ServiceSpec", wanted.body)


def gates(project: Project, name: str) -> list[tuple[str, str, bool]]:
    """What ``name`` waits for before it is made: the name of another's object, until ready or completed (or only made), whether required."""
    words = {STARTED: "", HEALTHY: READY}
    return [
        (service_name(project, other), words.get(one.condition, COMPLETED), one.required)
        for other, one in dependencies(project.services[name]).items()
        if other in project.services
    ]


def _needs(project: Project, name: str, spec: ServiceSpec) -> list[str]:
    container = spec["TaskTemplate"]["ContainerSpec"]
    needs = [f"network {one['Target']}" for one in spec["TaskTemplate"].get("Networks") or ()]
    needs += [f"secret {one['SecretName']}" for one in container.get("Secrets") or ()]
    needs += [f"config {one['ConfigName']}" for one in container.get("Configs") or ()]
    needs += [f"{PIN} {volume}" for volume in pinned_volumes(project, name)]
    return needs


def _external(project: Project, noun: str) -> dict[str, str]:
    section = project.secrets if noun == "secrets" else project.configs
    return {key: str(tree.get("name") or key) for key, tree in section.items() if (tree or {}).get("external")}


def _file(project: Project, content: Content) -> Wanted:
    section = project.secrets if content.noun == "secrets" else project.configs
    tree = section.get(content.key) or {}
    base = str(tree.get("name") or f"{project.name}_{content.key}")
    body: FileSpec = {
        "Name": content.name(base, LONGEST),
        "Labels": {**(tree.get("labels") or {}), STACK: project.name, KEY: content.key},
        "Data": base64.b64encode(content.data).decode(),
    }
    if tree.get("template_driver"):
        body["Templating"] = {"Name": str(tree["template_driver"])}
    return Wanted(content.noun.removesuffix("s"), body["Name"], body, (content.noun, content.key))


def _used_networks(project: Project) -> list[str]:
    used = {key for tree in project.services.values() for key in tree.get("networks") or ()}
    return [key for key in project.networks if key in used and not (project.networks[key] or {}).get("external")]


def _pool(tree: IpamPool) -> Pool:
    body: Pool = {}
    if tree.get("subnet"):
        body["Subnet"] = tree["subnet"]
    if tree.get("ip_range"):
        body["IPRange"] = tree["ip_range"]
    if tree.get("gateway"):
        body["Gateway"] = tree["gateway"]
    return body


def _network(project: Project, key: str, findings: Findings) -> Wanted:
    tree = project.networks[key] or {}
    body: NetworkBody = {
        "Name": network_name(project, key),
        "Driver": str(tree.get("driver") or "overlay"),
        "Scope": "swarm",
        "Labels": {**(tree.get("labels") or {}), STACK: project.name},
    }
    if body["Driver"] == "bridge":
        body["Driver"] = "overlay"
        findings.ignore(("networks", key, "driver"), "a bridge ends at one machine: the network is an overlay")
    if options := tree.get("driver_opts"):
        body["Options"] = dict(options)
    if tree.get("internal"):
        body["Internal"] = True
    if tree.get("attachable"):
        body["Attachable"] = True
    if tree.get("enable_ipv6"):
        body["EnableIPv6"] = True
    ipam = tree.get("ipam") or {}
    if ipam:
        pools = [_pool(one) for one in ipam.get("config") or ()]
        body["IPAM"] = {"Driver": str(ipam.get("driver") or "default"), "Config": pools}
    return Wanted("network", body["Name"], body, ("networks", key))
