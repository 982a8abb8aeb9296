"""`pycompose wait --to`: until the tasks or pods of services have ended; 0 when all ended well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.session import NotRunning
from ....deploy.units import chosen
from ....errors import OperationError
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace

PAUSE = 30.0
"""Seconds between two looks when nothing is heard."""


def run(args: Namespace) -> int:
    if args.down_project:
        raise OperationError("on a cluster wait takes nothing down: down --to does")
    _, backend = for_verb(args)
    units = chosen(backend.units(), args.services, all=True)
    if not units:
        raise NotRunning("the services have no tasks")
    while any(not one.over for one in units):
        backend.await_news(PAUSE)
        units = chosen(backend.units(), args.services, all=True)
    newest = {(one.service, one.name): one for one in reversed(units)}
    for one in newest.values():
        print(f"{one.name} on {one.node}: {one.state}{f' ({one.detail})' if one.detail else ''}")
    return 0 if all(one.state == "complete" for one in newest.values()) else 1
