"""Networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .containers import Labels


class Pool(TypedDict, total=False):
    """One subnet of a network."""

    Subnet: str
    IPRange: str
    Gateway: str
    AuxiliaryAddresses: dict[str, str] | None


class Ipam(TypedDict, total=False):
    Driver: str
    Options: dict[str, str] | None
    Config: list[Pool] | None


class Member(TypedDict, total=False):
    Name: str
    EndpointID: str
    MacAddress: str
    IPv4Address: str
    IPv6Address: str


class Network(TypedDict, total=False):
    """GET /networks/{id}, and one element of GET /networks. ``Created`` is RFC 3339."""

    Id: str
    Name: str
    Created: str
    Scope: str
    Driver: str
    EnableIPv4: bool
    EnableIPv6: bool
    Internal: bool
    Attachable: bool
    Ingress: bool
    ConfigOnly: bool
    IPAM: Ipam
    Options: dict[str, str] | None
    Labels: Labels | None
    Containers: dict[str, Member] | None
