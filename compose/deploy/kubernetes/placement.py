"""Where pods may run: ``deploy.placement`` and ``platform`` as affinity, spreading and selectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..platforms import check_variant
from .names import selector

if TYPE_CHECKING:
    from ...errors import Path
    from ...model import Project
    from ...model.service import Service
    from ..findings import Findings
    from .bodies import pods
    from .bodies.meta import Labels

_CONSTRAINT = re.compile(r"\s*([\w.\-/]+)\s*(==|!=)\s*(.+?)\s*")
_KEYS = {
    "node.hostname": "kubernetes.io/hostname",
    "node.platform.os": "kubernetes.io/os",
    "node.platform.arch": "kubernetes.io/arch",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ROLE = "node-role.kubernetes.io/control-plane"


def placement(project: Project, name: str, findings: Findings) -> pods.Placement:
    """The fields of a pod's spec."""
    tree = project.services[name]
    declared = (tree.get("deploy") or {}).get("placement") or {}
    path = ("services", name, "deploy", "placement")
    wanted: list[pods.Expression] = []
    for index, text in enumerate(declared.get("constraints") or ()):
        found = _expression(text)
        if found is None:
            findings.refuse((*path, "constraints", index), f"no label of a node stands for {text}")
        else:
            wanted.append(found)
    body: pods.Placement = {}
    affinity: pods.Affinity = {}
    if wanted:
        terms: list[pods.Term] = [{"matchExpressions": wanted}]
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    most = declared.get("max_replicas_per_node")
    match: Labels = {"matchLabels": selector(project.name, name)}
    if most == 1:
        term: pods.PodTerm = {"labelSelector": match, "topologyKey": "kubernetes.io/hostname"}
        affinity["podAntiAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    elif most:
        findings.refuse(
            (*path, "max_replicas_per_node"),
            "Kubernetes can keep pods of a service apart, and has no other number than 1",
        )
    if affinity:
        body["affinity"] = affinity
    spreads: list[pods.Spread] = []
    for index, one in enumerate(declared.get("preferences") or ()):
        key = _key(one.get("spread") or "")
        if key is None:
            findings.refuse((*path, "preferences", index), f"no label of a node stands for {one.get('spread')}")
            continue
        spreads.append(
            {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": match}
        )
    if spreads:
        body["topologySpreadConstraints"] = spreads
    if tree.get("platform"):
        system, _, rest = tree["platform"].partition("/")
        chosen = {"kubernetes.io/os": system}
        if rest:
            chosen["kubernetes.io/arch"] = rest.partition("/")[0]
        body["nodeSelector"] = chosen
        check_variant(name, tree["platform"], findings)
    return body


def _expression(text: str) -> pods.Expression | None:
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        return None
    name, sign, value = match.groups()
    if name == "node.role":
        is_there = (value == "manager") == (sign == "==")
        return {"key": ROLE, "operator": "Exists" if is_there else "DoesNotExist"}
    key = _key(name)
    if key is None:
        return None
    if name == "node.platform.arch":
        value = _ARCHITECTURES.get(value, value)
    return {"key": key, "operator": "In" if sign == "==" else "NotIn", "values": [value]}


def _key(name: str) -> str | None:
    """The label of a node that a word of Swarm's stands for."""
    for start in ("node.labels.", "engine.labels."):
        if name.startswith(start):
            return name.removeprefix(start)
    return _KEYS.get(name)


def gpus(service: Service, path: Path, findings: Findings) -> dict[str, str]:
    """``gpus`` and device reservations as extended resources."""
    reserved = (((service.get("deploy") or {}).get("resources") or {}).get("reservations") or {}).get("devices") or []
    found: dict[str, str] = {}
    for item in [*(service.get("gpus") or []), *reserved]:
        driver = item.get("driver") or "nvidia"
        names = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "intel": "gpu.intel.com/i915"}
        if driver not in names:
            findings.refuse(path, f"no extended resource is known for devices of driver {driver}")
            continue
        count = item.get("count")
        if count == -1:
            findings.refuse(path, "a pod is given a number of GPUs, not all of a node's", "write count: N")
            continue
        found[names[driver]] = str(count or 1)
    return found
