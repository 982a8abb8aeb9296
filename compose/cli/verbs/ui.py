"""`pycompose ui`: a page in the browser that shows, live, everything that the engine runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UsageError
from ..flags.parser import integer
from ..session import Session
from ..streams.viewing import engine_options, following, project_of

if TYPE_CHECKING:
    from argparse import Namespace

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
    session = Session(args)
    engine = following(session)
    context = Context(engine, Store(), Runner(engine_options(args)), args.read_only, project_of(session))
    serve(context, args.port, browse=not args.no_open)
    return 0
