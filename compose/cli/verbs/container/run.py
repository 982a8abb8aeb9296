"""`pycompose container run`: create and run a container from an image; its exit code is ours."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from ....errors import EngineError
from ...flags.parser import FlagError
from ...session import Session
from .options import NOTHING_RUNS, NotRun, add_container_flags, create, refusal

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

INTERSPERSED = False
NOT_EXECUTABLE, NOT_FOUND = 126, 127
_NOT_FOUND_WORDS = ("executable file not found", "no such file or directory", "system cannot find the file")
_NOT_EXECUTABLE_WORDS = ("permission denied", "is a directory", "not a directory", "exec format error")


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "-d", "--detach", action="store_true", help="Run container in background and print container ID"
    )
    parser.add_argument("--detach-keys", metavar="KEYS", help="Override the key sequence for detaching a container")
    parser.add_argument("--sig-proxy", action="store_true", default=True, help="Proxy received signals to the process")
    add_container_flags(parser)


def run(args: Namespace) -> int:
    from ...streams.interactive import Interaction, attach_and_run

    changes: dict[str, bool] = {}
    if args.detach:
        if args.attach:
            raise FlagError("Conflicting options: -a and -d")
        changes = dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"), False)
    stdin = args.interactive and not args.detach and (not args.attach or "stdin" in args.attach)
    if args.tty and stdin and not sys.stdin.isatty():
        raise FlagError("the input device is not a TTY")
    engine = Session(args).engine
    try:
        identity = create(engine, args, "run", **changes)
    except EngineError as error:
        raise refusal("run", _words(error)) from error
    try:
        if args.detach:
            engine.containers.start(identity)
            print(identity)
            return 0
        return attach_and_run(
            engine,
            identity,
            Interaction(stdin, args.detach_keys, args.sig_proxy, args.rm),
            partial(engine.containers.start, identity),
        )
    except EngineError as error:
        refused = NotRun(f"pycompose: {_words(error)}.")
        refused.exit_code = failure_code(str(error))
        raise refused from error


def _words(error: EngineError) -> str:
    return (f"Error response from daemon: {error}" if error.status else str(error)).removesuffix(".")


def failure_code(message: str) -> int:
    """The exit code of a container that could not be started, as docker has it."""
    text = message.lower()
    if any(word in text for word in _NOT_FOUND_WORDS):
        return NOT_FOUND
    if any(word in text for word in _NOT_EXECUTABLE_WORDS):
        return NOT_EXECUTABLE
    return NOTHING_RUNS
