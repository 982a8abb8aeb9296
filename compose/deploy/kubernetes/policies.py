"""Networks as policies: who shares a network reaches each other, published ports are open, and an internal network leads nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..objects import Wanted
from .names import checked_annotations, dns_name, own_labels, selector
from .pod import network_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...errors import Path
    from ...model import Project
    from ..findings import Findings
    from .bodies import network as bodies
    from .bodies.meta import Labels, Metadata
    from .facts import Facts

_RESOLVER: list[bodies.PolicyPort] = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def policies(project: Project, facts: Facts, findings: Findings) -> list[Wanted]:
    used = {key for tree in project.services.values() for key in tree.get("networks") or ()}
    any_internal = any((project.networks.get(key) or {}).get("internal") for key in used)
    found = [
        _network(project, facts, key, findings, any_internal=any_internal) for key in project.networks if key in used
    ]
    for name, tree in project.services.items():
        ports: list[bodies.PolicyPort] = [
            {"port": port["target"], "protocol": (port.get("protocol") or "tcp").upper()}
            for port in tree.get("ports") or ()
        ]
        if ports and tree.get("networks"):
            spec: bodies.PolicySpec = {
                "podSelector": {"matchLabels": selector(project.name, name)},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": ports}],
            }
            found.append(_policy(project, facts, f"published-{dns_name(name)}", spec, ("services", name, "ports")))
    return found


def _network(project: Project, facts: Facts, key: str, findings: Findings, *, any_internal: bool) -> Wanted:
    members: Labels = {"matchLabels": {network_label(project, key): "member"}}
    peer: bodies.Peer = {"podSelector": members}
    tree = project.networks.get(key) or {}
    if tree.get("external"):
        peer["namespaceSelector"] = {}  # other projects' pods are in it as well
    spec: bodies.PolicySpec = {"podSelector": members, "policyTypes": ["Ingress"], "ingress": [{"from": [peer]}]}
    if any_internal:
        # As soon as one policy speaks of what goes out, all have to: without a word a pod of two networks would lose the other.
        spec["policyTypes"] = ["Ingress", "Egress"]
        spec["egress"] = [{"to": [peer]}, {"ports": _RESOLVER}] if tree.get("internal") else [{}]
    notes = checked_annotations(tree.get("labels"), ("networks", key, "labels"), findings)
    return _policy(project, facts, f"network-{dns_name(key)}", spec, ("networks", key), notes)


def _policy(
    project: Project,
    facts: Facts,
    name: str,
    spec: bodies.PolicySpec,
    path: Path,
    notes: Mapping[str, str] | None = None,
) -> Wanted:
    metadata: Metadata = {
        "name": name[:63],
        "namespace": facts.namespace,
        "labels": own_labels(project.name, facts.namespace),
    }
    if notes:
        metadata["annotations"] = dict(notes)
    body: bodies.NetworkPolicy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": spec,
    }
    return Wanted("NetworkPolicy", name[:63], body, path)
