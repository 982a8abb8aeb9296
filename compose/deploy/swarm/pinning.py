"""Which node a new volume is made on. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import PlanError
from .labels import PIN
from .mounts import pinned_volumes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...client.bodies.swarm import Node
    from ...model import Project

_CONSTRAINT = re.compile(r"\s*([\w.\-]+)\s*(==|!=)\s*(.+?)\s*")


def choose_node(project: Project, volume: str, nodes: Sequence[Node], found: Mapping[str, str]) -> str:
    """The id of the node for ``volume``: that of the volumes which the same services use (``found``: volume -> node id), else the
    first by name that is ready and that its services' own constraints allow. Raises `PlanError`."""
    group = _group(project, volume)
    for other in sorted(group):
        if other in found:
            return found[other]
    constraints = [
        str(one)
        for name, tree in project.services.items()
        if set(pinned_volumes(project, name)) & group
        for one in ((tree.get("deploy") or {}).get("placement") or {}).get("constraints") or ()
    ]
    fitting = [node for node in nodes if _is_usable(node) and all(_allows(one, node) for one in constraints)]
    if not fitting:
        raise PlanError(
            f"no node that is ready and active fits the constraints of the services that use volume {volume}"
        )
    return str(min(fitting, key=lambda node: str(node["Description"]["Hostname"]))["ID"])


def _group(project: Project, volume: str) -> set[str]:
    """The volumes that must be on one node: those that one service uses are joined."""
    group = {volume}
    together = [set(pinned_volumes(project, name)) for name in project.services]
    grown = True
    while grown:
        grown = False
        for one in together:
            if one & group and not one <= group:
                group |= one
                grown = True
    return group


def _is_usable(node: Node) -> bool:
    return bool(node["Status"]["State"] == "ready" and node["Spec"]["Availability"] == "active")


def _allows(constraint: str, node: Node) -> bool:
    """Whether a node meets ``node.hostname == n1`` and the like; what is not known here is left to the scheduler."""
    match = _CONSTRAINT.fullmatch(constraint)
    if match is None:
        return True
    key, sign, value = match.groups()
    labels = node["Spec"].get("Labels") or {}
    engine_labels = node["Description"].get("Engine", {}).get("Labels") or {}
    platform = node["Description"].get("Platform", {})
    known = {
        "node.id": node["ID"],
        "node.hostname": node["Description"]["Hostname"],
        "node.role": node["Spec"]["Role"],
        "node.platform.os": platform.get("OS"),
        "node.platform.arch": platform.get("Architecture"),
    }
    if key.startswith("node.labels."):
        actual = labels.get(key.removeprefix("node.labels."))
    elif key.startswith("engine.labels."):
        actual = engine_labels.get(key.removeprefix("engine.labels."))
    elif key in known:
        actual = known[key]
    else:
        return True
    return (str(actual or "").lower() == value.lower()) == (sign == "==")


def pinned_to(nodes: Sequence[Node], project: str) -> dict[str, str]:
    """Volume -> id of the node that is labelled with it."""
    return {
        key.removeprefix(PIN): str(node["ID"])
        for node in nodes
        for key, value in (node["Spec"].get("Labels") or {}).items()
        if key.startswith(PIN) and value == project
    }
