"""`pycompose tui`: a view in the terminal that shows, live, everything that the engine runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...errors import ComposeError, UsageError
from ..session import Session
from ..streams.viewing import engine_options, following, project_of

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    """It has no flags of its own."""


def run(args: Namespace) -> int:
    try:
        from ...screens.terminal.app import View
        from ...screens.terminal.dialogs import Context
    except ModuleNotFoundError as error:
        raise UsageError(
            f"tui needs {str(error.name).partition('.')[0]}: pip install 'pycompose-engine[tui]'"
        ) from None
    from ...screens.commands import of_state
    from ...screens.runner import Runner
    from ...screens.store.feed import Feed, Store

    # It is drawn on standard error, as Textual does.
    if not all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr)):
        raise ComposeError("tui needs a terminal")
    session = Session(args)
    engine, store, here = following(session), Store(), project_of(session)
    context = Context(
        engine,
        store,
        Runner(engine_options(args)),
        lambda name: of_state(store.latest[1], name, here),
        here.project if here is not None else "",
    )
    with Feed(engine, store):
        View(context).run()
    return 0
