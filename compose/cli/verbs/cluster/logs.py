"""`pycompose logs --to`: the output of tasks or pods of all nodes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ....app.session import NoSuchService
from ....deploy.backend import LogOptions
from ...show.logprinter import LogPrinter, want_color
from ..logs import moment, tail_count
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    _, backend = for_verb(args)
    known = backend.services()
    for name in args.services:
        if name not in known:
            raise NoSuchService(f"no such service: {name}")
    printer = LogPrinter(
        color=want_color(args.no_color, args.ansi), prefix=not args.no_log_prefix, out=sys.stdout, err=sys.stdout
    )

    def line(name: str, text: str, *, error: bool = False) -> None:
        printer.register([name])
        printer.line(name, text, error=error)

    options = LogOptions(args.follow, moment(args.since), tail_count(args.tail), args.timestamps)
    backend.logs(args.services, options, line)
    return 0
