"""`pycompose container exec`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..flags import FlagError
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser

INTERSPERSED = False


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-d", "--detach", action="store_true", help="Detached mode: run command in the background")
    flag("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="Set environment variables")
    flag("-i", "--interactive", action="store_true", help="Keep STDIN open even if not attached")
    flag("--privileged", action="store_true", help="Give extended privileges to the command")
    flag("-t", "--tty", action="store_true", help="Allocate a pseudo-TTY")
    flag("-u", "--user", default="", metavar="USER", help="Username or UID")
    flag("-w", "--workdir", default="", metavar="DIR", help="Working directory inside the container")
    parser.add_argument("container")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def run(args: Namespace) -> int:
    from ..exec import execute

    if not args.command:
        raise FlagError('"pycompose container exec" requires at least 2 arguments.')
    if args.tty and args.interactive and not sys.stdin.isatty():
        raise FlagError("the input device is not a TTY")
    return execute(Session(args).engine, args.container, args, tty=args.tty)
