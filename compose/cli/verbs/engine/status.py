"""`pycompose engine status`: version, paths, processes and containers of our engine. Starts none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ....client.http import Refused
from ....errors import OperationError
from ...flags.parser import FlagError

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client import Engine
    from ....client.bodies.system import Cleared
    from ...flags.parser import Parser


class NotRunning(OperationError):
    exit_code = 3
    """As service managers have it for a program that is not running."""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="pretty or json")


def own_engine(args: Namespace) -> Engine:
    """A client for our engine that does not start it. Raises `NotRunning`."""
    import os

    from ....client import Engine, choose

    endpoint = choose(os.environ, os.geteuid(), args.host, args.root)
    engine = Engine(endpoint)
    try:
        engine.version  # noqa: B018  (asks the engine)
    except Refused:
        raise NotRunning(f"no engine is running at {endpoint.address}") from None
    if not engine.is_pycompose:
        raise OperationError(f"the engine at {endpoint.address} is not pycompose's own")
    return engine


def run(args: Namespace) -> int:
    if args.format not in (None, "pretty", "json"):
        raise FlagError(f"invalid format {args.format!r}: pretty or json")
    try:
        status = own_engine(args).system.engine_status()
    except NotRunning:
        if args.format != "json":
            raise
        print(json.dumps({"running": False}))
        return NotRunning.exit_code
    if args.format == "json":
        print(json.dumps(status))
        return 0
    cleared = status.pop("gc", None)
    for key, value in status.items():
        if isinstance(value, dict):
            value = ", ".join(f"{number} {word}" for word, number in value.items())
        print(f"{key.replace('_', ' ') + ':':<14}{value}")
    if cleared:
        print(f"{'gc:':<14}{last_look(cleared)}")
    return 0


def last_look(cleared: Cleared) -> str:
    """When it was, and what it took away."""
    from ...show.format import ago, size

    counts = (
        (cleared.get("Caches", 0), "of the build cache"),
        (cleared.get("Images", 0), "images"),
        (cleared.get("Logs", 0), "logs"),
    )
    parts = [f"{count} {words}" for count, words in counts if count]
    when = f"last look {ago(cleared.get('Time', 0.0))}"
    return f"{when}: {', '.join(parts)} ({size(cleared.get('Reclaimed', 0))})" if parts else when
