"""Services and network policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .meta import Labels, Metadata


class ServicePort(TypedDict, total=False):
    name: str
    port: int
    nodePort: int
    targetPort: int
    protocol: str
    appProtocol: str


class ServiceSpec(TypedDict, total=False):
    type: str
    clusterIP: str
    selector: dict[str, str]
    ports: list[ServicePort]


class Ingress(TypedDict, total=False):
    """Where a load balancer is reached."""

    ip: str
    hostname: str


class LoadBalancer(TypedDict, total=False):
    ingress: list[Ingress]


class ServiceStatus(TypedDict, total=False):
    loadBalancer: LoadBalancer


class Service(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: Metadata
    spec: ServiceSpec
    status: ServiceStatus


class PolicyPort(TypedDict):
    port: int
    protocol: str


class Peer(TypedDict, total=False):
    podSelector: Labels
    namespaceSelector: Labels


Incoming = TypedDict("Incoming", {"from": "list[Peer]", "ports": "list[PolicyPort]"}, total=False)


class Outgoing(TypedDict, total=False):
    to: list[Peer]
    ports: list[PolicyPort]


class PolicySpec(TypedDict, total=False):
    podSelector: Labels
    policyTypes: list[str]
    ingress: list[Incoming]
    egress: list[Outgoing]


class NetworkPolicy(TypedDict):
    apiVersion: str
    kind: str
    metadata: Metadata
    spec: PolicySpec
