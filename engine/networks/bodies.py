"""Networks and endpoints as the Engine API writes them, in types; only type checkers import this."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class EndpointIpam(TypedDict, total=False):
    """Addresses that a client asked for."""

    IPv4Address: str
    IPv6Address: str
    LinkLocalIPs: list[str]


class EndpointSettings(TypedDict, total=False):
    """Docker's EndpointSettings: what a client asks for, and what inspect shows. ``IPPrefixLen`` is in bits."""

    Aliases: list[str] | None
    Links: list[str] | None
    MacAddress: str
    DriverOpts: dict[str, str] | None
    GwPriority: int
    IPAMConfig: EndpointIpam | None
    NetworkID: str
    EndpointID: str
    DNSNames: list[str] | None
    Gateway: str
    IPAddress: str
    IPPrefixLen: int
    IPv6Gateway: str
    GlobalIPv6Address: str
    GlobalIPv6PrefixLen: int


class HostPort(TypedDict, total=False):
    """One binding of a published port: an address of the host, "" for all, and a port or range, "" for any."""

    HostIp: str
    HostPort: str


class Requested(TypedDict, total=False):
    """What is kept of an endpoint's request, to be shown again."""

    IPAMConfig: EndpointIpam | None
    MacAddress: str


class PoolConfig(TypedDict, total=False):
    """One of ``IPAM.Config``. ``AuxAddress`` is an older name of ``AuxiliaryAddresses``."""

    Subnet: str
    IPRange: str
    Gateway: str
    AuxiliaryAddresses: dict[str, str]
    AuxAddress: dict[str, str]


class Ipam(TypedDict):
    Driver: str
    Options: dict[str, str] | None
    Config: list[PoolConfig]


class AttachedContainer(TypedDict):
    """Addresses with their prefix lengths, "" for none."""

    Name: str
    EndpointID: str
    MacAddress: str
    IPv4Address: str
    IPv6Address: str


class Occupancy(TypedDict):
    """Addresses of a subnet."""

    IPsInUse: int
    DynamicIPsAvailable: int


class IpamStatus(TypedDict):
    Subnets: dict[str, Occupancy]


class NetworkStatus(TypedDict):
    IPAM: IpamStatus


class ConfigReference(TypedDict):
    Network: str


class NetworkInspect(TypedDict):
    """Docker's Network resource. ``Created`` is RFC 3339 text."""

    Name: str
    Id: str
    Created: str
    Scope: str
    Driver: str
    EnableIPv4: bool
    EnableIPv6: bool
    IPAM: Ipam
    Internal: bool
    Attachable: bool
    Ingress: bool
    ConfigFrom: ConfigReference
    ConfigOnly: bool
    Containers: dict[str, AttachedContainer]
    Options: dict[str, str]
    Labels: dict[str, str]
    Status: NotRequired[NetworkStatus]


class IpamRequest(TypedDict, total=False):
    Driver: str
    Options: dict[str, str]
    Config: list[PoolConfig]


class NetworkCreate(TypedDict, total=False):
    """A NetworkCreate body whose JSON types have been checked (definition.py)."""

    Name: str
    CheckDuplicate: bool
    Driver: str
    Scope: str
    EnableIPv4: bool
    EnableIPv6: bool
    IPAM: IpamRequest
    Internal: bool
    Attachable: bool
    Ingress: bool
    ConfigOnly: bool
    ConfigFrom: ConfigReference
    Options: dict[str, str]
    Labels: dict[str, str]
