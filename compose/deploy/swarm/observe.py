"""What a stack holds: its objects in the form in which `convert` makes them, so that the two can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import EngineError
from ..objects import Found
from .convert import PIN
from .labels import PIN as LABEL
from .labels import SERVICE, STACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...client import Engine

NOUNS = {"service": "services", "network": "networks", "secret": "secrets", "config": "configs"}
VOLUME = "volume"
"""The kind of a volume on one node."""

_MODES = frozenset({"Global", "GlobalJob", "Replicated", "ReplicatedJob"})
_DEFAULTS: dict[str, Any] = {"Isolation": "default", "Runtime": "container"}
"""What a manager fills in; ForceUpdate counts what `restart` did and is no part of the file."""


def require_manager(engine: Engine) -> None:
    """Raise `EngineError` where no swarm can be managed: the Engine API says so with 503 and words for administrators."""
    try:
        engine.swarm.cluster()
    except EngineError as error:
        if error.status in (404, 406, 503):
            words = f"{engine.endpoint.address} is no manager of a swarm: docker swarm init makes one, -H or a context chooses another"
            raise EngineError(words) from None
        raise


def observe(engine: Engine, project: str) -> dict[str, Found]:
    """The stack's objects by key, and the pins of volumes that nodes hold for it."""
    filters = {"label": [f"{STACK}={project}"]}
    networks = engine.networks.list(filters)
    names = {str(one["Id"]): str(one["Name"]) for one in engine.networks.list({"scope": ["swarm"]})}
    found: dict[str, Found] = {}
    for network in networks:
        add(found, Found("network", str(network["Name"]), str(network["Id"]), 0, network_form(network)))
    for kind in ("secret", "config", "service"):
        for one in engine.swarm.list(NOUNS[kind], filters):
            spec = one["Spec"]
            service = str((spec.get("Labels") or {}).get(SERVICE) or spec["Name"]) if kind == "service" else ""
            body = comparable(service_form(spec, names) if kind == "service" else file_form(spec))
            add(found, Found(kind, str(spec["Name"]), str(one["ID"]), int(one["Version"]["Index"]), body, service))
    for held in (*pins(engine, project), *volumes_everywhere(engine, project, found)):
        add(found, held)
    return found


def add(found: dict[str, Found], one: Found) -> None:
    found[one.key] = one


def pins(engine: Engine, project: str) -> Iterator[Found]:
    """Volumes of this project that nodes are labelled with: ``project_…``, or a name that the file gave."""
    for node in engine.swarm.list("nodes"):
        labels: Mapping[str, str] = node["Spec"].get("Labels") or {}
        for key, value in labels.items():
            volume = key.removeprefix(LABEL)
            if key.startswith(LABEL) and value == project:
                yield Found(PIN, volume, str(node["ID"]), int(node["Version"]["Index"]), {"volume": volume}, kept=True)


def volumes_everywhere(engine: Engine, project: str, found: Mapping[str, Found]) -> Iterator[Found]:
    """Volumes of global services, on each node where a task of theirs was: no label of a node tells of them."""
    names = {
        (one.id, str(mount["Source"]))
        for one in found.values()
        if one.kind == "service" and {"Global", "GlobalJob"} & one.body["Mode"].keys()
        for mount in one.body["TaskTemplate"]["ContainerSpec"].get("Mounts", ())
        if mount["Type"] == "volume" and is_own(mount, project)
    }
    if not names:
        return
    hosts = {str(one["ID"]): str(one["Description"]["Hostname"]) for one in engine.swarm.list("nodes")}
    tasks = engine.swarm.list("tasks", {"label": [f"{STACK}={project}"]})
    places = {
        (volume, str(task.get("NodeID") or ""))
        for service, volume in names
        for task in tasks
        if task["ServiceID"] == service
    }
    for volume, node in sorted(places):
        if node in hosts:
            yield Found(VOLUME, f"{volume}@{hosts[node]}", node, 0, {"volume": volume}, kept=True)


def is_own(mount: Mapping[str, Any], project: str) -> bool:
    """Whether a volume is the project's, and its data on the node: options would say that it is elsewhere."""
    options = mount.get("VolumeOptions") or {}
    return (options.get("Labels") or {}).get(STACK) == project and not options.get("DriverConfig")


def network_form(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a network that its file can say, as `convert` writes them."""
    options = {key: value for key, value in (tree.get("Options") or {}).items() if not key.endswith("vxlanid_list")}
    ipam = tree.get("IPAM") or {}
    body = {
        "Name": tree["Name"],
        "Driver": tree.get("Driver"),
        "Scope": tree.get("Scope"),
        "Labels": tree.get("Labels"),
        "Options": options,
        "Internal": tree.get("Internal"),
        "Attachable": tree.get("Attachable"),
        "EnableIPv6": tree.get("EnableIPv6"),
        "IPAM": {"Driver": ipam.get("Driver"), "Config": ipam.get("Config")},
    }
    found: dict[str, Any] = comparable(body)
    return found


def file_form(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A secret or config without its content, which its name stands for."""
    return {key: value for key, value in spec.items() if key != "Data"}


def service_form(spec: Mapping[str, Any], networks: Mapping[str, str]) -> dict[str, Any]:
    """A ServiceSpec with names in place of ids. Old stacks have their networks beside the task's template."""
    template = dict(spec["TaskTemplate"])
    container = dict(template.get("ContainerSpec") or {})
    for key, name in (("Secrets", "SecretID"), ("Configs", "ConfigID")):
        if container.get(key):
            container[key] = [{field: value for field, value in one.items() if field != name} for one in container[key]]
    template["ContainerSpec"] = container
    attached = template.get("Networks") or spec.get("Networks") or []
    template["Networks"] = sorted(
        ({**one, "Target": networks.get(one["Target"], one["Target"])} for one in attached),
        key=lambda one: str(one["Target"]),
    )
    return {**{key: value for key, value in spec.items() if key != "Networks"}, "TaskTemplate": template}


def comparable(value: Any) -> Any:
    """Without what means nothing: empty values, and those that a manager fills in."""
    if isinstance(value, dict):
        cleaned = {
            key: comparable(one) for key, one in value.items() if key != "ForceUpdate" and _DEFAULTS.get(key) != one
        }
        return {
            key: one or "set"  # a mode says what it is by being there
            for key, one in cleaned.items()
            if key in _MODES or one not in (None, "", 0, False, [], {})
        }
    if isinstance(value, (list, tuple)):
        return [comparable(one) for one in value]
    return value


def proposed(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a manager would hold of a wanted object."""
    tree = dict(body)
    if kind in ("secret", "config"):
        tree = file_form(body)
    if kind == "service":
        tree = service_form(body, {})
    found: dict[str, Any] = comparable(tree)
    return found


def aligned(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A network without the addresses that the manager chose by itself, where the file says nothing of them."""
    if "IPAM" not in wanted:
        return {key: value for key, value in found.items() if key != "IPAM"}
    pools = wanted["IPAM"].get("Config") or []
    present = (found.get("IPAM") or {}).get("Config") or []
    kept = [
        {key: value for key, value in one.items() if index >= len(pools) or key in pools[index]}
        for index, one in enumerate(present if pools else [])
    ]
    return {**found, "IPAM": comparable({**(found.get("IPAM") or {}), "Config": kept})}
