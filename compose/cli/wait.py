"""`pycompose wait`: block until the first of the services' containers ends; its exit code."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from ..errors import EngineError
from .session import NotRunning, Session

if TYPE_CHECKING:
    from argparse import Namespace

    from .flags import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--down-project", action="store_true", help="Drops project when the first container stops")
    parser.add_argument("services", nargs="+", metavar="SERVICE")


def run(args: Namespace) -> int:
    session = Session(args)
    found = session.containers(args.services)
    if not found:
        raise NotRunning(f"no containers for project {session.name!r}")
    ends: queue.SimpleQueue[int | EngineError] = queue.SimpleQueue()

    def wait(identity: str, name: str) -> None:
        try:
            code = session.engine.containers.wait(identity)
        except EngineError as error:
            ends.put(error)
            return
        print(f"container {name!r} exited with code {code}")
        ends.put(code)

    for one in found:
        name = one["Names"][0].removeprefix("/")
        threading.Thread(target=wait, args=(one["Id"], name), daemon=True).start()
    end = ends.get()
    if isinstance(end, EngineError):
        raise end
    if args.down_project:
        from . import down

        for key, value in (
            ("remove_orphans", False),
            ("rmi", None),
            ("timeout", None),
            ("volumes", False),
            ("fast", False),
        ):
            setattr(args, key, value)
        args.services = []
        down.run(args)
    return end
