"""`pycompose ui`: a page in the browser that shows, live, everything that the engine runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import ComposeError, UsageError
from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client import Engine
    from ...screens.commands import Target
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--no-open", action="store_true", help="Print the address, and do not open a browser")
    parser.add_argument("--port", type=integer, default=0, metavar="PORT", help="Port on 127.0.0.1 (default: any)")
    parser.add_argument("--read-only", action="store_true", help="Show everything and change nothing")


def run(args: Namespace) -> int:
    try:
        from ...screens.web.app import Context
        from ...screens.web.serve import serve
    except ModuleNotFoundError as error:
        raise UsageError(f"ui needs {str(error.name).partition('.')[0]}: pip install 'pycompose-engine[ui]'") from None
    from ...screens.runner import Runner
    from ...screens.store.feed import Store

    if not 0 <= args.port < 65536:
        raise UsageError(f"--port: {args.port} is no port")
    engine = following(Session(args))
    context = Context(engine, Store(), Runner(engine_options(args)), args.read_only, project_here(args))
    serve(context, args.port, browse=not args.no_open)
    return 0


def following(session: Session) -> Engine:
    """A client of the session's engine, which is started now but not again: who stops it means it."""
    from ...client import Engine

    session.engine.version  # noqa: B018  (the first call starts the engine)
    return Engine(session.engine.endpoint)


def engine_options(args: Namespace) -> list[str]:
    """The options that name the engine, for commands that a screen runs."""
    found = ["--host", args.host] if args.host else []
    return [*found, "--root", os.path.abspath(args.root)] if args.root else found


def project_here(args: Namespace) -> Target | None:
    """The project of this directory, which a screen can bring up before it has containers; None without a sound one."""
    from ...screens.commands import Target

    session = Session(args)
    try:
        identity = session.identity
    except ComposeError:
        return None
    files = tuple(os.path.abspath(name) for name in identity.files if os.path.exists(name))
    if identity.name is None or not files:
        return None
    return Target(identity.name, identity.directory or "", files)
