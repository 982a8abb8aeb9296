"""What a stack holds: its objects in the form in which `convert` makes them, so that the two can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ...errors import EngineError
from ..objects import Found
from .convert import PIN, spec_of
from .labels import PIN as LABEL
from .labels import SERVICE, STACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...client import Engine
    from ...client.bodies import swarm as bodies
    from ...client.bodies.networks import Ipam, Network
    from ..objects import Wanted

NOUNS = {"service": "services", "network": "networks", "secret": "secrets", "config": "configs"}
VOLUME = "volume"
"""The kind of a volume on one node."""

_MODES = frozenset({"Global", "GlobalJob", "Replicated", "ReplicatedJob"})
_DEFAULTS: dict[str, str] = {"Isolation": "default", "Runtime": "container"}
"""What a manager fills in."""

_NOT_COMPARED = frozenset({"CreateMountpoint", "ForceUpdate"})
"""What a manager forgets (dockerd 28 gives a bind mount back without the first), and the count of what `restart` did."""


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
    names = {one["Id"]: one["Name"] for one in engine.networks.list({"scope": ["swarm"]})}
    services = engine.swarm.services(filters)
    found = [Found("network", one["Name"], one["Id"], 0, network_form(one)) for one in networks]
    for kind in ("secret", "config"):
        found += [
            Found(kind, one["Spec"]["Name"], one["ID"], one["Version"]["Index"], comparable(file_form(one["Spec"])))
            for one in engine.swarm.files(NOUNS[kind], filters)
        ]
    for service in services:
        spec = service["Spec"]
        name = (spec.get("Labels") or {}).get(SERVICE) or spec["Name"]
        body = comparable(service_form(spec, names))
        found.append(Found("service", spec["Name"], service["ID"], service["Version"]["Index"], body, name))
    found += [*pins(engine, project), *volumes_everywhere(engine, project, services)]
    return {one.key: one for one in found}


def pins(engine: Engine, project: str) -> Iterator[Found]:
    """Volumes of this project that nodes are labelled with: ``project_…``, or a name that the file gave."""
    for node in engine.swarm.nodes():
        for key, value in (node["Spec"].get("Labels") or {}).items():
            volume = key.removeprefix(LABEL)
            if key.startswith(LABEL) and value == project:
                yield Found(PIN, volume, node["ID"], node["Version"]["Index"], {"volume": volume}, kept=True)


def volumes_everywhere(engine: Engine, project: str, services: Sequence[bodies.Service]) -> Iterator[Found]:
    """Volumes that are not pinned, on each node where a task that uses them was: no label of a node tells of them."""
    names = {
        (one["ID"], mount["Source"])
        for one in services
        for mount in one["Spec"]["TaskTemplate"]["ContainerSpec"].get("Mounts") or ()
        if mount["Type"] == "volume" and is_own(mount, project)
        if has_options(mount) or {"Global", "GlobalJob"} & one["Spec"]["Mode"].keys()
    }
    if not names:
        return
    hosts = {one["ID"]: one["Description"]["Hostname"] for one in engine.swarm.nodes()}
    tasks = engine.swarm.tasks({"label": [f"{STACK}={project}"]})
    places = {
        (volume, task.get("NodeID") or "")
        for service, volume in names
        for task in tasks
        if task["ServiceID"] == service
    }
    for volume, node in sorted(places):
        if node in hosts:
            yield Found(VOLUME, f"{volume}@{hosts[node]}", node, 0, {"volume": volume}, kept=True)


def is_own(mount: bodies.Mount, project: str) -> bool:
    return ((mount.get("VolumeOptions") or {}).get("Labels") or {}).get(STACK) == project


def has_options(mount: bodies.Mount) -> bool:
    """Whether the volume says where its data is: then there is one of its name on each node that has used it."""
    driver = (mount.get("VolumeOptions") or {}).get("DriverConfig") or {}
    return bool(driver.get("Options")) or driver.get("Name", "local") != "local"


def volumes_at(engine: Engine, project: str, node: bodies.Node) -> Iterator[Found]:
    """Volumes that a node's own engine has of the project: what is left when the services have gone already."""
    host = node["Description"]["Hostname"]
    for one in engine.volumes.list({"label": [f"{STACK}={project}"]}):
        yield Found(VOLUME, f"{one['Name']}@{host}", node["ID"], 0, {"volume": one["Name"]}, kept=True)


def network_form(tree: Network) -> dict[str, object]:
    """The fields of a network that its file can say, as `convert` writes them."""
    options = {key: value for key, value in (tree.get("Options") or {}).items() if not key.endswith("vxlanid_list")}
    ipam = tree.get("IPAM", {})
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
    return comparable(body)


def file_form(spec: Mapping[str, object]) -> dict[str, object]:
    """A secret or config without its content, which its name stands for."""
    return {key: value for key, value in spec.items() if key != "Data"}


def service_form(spec: bodies.ServiceSpec, networks: Mapping[str, str]) -> bodies.ServiceSpec:
    """A ServiceSpec with names in place of ids. Old stacks have their networks beside the task's template."""
    template = spec["TaskTemplate"].copy()
    container = template.get("ContainerSpec", {}).copy()
    if uses := container.get("Secrets"):
        container["Secrets"] = [_by_name(one) for one in uses]
    if uses := container.get("Configs"):
        container["Configs"] = [_by_name(one) for one in uses]
    template["ContainerSpec"] = container
    attached = template.get("Networks") or spec.get("Networks") or []
    template["Networks"] = sorted(
        ({**one, "Target": networks.get(one["Target"], one["Target"])} for one in attached),
        key=lambda one: one["Target"],
    )
    form = spec.copy()
    form.pop("Networks", None)
    form["TaskTemplate"] = template
    return form


def _by_name(use: bodies.FileUse) -> bodies.FileUse:
    found = use.copy()
    found.pop("SecretID", None)
    found.pop("ConfigID", None)
    return found


def comparable(tree: Mapping[str, object]) -> dict[str, object]:
    """Without what means nothing: empty values, and those that a manager fills in."""
    cleaned = {
        key: _comparable(one) for key, one in tree.items() if key not in _NOT_COMPARED and _DEFAULTS.get(key) != one
    }
    return {
        key: one or "set"  # a mode says what it is by being there
        for key, one in cleaned.items()
        if key in _MODES or one not in (None, "", 0, False, [], {})
    }


def _comparable(value: object) -> object:
    if isinstance(value, dict):
        return comparable(value)
    if isinstance(value, (list, tuple)):
        return [_comparable(one) for one in value]
    return value


def proposed(wanted: Wanted) -> dict[str, object]:
    """What a manager would hold of a wanted object."""
    if wanted.kind in ("secret", "config"):
        return comparable(file_form(wanted.body))
    if wanted.kind == "service":
        return comparable(service_form(spec_of(wanted), {}))
    return comparable(wanted.body)


def aligned(found: Mapping[str, object], wanted: Mapping[str, object]) -> dict[str, object]:
    """A network without the addresses that the manager chose by itself, where the file says nothing of them."""
    if "IPAM" not in wanted:
        return {key: value for key, value in found.items() if key != "IPAM"}
    there = cast("Ipam", found.get("IPAM") or {})
    pools = cast("Ipam", wanted["IPAM"]).get("Config") or []
    kept = [
        {key: value for key, value in one.items() if index >= len(pools) or key in pools[index]}
        for index, one in enumerate((there.get("Config") or []) if pools else [])
    ]
    return {**found, "IPAM": comparable({**there, "Config": kept})}
