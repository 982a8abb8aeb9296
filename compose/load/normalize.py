"""What a whole project implies but no file says: the default network, names of resources, build defaults, environment
values taken from the shell, dependencies that links and shared namespaces mean.

Works on a canonical tree, in place; reads no files. See the Compose Specification under each attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import shortforms
from .tree import Map, Place, Seq, list_at, map_at, maps_in, places_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tree import Node

_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")


def resolve_environment(tree: Map, environment: Mapping[str, str]) -> None:
    """Give bare names in ``environment`` lists their value, and configs read from a variable their content."""
    for _, service in maps_in(tree, "services"):
        listed = list_at(service, "environment")
        if listed is None:
            continue
        out = Seq()
        for item, place in zip(listed, places_of(listed), strict=True):
            if isinstance(item, str):
                found = environment.get(item)
                out.add(item if found is None else f"{item}={found}", place)
        service["environment"] = out
    for _, config in maps_in(tree, "configs"):
        variable = config.get("environment")
        if isinstance(variable, str) and variable in environment:
            config["content"] = environment[variable]


def normalize(tree: Map, project: str, environment: Mapping[str, str]) -> None:
    """Fill in what the project implies; ``project`` is its name."""
    tree["name"] = project
    _default_network(tree)
    for _, service in maps_in(tree, "services"):
        _service(service, environment)
    _names(tree, project)


def _default_network(tree: Map) -> None:
    used = False
    for _, service in maps_in(tree, "services"):
        if "network_mode" in service or "provider" in service:
            continue
        own = map_at(service, "networks")
        if not own:
            service["networks"] = Map({"default": None})
            used = True
        elif "default" in own:
            used = True
    networks = map_at(tree, "networks")
    if networks is None:
        networks = Map()
    if used:
        networks.setdefault("default", None)
    if networks:
        tree["networks"] = networks


def _service(service: Map, environment: Mapping[str, str]) -> None:
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = map_at(service, "build")
    if build is not None:
        if build.get("context") is None:
            build["context"] = "."
        if build.get("dockerfile") is None and build.get("dockerfile_inline") is None:
            build["dockerfile"] = "Dockerfile"
        if "args" in build:
            build["args"] = _resolve(build["args"], environment, keep=False)
    if "environment" in service:
        service["environment"] = _resolve(service["environment"], environment, keep=True)
    _implied_dependencies(service)
    for volume in list_at(service, "volumes") or ():
        target = volume.get("target") if isinstance(volume, Map) else None
        if isinstance(volume, Map) and isinstance(target, str):
            volume["target"] = shortforms.clean_target(target) or "."


def _implied_dependencies(service: Map) -> None:
    depends = map_at(service, "depends_on")
    if depends is None:
        depends = Map()

    def add(name: str, restart: bool, place: Place | None) -> None:
        if name not in depends:
            implied: dict[str, Node] = {"condition": "service_started", "restart": restart, "required": True}
            depends.put(name, Map(implied, place), place)

    links = list_at(service, "links") or Seq()
    for link, place in zip(links, places_of(links), strict=True):
        parts = str(link).split(":")
        add(parts[0] if len(parts) == 2 else str(link), True, place)
    for namespace in _NAMESPACES:
        value = service.get(namespace)
        if isinstance(value, str) and value.startswith("service:"):
            add(value.removeprefix("service:"), True, service.places.get(namespace))
    sources = list_at(service, "volumes_from") or Seq()
    for source, place in zip(sources, places_of(sources), strict=True):
        if isinstance(source, str) and not source.startswith("container:"):
            add(source.split(":")[0], False, place)
    if depends:
        service["depends_on"] = depends


def _resolve(value: Node, environment: Mapping[str, str], keep: bool) -> Node:
    if isinstance(value, Seq):
        out = Seq()
        for item, place in zip(value, places_of(value), strict=True):
            if not isinstance(item, str) or "=" in item:
                out.add(item, place)
            elif item in environment:
                out.add(f"{item}={environment[item]}", place)
            elif keep:
                out.add(item, place)
        return out
    if isinstance(value, Map):
        resolved = Map()
        resolved.places = value.places
        for key, item in value.items():
            if item is not None:
                resolved[key] = item
            elif key in environment:
                resolved[key] = environment[key]
            elif keep:
                resolved[key] = None
        return resolved
    return value


def _names(tree: Map, project: str) -> None:
    for section in ("networks", "volumes", "configs", "secrets"):
        resources = map_at(tree, section) or Map()
        for key, value in resources.items():
            resource = value if isinstance(value, Map) else Map()
            if resource.get("name") is None:
                resource["name"] = key if is_true(resource.get("external")) else f"{project}_{key}"
            resources[key] = resource


def is_true(value: object) -> bool:
    return str(value) in ("1", "t", "T", "true", "TRUE", "True")
