"""What a whole project implies but no file says: the default network, names of resources, build defaults, environment
values taken from the shell, dependencies that links and shared namespaces mean.

Works on a canonical tree, in place; reads no files. See the Compose Specification under each attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import shortforms
from .merge import as_map
from .tree import Map, Place, Seq, places_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")


def resolve_environment(tree: Map, environment: Mapping[str, str]) -> None:
    """Give bare names in ``environment`` lists their value, and configs read from a variable their content."""
    services = tree.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        listed = service.get("environment") if isinstance(service, dict) else None
        if not isinstance(listed, list):
            continue
        out = Seq()
        for item, place in zip(listed, places_of(listed), strict=True):
            if isinstance(item, str):
                found = environment.get(item)
                out.add(item if found is None else f"{item}={found}", place)
        service["environment"] = out
    configs = tree.get("configs")
    for config in configs.values() if isinstance(configs, dict) else ():
        if isinstance(config, dict) and isinstance(config.get("environment"), str):
            found = environment.get(config["environment"])
            if found is not None:
                config["content"] = found


def normalize(tree: Map, project: str, environment: Mapping[str, str]) -> None:
    """Fill in what the project implies; ``project`` is its name."""
    tree["name"] = project
    _default_network(tree)
    services = tree.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        _service(service, environment)
    _names(tree, project)


def _default_network(tree: Map) -> None:
    used = False
    services = tree.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        if "network_mode" in service or "provider" in service:
            continue
        networks = service.get("networks")
        if not networks:
            service["networks"] = Map({"default": None})
            used = True
        elif "default" in networks:
            used = True
    networks = tree.get("networks")
    if not isinstance(networks, dict):
        networks = Map()
    if used:
        networks.setdefault("default", None)
    if networks:
        tree["networks"] = networks


def _service(service: Map, environment: Mapping[str, str]) -> None:
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = service.get("build")
    if isinstance(build, dict):
        if build.get("context") is None:
            build["context"] = "."
        if build.get("dockerfile") is None and build.get("dockerfile_inline") is None:
            build["dockerfile"] = "Dockerfile"
        if "args" in build:
            build["args"] = _resolve(build["args"], environment, keep=False)
    if "environment" in service:
        service["environment"] = _resolve(service["environment"], environment, keep=True)
    _implied_dependencies(service)
    for volume in service.get("volumes") or ():
        if isinstance(volume, dict) and isinstance(volume.get("target"), str):
            volume["target"] = shortforms.clean_target(volume["target"]) or "."


def _implied_dependencies(service: Map) -> None:
    depends = service.get("depends_on")
    depends = depends if isinstance(depends, Map) else Map()

    def add(name: str, restart: bool, place: Place | None) -> None:
        if name not in depends:
            depends.put(name, Map({"condition": "service_started", "restart": restart, "required": True}, place), place)

    links = service.get("links") or Seq()
    for link, place in zip(links, places_of(links), strict=True):
        parts = str(link).split(":")
        add(parts[0] if len(parts) == 2 else str(link), True, place)
    for namespace in _NAMESPACES:
        value = service.get(namespace)
        if isinstance(value, str) and value.startswith("service:"):
            add(value.removeprefix("service:"), True, as_map(service).places.get(namespace))
    sources = service.get("volumes_from") or Seq()
    for source, place in zip(sources, places_of(sources), strict=True):
        if isinstance(source, str) and not source.startswith("container:"):
            add(source.split(":")[0], False, place)
    if depends:
        service["depends_on"] = depends


def _resolve(value: Any, environment: Mapping[str, str], keep: bool) -> Any:
    if isinstance(value, list):
        out = Seq()
        for item, place in zip(value, places_of(value), strict=True):
            if not isinstance(item, str) or "=" in item:
                out.add(item, place)
            elif item in environment:
                out.add(f"{item}={environment[item]}", place)
            elif keep:
                out.add(item, place)
        return out
    if isinstance(value, dict):
        resolved = Map()
        resolved.places = as_map(value).places
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
        resources = tree.get(section)
        if not isinstance(resources, dict):
            continue
        for key, value in resources.items():
            resource = value if isinstance(value, Map) else Map()
            if resource.get("name") is None:
                resource["name"] = key if is_true(resource.get("external")) else f"{project}_{key}"
            resources[key] = resource


def is_true(value: Any) -> bool:
    return str(value) in ("1", "t", "T", "true", "TRUE", "True")
