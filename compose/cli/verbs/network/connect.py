"""`pycompose network connect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....convert.values import pairs
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client.bodies.containers import EndpointSettings, IpamOfEndpoint
    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--alias", action="append", default=[], metavar="NAME", help="Add network-scoped alias for the container")
    flag("--driver-opt", action="append", default=[], metavar="KEY=VALUE", help="Driver options for the network")
    flag("--ip", metavar="IP", help="IPv4 address (e.g., 172.30.100.104)")
    flag("--ip6", metavar="IP", help="IPv6 address (e.g., 2001:db8::33)")
    flag("--link", action="append", default=[], metavar="CONTAINER", help="Add link to another container")
    flag(
        "--link-local-ip", action="append", default=[], metavar="IP", help="Add a link-local address for the container"
    )
    parser.add_argument("network")
    parser.add_argument("container")


def run(args: Namespace) -> int:
    endpoint: EndpointSettings = {"Aliases": args.alias, "Links": args.link}
    if args.driver_opt:
        endpoint["DriverOpts"] = pairs(args.driver_opt)
    addresses: IpamOfEndpoint = {}
    if args.ip:
        addresses["IPv4Address"] = args.ip
    if args.ip6:
        addresses["IPv6Address"] = args.ip6
    if args.link_local_ip:
        addresses["LinkLocalIPs"] = args.link_local_ip
    if addresses:
        endpoint["IPAMConfig"] = addresses
    Session(args).engine.networks.connect(args.network, args.container, endpoint)
    return 0
