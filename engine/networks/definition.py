"""From a NetworkCreate body to a Network: what the client may ask for and what is filled in. Pure; the id, the time and
the subnets in use come in as arguments, so does the kernel name of a bridge.
"""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, cast

from ...grammar import booleans
from ..errors import Forbidden, InvalidParameter, NotFound
from ..shapes import Field, checked
from . import drivers, ipam, templates
from .types import BRIDGE_NAME, DRIVER_MTU, Network, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from ipaddress import IPv4Network, IPv6Network

    from .bodies import IpamRequest, NetworkCreate
    from .ipam import DefaultPool

PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}
_IPV6_MTU = 1280  # RFC 8200, section 5
_MTU = range(68, 65536)


_TEXT, _NO, _PAIRS = Field("string", ""), Field("bool", False), Field("map")
_POOL: Mapping[str, Field] = {
    "Subnet": _TEXT, "IPRange": _TEXT, "Gateway": _TEXT, "AuxiliaryAddresses": _PAIRS, "AuxAddress": _PAIRS,
}  # fmt: skip
_CREATE: Mapping[str, Field] = {
    "Name": _TEXT, "CheckDuplicate": _NO, "Driver": _TEXT, "Scope": _TEXT, "Internal": _NO, "Attachable": _NO, "Ingress": _NO,
    "ConfigOnly": _NO, "ConfigFrom": Field("object", members={"Network": _TEXT}), "EnableIPv4": Field("bool?"),
    "EnableIPv6": Field("bool?"), "Options": _PAIRS, "Labels": _PAIRS,
    "IPAM": Field("object", members={"Driver": _TEXT, "Options": _PAIRS, "Config": Field("objects", members=_POOL)}),
}  # fmt: skip


def parse(
    given: Mapping[str, object],
    id: str,
    created: str,
    bridge: str,
    named: Callable[[str], Network | None] = lambda _: None,
) -> Network:
    """The network a client describes, its pools as written. ``bridge`` is its link's name unless an option gives one, and
    ``named`` finds a network that is there already by its name.

    Raises InvalidParameter, Forbidden (predefined names, swarm), NotFound (unknown drivers and templates).
    """
    body = cast("NetworkCreate", checked(_CREATE, given, ""))
    name = body.get("Name") or ""
    if not name.strip():
        raise InvalidParameter("invalid name: name is empty")
    if name in (*PREDEFINED, "container", "default"):
        raise Forbidden(f"operation is not permitted on predefined {name} network")
    only = bool(body.get("ConfigOnly"))
    if only:
        templates.check(body)
        driver = drivers.template()
    else:
        swarm = body.get("Scope") == "swarm" or bool(body.get("Ingress"))
        driver = drivers.find(body.get("Driver") or drivers.DEFAULT, swarm=swarm)
        body = templates.applied(body, named)
    config: IpamRequest = body.get("IPAM") or {}
    if (plugin := config.get("Driver") or "default") != "default":
        raise NotFound(f'plugin "{plugin}" not found')
    options = dict(body.get("Options") or {})
    network = Network(
        id=id,
        name=name,
        created=created,
        driver=driver.name,
        pools=tuple(Pool.from_docker(item) for item in config.get("Config") or ()),
        ipam_options=config.get("Options"),
        internal=bool(body.get("Internal")),
        attachable=bool(body.get("Attachable")),
        enable_ipv4=body.get("EnableIPv4") is not False,
        enable_ipv6=bool(body.get("EnableIPv6")),
        options=options,
        labels=dict(body.get("Labels") or {}),
        bridge=driver.bridge_name(options, bridge),
        config_only=only,
        config_from=templates.source_name(body),
    )
    _check_options(network)
    return network


def predefined(name: str, id: str, created: str, bridge: str, mtu: int) -> Network:
    """One of the networks that always exist; "bridge" still without a subnet."""
    options = {}
    if name == "bridge":
        options = {
            "com.docker.network.bridge.default_bridge": "true",
            "com.docker.network.bridge.enable_icc": "true",
            "com.docker.network.bridge.enable_ip_masquerade": "true",
            "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
            BRIDGE_NAME: bridge,
            DRIVER_MTU: str(mtu),
        }
    return Network(
        id=id, name=name, created=created, driver=PREDEFINED[name], options=options,
        bridge=bridge if name == "bridge" else "",
    )  # fmt: skip


_BRIDGE_FLAGS = ("enable_icc", "enable_ip_masquerade", "default_bridge", "inhibit_ipv4")


def _check_options(network: Network) -> None:
    for name in _BRIDGE_FLAGS:
        value = network.options.get(f"com.docker.network.bridge.{name}")
        if value is None:
            continue
        try:
            booleans.parse(value)
        except ValueError:
            raise InvalidParameter(
                f"failed to parse com.docker.network.bridge.{name} value: {value}"
                f' (strconv.ParseBool: parsing "{value}": invalid syntax)'
            ) from None
    mtu = network.options.get(DRIVER_MTU)
    if mtu is not None and not (re.fullmatch("[0-9]{1,5}", mtu) and int(mtu) in _MTU):
        raise InvalidParameter(f"failed to parse {DRIVER_MTU} value: {mtu} (a number of bytes from 68 to 65535)")
    if mtu is not None and network.enable_ipv6 and int(mtu) < _IPV6_MTU:
        raise InvalidParameter(f"{DRIVER_MTU}: {mtu} is too small for IPv6, which needs links of {_IPV6_MTU} bytes")
    drivers.of(network).check(network)
    if not (network.enable_ipv4 or network.enable_ipv6):
        raise InvalidParameter("IPv4 or IPv6 must be enabled")


def with_pools(
    network: Network,
    others: Collection[IPv4Network | IPv6Network],
    host: Collection[IPv4Network | IPv6Network],
    ipv4_pools: Iterable[DefaultPool],
    ipv6_pools: Iterable[DefaultPool],
) -> Network:
    """The network with checked pools, or with chosen ones for each enabled IP version that has none.

    ``others`` are the subnets of this engine's networks: a given subnet must not overlap them. ``host`` are those the
    host routes: a chosen subnet avoids both, a given one may coincide (as with an adopted bridge).
    """
    if not drivers.of(network).has_links:
        return network
    given = [pool for pool in network.pools if pool.subnet]
    without = [pool for pool in network.pools if not pool.subnet]
    if any(pool.ip_range or pool.gateway or pool.aux_addresses for pool in without):
        pool = without[0]
        kind = "gateway" if pool.gateway else "range" if pool.ip_range else "aux-address"
        raise InvalidParameter(f"no matching subnet for {kind} {pool.gateway or pool.ip_range or ''}".rstrip())
    pools: list[Pool] = []
    for pool in given:
        taken = [*others, *(ip_network(other.subnet) for other in pools)]
        pools.append(ipam.check_pool(pool, taken))
    chosen = False
    for version, enabled, defaults in ((4, network.enable_ipv4, ipv4_pools), (6, network.enable_ipv6, ipv6_pools)):
        own = [pool for pool in pools if ip_network(pool.subnet).version == version]
        if drivers.of(network).single_subnet and len(own) > 1:
            raise InvalidParameter(f"{network.driver} driver doesn't support multiple subnets")
        if enabled and not own:
            pools.append(ipam.chosen_pool(ipam.choose_subnet(defaults, [*others, *host])))
            chosen = not given
    return replace(network, pools=tuple(pools), chosen=chosen)


def check_bridge_free(network: Network, others: Iterable[Network]) -> None:
    """Raises Forbidden when another network has the bridge that ``network`` names."""
    for other in others:
        if network.bridge and other.bridge == network.bridge:
            raise Forbidden(
                f"cannot create network {network.id} ({network.bridge}): conflicts with network {other.id}"
                f" ({other.bridge}): networks have same bridge name"
            )
