"""`pycompose engine migrate`: the other map of ids for the user's own engine, which must not run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ....client.autostart import engine_script
from ....client.endpoint import choose
from ....errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("kind", choices=("one", "range"), metavar="one|range", help="One user id, or a range of them")


def run(args: Namespace) -> int:
    endpoint = choose(os.environ, os.geteuid(), args.host, args.root)
    if not endpoint.own:
        raise UsageError(f"migrate is for the user's own engine, and {endpoint.origin} names another one")
    sys.stdout.flush()
    script = engine_script("changeover.py")
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-E", script, endpoint.root or "", args.kind])
