"""`pycompose container attach`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--detach-keys", metavar="KEYS", help="Override the key sequence for detaching a container")
    parser.add_argument("--no-stdin", action="store_true", help="Do not attach STDIN")
    parser.add_argument("--sig-proxy", action="store_true", default=True, help="Proxy received signals to the process")
    parser.add_argument("container")


def run(args: Namespace) -> int:
    from ..interactive import attach_and_run

    engine = Session(args).engine
    return attach_and_run(
        engine, args.container, stdin=not args.no_stdin, keys=args.detach_keys, sig_proxy=args.sig_proxy
    )
