"""`pycompose attach`: this terminal on a service's running container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import OperationError
from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("--detach-keys", metavar="KEYS", help="Override the key sequence for detaching from a container")
    flag(
        "--index", type=integer, default=0, metavar="N", help="index of the container if service has multiple replicas"
    )
    flag("--no-stdin", action="store_true", help="Do not attach STDIN")
    flag("--sig-proxy", action="store_true", default=True, help="Proxy all received signals to the process")
    parser.add_argument("service")


def run(args: Namespace) -> int:
    from ..streams.interactive import Interaction, attach_and_run

    if args.dry_run:
        raise OperationError("interactive attach is not supported in dry-run mode")
    session = Session(args)
    found = session.container_of(args.service, args.index, all=False)
    return attach_and_run(
        session.engine,
        found["Id"],
        Interaction(stdin=not args.no_stdin, keys=args.detach_keys, sig_proxy=args.sig_proxy),
    )
