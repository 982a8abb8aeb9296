"""`pycompose wait`: block until the services' containers have ended; the exit code of the last one. With
--down-project the project is taken down then.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from ...app.session import NotRunning
from ...errors import EngineError
from ...labels import SERVICE
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


NOT_YET = ("created", "removing")
"""States without an end to wait for. One that has ended is told at once, with its exit code."""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--down-project", action="store_true", help="Drops project when the first container stops")
    parser.add_argument("services", nargs="+", metavar="SERVICE")


def run(args: Namespace) -> int:
    session = Session(args)
    found = [one for one in session.containers(args.services) if one.get("State") not in NOT_YET]
    session.require_declared(args.services, {one["Labels"].get(SERVICE) for one in found})
    if not found:
        raise NotRunning(f'no containers for project "{session.name}"')
    ends: queue.SimpleQueue[int | EngineError] = queue.SimpleQueue()

    def wait(identity: str) -> None:
        try:
            code = session.engine.containers.wait(identity)
        except EngineError as error:
            ends.put(error)
            return
        print(f'container "{identity}" exited with status code {code}', flush=True)
        ends.put(code)

    for one in found:
        threading.Thread(target=wait, args=(one["Id"],), daemon=True).start()
    code = 0
    for _ in found:
        end = ends.get()
        if isinstance(end, EngineError):
            raise end
        code = end
    if args.down_project:
        return _take_down(args) or code
    return code


def _take_down(args: Namespace) -> int:
    from . import down

    for key, value in (
        ("remove_orphans", True),
        ("rmi", None),
        ("timeout", None),
        ("volumes", False),
        ("fast", False),
    ):
        setattr(args, key, value)
    args.services = []
    return down.run(args)
