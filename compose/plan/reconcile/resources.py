"""Networks and volumes: which to create, which are not what the model says, which must be there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import labels
from ...convert.network import network_body
from ...convert.volume import volume_body
from ...dataclass import dataclass, field
from ...errors import Diagnostic, PlanError
from ...labels import network_name, volume_name
from ..ops import Cause, CreateNetwork, CreateVolume, RemoveNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...client.bodies.networks import Network, Pool
    from ...convert.bodies import IpamPool, NetworkBody
    from ...model import Project
    from ..observe import ObservedNetwork, Snapshot
    from ..ops import Key, Operation

PREDEFINED = frozenset({"bridge", "host", "none"})


@dataclass(slots=True)
class ResourcePlan:
    """``network_keys`` and ``volume_keys`` map model keys to the operation that creates them; ``replaced`` are networks
    that exist with another configuration: their containers must leave before the removal in ``removals``."""

    operations: list[Operation] = field(default_factory=list)
    network_keys: dict[str, Key] = field(default_factory=dict)
    volume_keys: dict[str, Key] = field(default_factory=dict)
    replaced: dict[str, ObservedNetwork] = field(default_factory=dict)
    reasons: dict[str, Cause] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def plan_resources(
    project: Project, names: Sequence[str], snapshot: Snapshot, *, everything: bool = False
) -> ResourcePlan:
    """For the services ``names``, or for ``everything`` that the project declares. Raises `PlanError` for an external resource that does not exist, and for a network
    that is there but nobody's."""
    plan = ResourcePlan()
    for key in project.networks if everything else _used_networks(project, names):
        _network(project, key, snapshot, plan)
    for key in project.volumes if everything else _used_volumes(project, names):
        _volume(project, key, snapshot, plan)
    return plan


def _used_networks(project: Project, names: Iterable[str]) -> list[str]:
    used = {key for name in names for key in project.services[name].get("networks") or ()}
    return [key for key in project.networks if key in used]


def _used_volumes(project: Project, names: Iterable[str]) -> list[str]:
    used = {
        item.get("source")
        for name in names
        for item in project.services[name].get("volumes") or ()
        if (item.get("type") or "volume") == "volume"
    }
    return [key for key in project.volumes if key in used]


def _network(project: Project, key: str, snapshot: Snapshot, plan: ResourcePlan) -> None:
    tree = project.networks[key]
    name = network_name(project, key)
    mark = project.mark("networks", key)
    found = snapshot.networks.get(name)
    if tree.get("external"):
        if found is None and name not in PREDEFINED:
            message = f"network {name} declared as external, but could not be found"
            raise PlanError(str(Diagnostic(message, ("networks", key), mark)))
        return
    if found is None:
        operation = CreateNetwork(network=key, name=name, cause=Cause("network is missing", mark=mark))
        plan.operations.append(operation)
        plan.network_keys[key] = operation.key
        return
    if labels.NETWORK not in found.labels:
        message = f"network {name} was found but has incorrect label {labels.NETWORK}: it was not created by Compose"
        hint = "set `external: true` to use an existing network"
        raise PlanError(str(Diagnostic(message, ("networks", key), mark, hint)))
    if found.labels.get(labels.PROJECT) != project.name:
        plan.warnings.append(
            f'a network with name {name} exists but was not created for project "{project.name}".'
            " Set `external: true` to use an existing network"
        )
        return
    differences = network_differences(network_body(project, key), found.tree)
    if differences:
        cause = Cause(f"network {name} has another configuration ({', '.join(differences)})", mark=mark)
        plan.replaced[key] = found
        plan.reasons[key] = cause
        plan.network_keys[key] = CreateNetwork.key_of(name)


def replace_networks(project: Project, plan: ResourcePlan, leaves: Mapping[str, Sequence[Key]]) -> list[Operation]:
    """Remove and create again the networks in ``plan.replaced``; ``leaves`` are the operations after which nobody uses them."""
    operations: list[Operation] = []
    for key, found in plan.replaced.items():
        remove = RemoveNetwork(id=found.id, name=found.name, cause=plan.reasons[key], needs=tuple(leaves.get(key, ())))
        operations += [
            remove,
            CreateNetwork(network=key, name=network_name(project, key), cause=plan.reasons[key], needs=(remove.key,)),
        ]
    return operations


def network_differences(body: NetworkBody, found: Network) -> list[str]:
    """Attributes in which an existing network contradicts the wanted one. What the model leaves open is no contradiction."""
    differences = []
    if body["Driver"] != (found.get("Driver") or "bridge"):
        differences.append("driver")
    for word, wanted, actual in (
        ("internal", body["Internal"], found.get("Internal")),
        ("attachable", body["Attachable"], found.get("Attachable")),
        ("enable_ipv6", body["EnableIPv6"], found.get("EnableIPv6")),
    ):
        if actual is not None and wanted != actual:
            differences.append(word)
    options = found.get("Options") or {}
    if any(options.get(name) != value for name, value in body["Options"].items()):
        differences.append("driver_opts")
    pools = body["IPAM"]["Config"] if "IPAM" in body else []
    existing = (found.get("IPAM") or {}).get("Config") or []
    if pools and any(not any(_same_pool(pool, other) for other in existing) for pool in pools):
        differences.append("ipam")
    own = {name: value for name, value in body["Labels"].items() if not name.startswith("com.docker.compose.")}
    if any((found.get("Labels") or {}).get(name) != value for name, value in own.items()):
        differences.append("labels")
    return differences


def _same_pool(wanted: IpamPool, found: Pool) -> bool:
    return all(found.get(name) == value for name, value in wanted.items())


def _volume(project: Project, key: str, snapshot: Snapshot, plan: ResourcePlan) -> None:
    tree = project.volumes[key]
    name = volume_name(project, key)
    mark = project.mark("volumes", key)
    found = snapshot.volumes.get(name)
    if tree.get("external"):
        if found is None:
            raise PlanError(str(Diagnostic(f'external volume "{name}" not found', ("volumes", key), mark)))
        return
    if found is None:
        operation = CreateVolume(volume=key, name=name, cause=Cause("volume is missing", mark=mark))
        plan.operations.append(operation)
        plan.volume_keys[key] = operation.key
        return
    owner = found.labels.get(labels.PROJECT)
    if owner is None:
        plan.warnings.append(
            f'volume "{name}" already exists but was not created by Docker Compose. Use `external: true` to use an existing volume'
        )
    elif owner != project.name:
        plan.warnings.append(
            f'volume "{name}" already exists but was created for project "{owner}" (expected "{project.name}").'
            " Use `external: true` to use an existing volume"
        )
    else:
        body = volume_body(project, key)
        if body["Driver"] != found.driver or any(
            found.options.get(one) != value for one, value in body["DriverOpts"].items()
        ):
            plan.warnings.append(
                f'volume "{name}" exists with another driver or options than {mark or "the model"} says; it keeps its data and stays'
                " as it is (remove it yourself to have it made anew)"
            )
