"""`pycompose port`: where a service's port is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....grammar.numerals import natural
from ...errors import OperationError
from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--index", type=integer, default=0, metavar="N", help="Index of the container if service has multiple replicas"
    )
    parser.add_argument("--protocol", default="tcp", metavar="tcp|udp", help="tcp or udp")
    parser.add_argument("service")
    parser.add_argument("private_port", metavar="PRIVATE_PORT")


def run(args: Namespace) -> int:
    text, _, protocol = args.private_port.partition("/")
    number = natural(text)
    if number is None:
        raise OperationError(f"invalid port {args.private_port!r}")
    found = Session(args).container_of(args.service, args.index)
    wanted = (number, (protocol or args.protocol).lower())
    for one in found.get("Ports") or ():
        if (one["PrivatePort"], one.get("Type")) == wanted:
            if not one.get("PublicPort"):
                print(":0")  # exposed, but not published: Docker Compose's way to say so
                return 0
            host = one.get("IP") or "0.0.0.0"
            print(f"[{host}]:{one['PublicPort']}" if ":" in host else f"{host}:{one['PublicPort']}")
            return 0
    name = found["Names"][0].removeprefix("/")
    raise OperationError(f"no port {wanted[0]}/{wanted[1]} for container {name}")
