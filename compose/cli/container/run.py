"""`pycompose container run`: create and run a container from an image; its exit code is ours."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from ...errors import EngineError
from ..flags import FlagError
from ..session import Session
from .options import add_container_flags, create

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser

INTERSPERSED = False
START_FAILED = 125
NOT_EXECUTABLE, NOT_FOUND = 126, 127


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-d", "--detach", action="store_true", help="Run container in background and print container ID"
    )
    parser.add_argument("--detach-keys", metavar="KEYS", help="Override the key sequence for detaching a container")
    parser.add_argument("--no-sig-proxy", action="store_true", help="Do not proxy received signals to the process")
    add_container_flags(parser)


def run(args: Namespace) -> int:
    from ..interactive import attach_and_run

    if args.tty and args.interactive and not args.detach and not sys.stdin.isatty():
        raise FlagError("the input device is not a TTY")
    engine = Session(args).engine
    try:
        identity = create(engine, args)
        if args.detach:
            engine.containers.start(identity)
            print(identity)
            return 0
        return attach_and_run(
            engine,
            identity,
            stdin=args.interactive,
            start=partial(engine.containers.start, identity),
            keys=args.detach_keys,
            sig_proxy=not args.no_sig_proxy,
            removes_itself=args.rm,
        )
    except EngineError as error:
        print(f"pycompose: Error response from daemon: {error}", file=sys.stderr)
        return failure_code(str(error))


def failure_code(message: str) -> int:
    """The exit code of a container that could not be started, as docker has it."""
    if "executable file not found" in message or "no such file or directory" in message.lower():
        return NOT_FOUND
    if "permission denied" in message.lower() or "is a directory" in message.lower():
        return NOT_EXECUTABLE
    return START_FAILED
