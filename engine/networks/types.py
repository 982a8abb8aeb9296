"""The values that engine/networks takes and returns, in the Docker Engine API's vocabulary.

Pure data: no netlink, no files, no decisions beyond turning a Docker request body into values and back into records.
Addresses are strings in their canonical text form; ``prefix`` and ``mtu`` are integers; times are RFC 3339 text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, cast

from .. import documents
from ..errors import InvalidParameter
from ..shapes import Field, checked, members, objects, strings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .bodies import EndpointIpam, EndpointSettings, HostPort, PoolConfig, Requested

BRIDGE_NAME = "com.docker.network.bridge.name"
BRIDGE_ICC = "com.docker.network.bridge.enable_icc"
BRIDGE_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
BRIDGE_HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
DRIVER_MTU = "com.docker.network.driver.mtu"
CONTAINER_PREFIX = "com.docker.network.container_iface_prefix"
ENDPOINT_IFNAME = "com.docker.network.endpoint.ifname"
ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls"


def is_true(text: str) -> bool:
    """A boolean driver option as Docker reads it."""
    return text.strip().lower() in ("1", "t", "true")


@dataclass(frozen=True, slots=True)
class ContainerRef:
    """Who an endpoint belongs to. ``name`` has no leading slash; ``id`` is 64 hex digits."""

    id: str
    name: str
    hostname: str = ""
    domainname: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """One entry of ``IPAM.Config``. Empty strings mean "not given"."""

    subnet: str
    ip_range: str = ""
    gateway: str = ""
    aux_addresses: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def from_docker(body: PoolConfig) -> Pool:
        return Pool(
            subnet=body.get("Subnet") or "",
            ip_range=body.get("IPRange") or "",
            gateway=body.get("Gateway") or "",
            aux_addresses=dict(body.get("AuxiliaryAddresses") or body.get("AuxAddress") or {}),
        )

    def to_docker(self) -> PoolConfig:
        config: PoolConfig = {"Subnet": self.subnet}
        if self.ip_range:
            config["IPRange"] = self.ip_range
        if self.gateway:
            config["Gateway"] = self.gateway
        if self.aux_addresses:
            config["AuxiliaryAddresses"] = dict(self.aux_addresses)
        return config


@dataclass(frozen=True, slots=True)
class Network:
    """A network's record. ``bridge`` is the kernel name of its bridge ("" for drivers that have none); ``adopted`` that
    the bridge was there before us and stays; ``chosen`` that its subnets were our choice and may change while unused.
    ``config_only`` is a template that no container can be on, and ``config_from`` the name of the one that was used."""

    id: str
    name: str
    created: str
    driver: str = "bridge"
    scope: str = "local"
    pools: tuple[Pool, ...] = ()
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    bridge: str = ""
    adopted: bool = False
    chosen: bool = False
    config_only: bool = False
    config_from: str = ""

    @property
    def predefined(self) -> bool:
        return self.name in ("bridge", "host", "none")

    @property
    def user_defined(self) -> bool:
        """Has the embedded DNS: every network except the predefined ones."""
        return not self.predefined

    def pool(self, version: int) -> Pool | None:
        """The pool endpoints get their address of this IP version from; None when the version is not enabled."""
        if not (self.enable_ipv4 if version == 4 else self.enable_ipv6):
            return None
        return next((pool for pool in self.pools if (":" in pool.subnet) == (version == 6)), None)

    @property
    def icc(self) -> bool:
        return is_true(self.options.get(BRIDGE_ICC, "true"))

    @property
    def masquerade(self) -> bool:
        return is_true(self.options.get(BRIDGE_MASQUERADE, "true"))

    def record(self) -> dict[str, object]:
        body: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        body["pools"] = [pool.to_docker() for pool in self.pools]
        return body

    @staticmethod
    def from_record(body: Mapping[str, object]) -> Network:
        """Raises Incomplete."""
        pools = cast("tuple[PoolConfig, ...]", objects(body.get("pools")))  # as `record` has written them
        return documents.build(Network, body, pools=tuple(map(Pool.from_docker, pools)))


_TEXT, _WORDS, _PAIRS, _NUMBER = Field("string", ""), Field("strings"), Field("map"), Field("int", 0)
ENDPOINT: Mapping[str, Field] = {
    "Aliases": _WORDS, "Links": _WORDS, "MacAddress": _TEXT, "DriverOpts": _PAIRS, "GwPriority": _NUMBER,
    "IPAMConfig": Field("object", members={"IPv4Address": _TEXT, "IPv6Address": _TEXT, "LinkLocalIPs": _WORDS}),
    "NetworkID": _TEXT, "EndpointID": _TEXT, "DNSNames": _WORDS, "Gateway": _TEXT, "IPAddress": _TEXT, "IPPrefixLen": _NUMBER,
    "IPv6Gateway": _TEXT, "GlobalIPv6Address": _TEXT, "GlobalIPv6PrefixLen": _NUMBER,
}  # fmt: skip
"""The members of Docker's EndpointSettings."""


def endpoint_settings(body: Mapping[str, object], where: str) -> EndpointSettings:
    """The EndpointSettings at ``where`` of a request. Raises InvalidParameter for a wrong JSON type."""
    return cast("EndpointSettings", checked(ENDPOINT, body, where))


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """One wish to be on a network, from ``NetworkingConfig.EndpointsConfig`` or a network connect body.

    ``network`` is a name, an id or an id prefix. Empty strings mean "choose for me".
    ``priority`` is Compose's connection priority (higher connects first); ``gw_priority`` picks the default route.
    """

    network: str
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()  # "container" or "container:alias"
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    interface_name: str = ""
    priority: int = 0
    gw_priority: int = 0
    driver_opts: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def from_docker(network: str, settings: EndpointSettings | None) -> EndpointRequest:
        """From Docker's EndpointSettings (what the client sent; operational fields are ignored).

        Raises InvalidParameter for a priority that is no number.
        """
        body: EndpointSettings = settings or {}
        ipam: EndpointIpam = body.get("IPAMConfig") or {}
        options = dict(body.get("DriverOpts") or {})
        return EndpointRequest(
            network=network,
            aliases=tuple(body.get("Aliases") or ()),
            links=tuple(body.get("Links") or ()),
            ipv4_address=ipam.get("IPv4Address") or "",
            ipv6_address=ipam.get("IPv6Address") or "",
            link_local_ips=tuple(ipam.get("LinkLocalIPs") or ()),
            mac_address=body.get("MacAddress") or "",
            interface_name=options.get(ENDPOINT_IFNAME, ""),
            priority=_priority(options.get("com.docker.compose.priority") or "0"),
            gw_priority=body.get("GwPriority") or 0,
            driver_opts=options,
        )


def _priority(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise InvalidParameter(f"com.docker.compose.priority: {text!r} is not a number")
    return int(text)


@dataclass(frozen=True, slots=True)
class PortBinding:
    """A published port. ``host_ip`` "" means every address (0.0.0.0 and ::); ``host_port`` 0 means "choose one",
    and ``host_port_end`` > ``host_port`` means "choose the first free one of this range"."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0
    host_port_end: int = 0

    def record(self) -> dict[str, object]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @staticmethod
    def from_record(body: Mapping[str, object]) -> PortBinding:
        """Raises Incomplete."""
        return documents.build(PortBinding, body)

    @staticmethod
    def from_docker(port: str, bindings: Sequence[HostPort] | None) -> tuple[PortBinding, ...]:
        """From one entry of ``HostConfig.PortBindings``: ``"80/tcp": [{"HostIp": "", "HostPort": "8080"}]``.

        Container port ranges are expanded by clients before they reach the API. Raises ValueError for bad text.
        """
        number, _, protocol = port.partition("/")
        result = []
        anywhere: HostPort = {}
        for binding in bindings or (anywhere,):
            low, _, high = (binding.get("HostPort") or "0").partition("-")
            result.append(
                PortBinding(
                    container_port=int(number),
                    protocol=(protocol or "tcp").lower(),
                    host_ip=binding.get("HostIp") or "",
                    host_port=int(low),
                    host_port_end=int(high) if high else 0,
                )
            )
        return tuple(result)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place on one network: what was asked for and what it was given.

    ``ifname`` is the name inside the container ("" for host and none); ``veth`` the peer's name on the host.
    """

    id: str
    network_id: str
    network_name: str
    container: ContainerRef
    driver: str = "bridge"
    ifname: str = ""
    veth: str = ""
    mac_address: str = ""
    ipv4_address: str = ""
    ipv4_prefix: int = 0
    ipv4_gateway: str = ""
    ipv6_address: str = ""
    ipv6_prefix: int = 0
    ipv6_gateway: str = ""
    link_local_ips: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    priority: int = 0
    gw_priority: int = 0
    requested: Requested | None = None  # IPAMConfig and MacAddress as the client gave them
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    position: int = 0  # order of reservation within the engine: containers by arrival, eth0 before eth1
    attached: bool = False  # the kernel has the link (false: reserved only, or the container is stopped)

    def record(self) -> dict[str, object]:
        body: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        body["container"] = {item.name: getattr(self.container, item.name) for item in fields(self.container)}
        return body

    @staticmethod
    def from_record(body: Mapping[str, object]) -> Endpoint:
        """Raises Incomplete."""
        lists = {name: strings(body.get(name)) for name in ("link_local_ips", "aliases", "links", "dns_names")}
        return documents.build(
            Endpoint, body, container=documents.build(ContainerRef, members(body.get("container"))), **lists
        )

    def to_docker(self) -> EndpointSettings:
        """The EndpointSettings of ``NetworkSettings.Networks`` in a container's inspect."""
        return {
            "IPAMConfig": (self.requested or {}).get("IPAMConfig"),
            "Links": list(self.links) or None,
            "Aliases": list(self.aliases) or None,
            "MacAddress": self.mac_address if self.attached else "",
            "DriverOpts": dict(self.driver_opts) or None,
            "GwPriority": self.gw_priority,
            "NetworkID": self.network_id,
            "EndpointID": self.id if self.attached else "",
            "Gateway": self.ipv4_gateway if self.attached else "",
            "IPAddress": self.ipv4_address if self.attached else "",
            "IPPrefixLen": self.ipv4_prefix if self.attached else 0,
            "IPv6Gateway": self.ipv6_gateway if self.attached else "",
            "GlobalIPv6Address": self.ipv6_address if self.attached else "",
            "GlobalIPv6PrefixLen": self.ipv6_prefix if self.attached else 0,
            "DNSNames": list(self.dns_names) or None,
        }


@dataclass(frozen=True, slots=True)
class Allocation:
    """What ``Networks.allocate`` reserved. ``sockets`` are open fds that keep the host ports taken: hand them to the
    shim, then close them here (``Networks`` keeps no copy). ``towards`` is, for each socket, the address and port in the
    container to which the shim carries on what comes there; None where nftables leads."""

    endpoints: tuple[Endpoint, ...]
    ports: tuple[PortBinding, ...]
    sockets: tuple[int, ...]
    towards: tuple[tuple[str, int] | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolver:
    """A container's wishes about DNS, from HostConfig: ``Dns``, ``DnsSearch``, ``DnsOptions``."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @staticmethod
    def from_record(body: Mapping[str, object]) -> Resolver:
        return Resolver(*(strings(body.get(name)) for name in ("servers", "search", "options")))
