"""`pycompose container exec`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ...flags.parser import FlagError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

INTERSPERSED = False


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-d", "--detach", action="store_true", help="Detached mode: run command in the background")
    flag("--detach-keys", metavar="KEYS", help="Override the key sequence for detaching a container")
    flag("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="Set environment variables")
    flag(
        "--env-file",
        dest="container_env_file",
        action="append",
        default=[],
        metavar="FILE",
        help="Read in a file of environment variables",
    )
    flag("-i", "--interactive", action="store_true", help="Keep STDIN open even if not attached")
    flag("--privileged", action="store_true", help="Give extended privileges to the command")
    flag("-t", "--tty", action="store_true", help="Allocate a pseudo-TTY")
    flag("-u", "--user", default="", metavar="USER", help="Username or UID")
    flag("-w", "--workdir", default="", metavar="DIR", help="Working directory inside the container")
    parser.add_argument("container")
    parser.add_argument("executable", metavar="COMMAND")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="ARG")


def run(args: Namespace) -> int:
    from ..exec import execute
    from .values import key_value_file

    if args.tty and args.interactive and not args.detach and not sys.stdin.isatty():
        raise FlagError("the input device is not a TTY")
    try:
        files = [line for path in args.container_env_file for line in key_value_file(path, from_environment=True)]
    except ValueError as error:
        raise FlagError(str(error)) from None
    args.env = [*files, *args.env]
    args.command = [args.executable, *args.command]
    return execute(Session(args).engine, args.container, args, tty=args.tty, keys=args.detach_keys)
