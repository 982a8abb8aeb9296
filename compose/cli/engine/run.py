"""`pycompose engine run`: the keeper and engine in the foreground, for a service manager."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ...client.autostart import keeper_script
from ...client.endpoint import choose
from ...errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="Configuration of the engine (default: engine.yaml in its root)"
    )


def run(args: Namespace) -> int:
    endpoint = choose(os.environ, os.geteuid(), args.host, args.root)
    if not endpoint.own:
        if endpoint.origin != "DOCKER_HOST":
            raise UsageError(f"engine run starts our own engine: {endpoint.origin} names another one")
        endpoint = choose({}, os.geteuid())
    command = [sys.executable, "-I", "-S", "-E", keeper_script(), "--foreground"]
    if endpoint.root is not None:
        command += ["--root", endpoint.root]
    if args.config:
        os.environ["PYCOMPOSE_ENGINE_CONFIG"] = os.path.abspath(args.config)
    sys.stdout.flush()
    os.execv(command[0], command)
