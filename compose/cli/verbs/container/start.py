"""`pycompose container start`, attached on request."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from ....errors import EngineError
from ...flags.parser import FlagError
from ...session import Session
from ...show.many import each

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-a", "--attach", action="store_true", help="Attach STDOUT/STDERR and forward signals")
    parser.add_argument("--detach-keys", metavar="KEYS", help="Override the key sequence for detaching a container")
    parser.add_argument("-i", "--interactive", action="store_true", help="Attach container's STDIN")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    if not args.attach and not args.interactive:
        failed: list[str] = []

        def start(name: str) -> None:
            try:
                engine.containers.start(name, args.detach_keys)
            except EngineError:
                failed.append(name)
                raise

        code = each(args.containers, start)
        if failed:
            print(f"Error: failed to start containers: {', '.join(failed)}", file=sys.stderr)
        return code
    if len(args.containers) > 1:
        raise FlagError("you cannot start and attach multiple containers at once")
    from ...streams.interactive import Interaction, attach_and_run

    name = args.containers[0]
    how = Interaction(stdin=args.interactive, keys=args.detach_keys)
    return attach_and_run(engine, name, how, partial(engine.containers.start, name, args.detach_keys))
