"""`pycompose unshare`: a command as root of the user namespace that the user's own engine is in."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ...client.autostart import engine_script
from ...client.endpoint import choose
from ...errors import UsageError
from ..flags.parser import FlagError

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser

INTERSPERSED = False


def add_arguments(parser: Parser) -> None:
    parser.add_argument("command", nargs="*", metavar="COMMAND")


def run(args: Namespace) -> int:
    if not args.command:
        raise FlagError("\"pycompose unshare\" requires at least 1 argument.\nSee 'pycompose unshare --help'.")
    endpoint = choose(os.environ, os.geteuid(), args.host, args.root)
    if not endpoint.own:
        raise UsageError(f"unshare is for the user's own engine, and {endpoint.origin} names another one")
    sys.stdout.flush()
    script = engine_script("unshare.py")
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-E", script, endpoint.root or "", *args.command])
