"""`pycompose export`: a service container's file system as a tar archive; with ``--to`` everything back to Docker."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..flags.parser import FlagError, integer
from ..session import Session
from ..streams.blocks import write_blocks

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--index", type=integer, default=0, metavar="N", help="index of the container if service has multiple replicas"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="Write to a file, instead of STDOUT")
    parser.add_argument(
        "--to",
        metavar="HOST",
        help='With "docker" for SERVICE: bring images, volumes, networks and containers to that engine',
    )
    parser.add_argument("--project", metavar="NAME", help="With --to: only what belongs to this Compose project")
    parser.add_argument("--format", choices=("table", "json"), help="With --to: table, or json (one object a line)")
    parser.add_argument("service")


def run(args: Namespace) -> int:
    if args.to is not None:
        from ..show.moving import bring, other_engine

        if args.service != "docker":
            raise FlagError(f"export --to {args.to}: want docker, not {args.service!r}")
        return bring(args, Session(args).engine, other_engine(args.to, "--to"))
    session = Session(args)
    found = session.container_of(args.service, args.index)
    if args.dry_run:
        print(f"DRY-RUN MODE -  Container {found['Names'][0].removeprefix('/')}  Exported", file=sys.stderr)
        return 0
    write_blocks(session.engine.containers.export(found["Id"]), args.output)
    return 0
