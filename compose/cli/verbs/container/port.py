"""`pycompose container port`: where a container's ports are published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....errors import OperationError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client.bodies.containers import PortBinding
    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("container")
    parser.add_argument("private_port", nargs="?", metavar="PRIVATE_PORT[/PROTO]")


def run(args: Namespace) -> int:
    tree = Session(args).engine.containers.inspect(args.container)
    ports = (tree.get("NetworkSettings") or {}).get("Ports") or {}
    if args.private_port:
        number = args.private_port.partition("/")[0]
        if not re.fullmatch(r"[0-9]{1,5}", number):
            raise OperationError(
                f'Error: invalid port ({args.private_port}): strconv.ParseUint: parsing "{number}": invalid syntax'
            )
        key = args.private_port if "/" in args.private_port else f"{args.private_port}/tcp"
        if not ports.get(key):
            raise OperationError(f"Error: No public port '{args.private_port}' published for {args.container}")
        for one in ports[key] or ():
            print(_address(one))
        return 0
    for key in sorted(ports):
        for one in ports[key] or ():
            print(f"{key} -> {_address(one)}")
    return 0


def _address(binding: PortBinding) -> str:
    host = binding.get("HostIp") or "0.0.0.0"
    return f"[{host}]:{binding['HostPort']}" if ":" in host else f"{host}:{binding['HostPort']}"
