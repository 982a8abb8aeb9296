"""`pycompose container update`: new limits and restart policies for containers that exist."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...flags.parser import FlagError
from ...session import Session
from ...show.many import each
from .limits import add_update_flags, update_body
from .values import restart_policy

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    add_update_flags(parser)
    parser.add_argument("--restart", metavar="POLICY", help="Restart policy to apply when a container exits")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER")


def run(args: Namespace) -> int:
    body = update_body(args)
    if args.restart:
        try:
            body["RestartPolicy"] = restart_policy(args.restart)
        except ValueError as error:
            raise FlagError(str(error)) from None
    if not body:
        raise FlagError("you must provide one or more flags when using this command")
    engine = Session(args).engine
    warnings: list[str] = []

    def update(name: str) -> None:
        warnings.extend(engine.containers.update(name, body).get("Warnings") or ())

    code = each(args.containers, update)
    if warnings:
        print("\n".join(warnings), file=sys.stderr)
    return code
