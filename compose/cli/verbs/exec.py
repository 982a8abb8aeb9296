"""`pycompose exec`: a command in a running container of a service. Loads no model: the project's name is enough."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from ...errors import OperationError
from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client import Engine
    from ..flags.parser import Parser

INTERSPERSED = False
UNKNOWN_EXIT = 255


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-d", "--detach", action="store_true", help="Detached mode: Run command in the background")
    flag("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="Set environment variables")
    flag(
        "--index", type=integer, default=0, metavar="N", help="Index of the container if service has multiple replicas"
    )
    flag("-i", "--interactive", action="store_true", default=True, help="Keep STDIN open even if not attached")
    flag("-T", "--no-TTY", "--no-tty", action="store_true", dest="no_tty", help="Disable pseudo-TTY allocation")
    flag(
        "-t",
        "--tty",
        action="store_true",
        help="Accepted for compatibility: there is a pseudo-TTY where there is a terminal",
    )
    flag("--privileged", action="store_true", help="Give extended privileges to the process")
    flag("-u", "--user", default="", metavar="USER", help="Run the command as this user")
    flag("-w", "--workdir", default="", metavar="DIR", help="Path to workdir directory for this command")
    parser.add_argument("service")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def run(args: Namespace) -> int:
    from ..flags.parser import FlagError

    if not args.command:
        raise FlagError("\"pycompose exec\" requires at least 2 arguments.\nSee 'pycompose exec --help'.")
    session = Session(args)
    found = session.container_of(args.service, args.index, all=False)
    if args.dry_run:
        if not args.detach:
            raise OperationError("interactive exec is not supported in dry-run mode")
        words = " ".join(f'"{word}"' for word in args.command)
        print(f" DRY-RUN MODE - Executing command [{words}] in {found['Id']} (detached mode)")
        return 0
    tty = not args.no_tty and not args.detach and sys.stdin.isatty() and sys.stdout.isatty()
    return execute(session.engine, found["Id"], args, tty=tty)


def execute(engine: Engine, container: str, args: Namespace, *, tty: bool, keys: str | None = None) -> int:
    """Run ``args.command`` in ``container``; its exit code. ``keys`` are the detach keys, as typed by the user."""
    from ...app.commands import ExecOptions, exec_body

    interactive = args.interactive and not args.detach
    options = ExecOptions(args.user, exec_environment(args.env), args.workdir, privileged=args.privileged)
    body = exec_body(args.command, options, stdin=interactive, output=not args.detach, tty=tty)
    if keys is not None:
        body["DetachKeys"] = keys
    size = console_size() if tty else None
    if size is not None and engine.version >= (1, 42):
        body["ConsoleSize"] = list(size)
    ident = engine.execs.create(container, body)
    if args.detach:
        engine.execs.start_detached(ident, tty=tty)
        return 0
    from ...client.terminal import Ends, run_session
    from ..streams.interactive import detach_keys

    sys.stdout.flush()
    response = engine.execs.start(ident, tty=tty)
    detached = run_session(
        response,
        Ends(sys.stdin.fileno() if interactive else None),
        tty=tty,
        resize=partial(engine.execs.resize, ident) if tty else None,
        detach_keys=detach_keys(keys),
    )
    if detached:
        print("read escape sequence", file=sys.stderr)
        return 1
    code = engine.execs.inspect(ident).get("ExitCode")
    return UNKNOWN_EXIT if code is None else int(code)


def console_size() -> tuple[int, int] | None:
    """Rows and columns of the terminal on stdin."""
    from ...client.terminal import window_size

    return window_size(sys.stdin.fileno())


def exec_environment(items: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` items; a bare KEY takes the value of this process's environment, and is left out without one."""
    result: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if equals:
            result[key] = value
        elif key in os.environ:
            result[key] = os.environ[key]
    return result
