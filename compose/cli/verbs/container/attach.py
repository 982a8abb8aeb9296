"""`pycompose container attach`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import OperationError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--detach-keys", metavar="KEYS", help="Override the key sequence for detaching a container")
    parser.add_argument("--no-stdin", action="store_true", help="Do not attach STDIN")
    parser.add_argument("--sig-proxy", action="store_true", default=True, help="Proxy received signals to the process")
    parser.add_argument("container")


def run(args: Namespace) -> int:
    from ...streams.interactive import Interaction, attach_and_run

    engine = Session(args).engine
    state = engine.containers.inspect(args.container).get("State") or {}
    for member, word, remedy in (
        ("Paused", "paused", "unpause it first"),
        ("Restarting", "restarting", "wait until it is running"),
    ):
        if state.get(member):
            raise OperationError(f"You cannot attach to a {word} container, {remedy}")
    if not state.get("Running"):
        raise OperationError("You cannot attach to a stopped container, start it first")
    return attach_and_run(
        engine,
        args.container,
        Interaction(stdin=not args.no_stdin, keys=args.detach_keys, sig_proxy=args.sig_proxy),
    )
