"""Networks of `container run` and `create`: ``--network`` in both notations, and the flags that go with the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .storage import fields_of
from .values import address

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import Literal, TypeAlias

    from ....convert import bodies

    Endpoint: TypeAlias = tuple[str, bodies.EndpointSettings]

_NOT_USER_DEFINED = ("default", "bridge", "host", "none")


def network(text: str) -> Endpoint:
    """``NAME`` or ``name=NAME,alias=…,ip=…`` as name and endpoint settings. Raises ValueError."""
    if "=" not in text:
        return text, {}
    name = ""
    settings: bodies.EndpointSettings = {}
    ipam: bodies.EndpointAddresses = {}
    for item in fields_of(text):
        key, equals, value = item.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not equals:
            raise ValueError(f"invalid field {item}")
        match key:
            case "name":
                name = value
            case "alias":
                settings["Aliases"] = [*settings.get("Aliases", []), value]
            case "ip":
                ipam["IPv4Address"] = address(value)
            case "ip6":
                ipam["IPv6Address"] = address(value)
            case "mac-address":
                settings["MacAddress"] = mac_address(value)
            case "link-local-ip":
                ipam["LinkLocalIPs"] = [*ipam.get("LinkLocalIPs", []), address(value)]
            case "driver-opt":
                option, _, text_value = value.partition("=")
                settings["DriverOpts"] = {**settings.get("DriverOpts", {}), option.strip(): text_value.strip()}
            case "gw-priority":
                settings["GwPriority"] = int(value)
            case _:
                raise ValueError(f"invalid field key {key}")
    if not name:
        raise ValueError("network name/id is not specified")
    if ipam:
        settings["IPAMConfig"] = ipam
    return name, settings


def mac_address(text: str) -> str:
    import re

    if not re.fullmatch(r"([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}|([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}", text.strip()):
        raise ValueError(f"{text} is not a valid mac address")
    return text.strip()


def is_user_defined(name: str) -> bool:
    return name not in _NOT_USER_DEFINED and not name.startswith("container:")


def endpoints(args: Namespace) -> list[Endpoint]:
    """The endpoints in the order given, the first with what the flags of the container say. Raises ValueError."""
    items: Sequence[Endpoint] = args.network or [("default", {})]
    result: dict[str, bodies.EndpointSettings] = {}
    for index, (name, settings) in enumerate(items):
        if name in result:
            raise ValueError(f'network "{name}" is specified multiple times')
        merged = _with_flags(args, settings) if index == 0 else settings.copy()
        if merged.get("Aliases") and not is_user_defined(name):
            raise ValueError("network-scoped aliases are only supported for user-defined networks")
        if index == 0 and is_user_defined(name) and args.link:
            merged["Links"] = list(args.link)
        result[name] = merged
    if len(result) > 1 and not all(is_user_defined(name) for name in result):
        first = next(name for name in result if not is_user_defined(name))
        if first != "bridge":
            raise ValueError("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
    return list(result.items())


def _with_flags(args: Namespace, settings: bodies.EndpointSettings) -> bodies.EndpointSettings:
    merged = settings.copy()
    ipam: bodies.EndpointAddresses = {**settings.get("IPAMConfig", {})}

    def conflict(flag: str, what: str) -> ValueError:
        return ValueError(f"conflicting options: cannot specify both {flag} and per-network {what}")

    if args.network_alias:
        if merged.get("Aliases"):
            raise conflict("--network-alias", "alias")
        merged["Aliases"] = list(args.network_alias)
    rows: tuple[tuple[str, Literal["IPv4Address", "IPv6Address"], str, str], ...] = (
        (args.ip, "IPv4Address", "--ip", "IPv4 address"),
        (args.ip6, "IPv6Address", "--ip6", "IPv6 address"),
    )
    for value, key, flag, what in rows:
        if value:
            if ipam.get(key):
                raise conflict(flag, what)
            ipam[key] = value
    if args.link_local_ip:
        if ipam.get("LinkLocalIPs"):
            raise conflict("--link-local-ip", "link-local IP addresses")
        ipam["LinkLocalIPs"] = list(args.link_local_ip)
    if args.mac_address:
        if merged.get("MacAddress"):
            raise conflict("--mac-address", "MAC address")
        merged["MacAddress"] = mac_address(args.mac_address)
    if ipam:
        merged["IPAMConfig"] = ipam
    return merged
