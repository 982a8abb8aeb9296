"""`pycompose snapshot push`: a seeded database for colleagues and CI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.snapshots import known
from ....credentials.lookup import registry_auth
from ...session import Session
from ...show import foretold
from ...show.transfer import show

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="Show no progress")
    parser.add_argument("--format", choices=("plain", "json"), help="plain, or json (one object a line)")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("ref", metavar="REPOSITORY[:TAG]")


def run(args: Namespace) -> int:
    session = Session(args)
    if args.dry_run:
        known(session, [args.name])
        return foretold.tell([(f"Snapshot {args.name}", f"Pushing to {args.ref}")])
    lines = session.engine.snapshots.push(session.name, args.name, args.ref, registry_auth(args.ref))
    show(lines, args.format, quiet=args.quiet)
    return 0
