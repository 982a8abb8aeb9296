"""`pycompose network create`."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ....convert.values import pairs
from ...flags.parser import FlagError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Literal

    from ....client.bodies.networks import Pool
    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--attachable", action="store_true", help="Enable manual container attachment")
    for name, metavar, text in (
        ("--aux-address", "NAME=IP", "Auxiliary IPv4 or IPv6 addresses used by the network driver"),
        ("--gateway", "IP", "IPv4 or IPv6 gateway for the master subnet"),
        ("--ip-range", "CIDR", "Allocate container ip from a sub-range"),
        ("--ipam-opt", "KEY=VALUE", "Set IPAM driver specific options"),
        ("--label", "KEY=VALUE", "Set metadata on a network"),
        ("--subnet", "CIDR", "Subnet in CIDR format that represents a network segment"),
    ):
        flag(name, action="append", default=[], metavar=metavar, help=text)
    flag("-o", "--opt", action="append", default=[], metavar="KEY=VALUE", help="Set driver specific options")
    flag("--config-from", metavar="NETWORK", help="The network from which to copy the configuration")
    flag("--config-only", action="store_true", help="Create a configuration only network")
    flag("-d", "--driver", default="bridge", metavar="DRIVER", help="Driver to manage the Network")
    flag("--ingress", action="store_true", help="Create swarm routing-mesh network")
    flag("--internal", action="store_true", help="Restrict external access to the network")
    flag("--ipam-driver", default="default", metavar="DRIVER", help="IP Address Management Driver")
    flag("--ipv4", action="store_true", default=True, help="Enable IPv4 networking")
    flag("--ipv6", action="store_true", help="Enable IPv6 networking")
    flag("--scope", metavar="SCOPE", help="Control the network's scope")
    parser.add_argument("network")


def pools(args: Namespace) -> list[Pool]:
    """One per subnet, with the ranges, gateways and addresses that lie in it. Raises ValueError."""
    subnets = {text: ipaddress.ip_network(text, strict=False) for text in args.subnet}
    result: dict[str, Pool] = {text: {"Subnet": text} for text in args.subnet}

    def owner(address: str, missing: str) -> Pool:
        first = ipaddress.ip_interface(address).ip
        found = next((text for text, subnet in subnets.items() if first in subnet), None)
        if found is None:
            raise ValueError(missing)
        return result[found]

    if len(subnets) < max(len(args.ip_range), len(args.gateway)):
        raise ValueError("every ip-range or gateway must have a corresponding subnet")
    rows: tuple[tuple[Literal["IPRange", "Gateway"], list[str], str], ...] = (
        ("IPRange", args.ip_range, "range"),
        ("Gateway", args.gateway, "gateway"),
    )
    for key, values, word in rows:
        for value in values:
            pool = owner(value, f"no matching subnet for {word} {value}")
            if key in pool:
                raise ValueError(
                    f"cannot configure multiple {word}s ({value}, {pool[key]}) on the same subnet ({pool['Subnet']})"
                )
            pool[key] = value
    for name, value in pairs(args.aux_address).items():
        pool = owner(value, f"no matching subnet for aux-address {value}")
        pool["AuxiliaryAddresses"] = {**(pool.get("AuxiliaryAddresses") or {}), name: value}
    return list(result.values())


def run(args: Namespace) -> int:
    try:
        config = pools(args)
    except ValueError as error:
        raise FlagError(str(error)) from None
    body: dict[str, object] = {
        "Name": args.network,
        "CheckDuplicate": True,
        "Driver": args.driver,
        "Scope": args.scope or "",
        "Attachable": args.attachable,
        "Ingress": args.ingress,
        "Internal": args.internal,
        "ConfigOnly": args.config_only,
        "EnableIPv6": args.ipv6,
        "IPAM": {"Driver": args.ipam_driver, "Options": pairs(args.ipam_opt), "Config": config},
        "Labels": pairs(args.label),
        "Options": pairs(args.opt),
    }
    if not args.ipv4:
        body["EnableIPv4"] = False
    if args.config_from:
        body["ConfigFrom"] = {"Network": args.config_from}
    print(Session(args).engine.networks.create(body)["Id"])
    return 0
