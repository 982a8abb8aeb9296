"""`pycompose network create`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...convert.values import pairs
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--attachable", action="store_true", help="Enable manual container attachment")
    flag(
        "--aux-address",
        action="append",
        default=[],
        metavar="NAME=IP",
        help="Auxiliary addresses used by the network driver",
    )
    flag("-d", "--driver", default="bridge", metavar="DRIVER", help="Driver to manage the network")
    flag("--gateway", action="append", default=[], metavar="IP", help="Gateway for the master subnet")
    flag("--internal", action="store_true", help="Restrict external access to the network")
    flag("--ip-range", action="append", default=[], metavar="CIDR", help="Allocate container ip from a sub-range")
    flag("--ipv6", action="store_true", help="Enable IPv6 networking")
    flag("--label", action="append", default=[], metavar="KEY=VALUE", help="Set metadata on a network")
    flag("-o", "--opt", action="append", default=[], metavar="KEY=VALUE", help="Set driver specific options")
    flag(
        "--subnet",
        action="append",
        default=[],
        metavar="CIDR",
        help="Subnet in CIDR format that represents a network segment",
    )
    parser.add_argument("network")


def run(args: Namespace) -> int:
    pools: list[dict[str, Any]] = []
    for index, subnet in enumerate(args.subnet):
        pool: dict[str, Any] = {"Subnet": subnet}
        if index < len(args.ip_range):
            pool["IPRange"] = args.ip_range[index]
        if index < len(args.gateway):
            pool["Gateway"] = args.gateway[index]
        if index == 0 and args.aux_address:
            pool["AuxiliaryAddresses"] = pairs(args.aux_address)
        pools.append(pool)
    body: dict[str, Any] = {
        "Name": args.network,
        "CheckDuplicate": True,
        "Driver": args.driver,
        "Attachable": args.attachable,
        "Internal": args.internal,
        "EnableIPv6": args.ipv6,
        "Labels": pairs(args.label),
        "Options": pairs(args.opt),
    }
    if pools:
        body["IPAM"] = {"Driver": "default", "Config": pools}
    print(Session(args).engine.networks.create(body)["Id"])
    return 0
