"""`pycompose ps --to`: the project's tasks or pods on all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....deploy.units import chosen
from ...show.format import ago, shorten, show
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace

COLUMNS = (
    ("NAME", "Name"),
    ("IMAGE", "Image"),
    ("SERVICE", "Service"),
    ("NODE", "Node"),
    ("CREATED", "Created"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
)


def run(args: Namespace) -> int:
    _, backend = for_verb(args)
    found = chosen(backend.units(), args.services_, all=args.all)
    if args.quiet:
        print("\n".join(one.id for one in found))
        return 0
    if args.services:
        print("\n".join(dict.fromkeys(one.service for one in found)))
        return 0
    rows = [
        {
            "Name": one.name,
            "Image": one.image,
            "Service": one.service,
            "Node": one.node,
            "Created": ago(one.created),
            "State": one.state,
            "Status": f"{one.state}: {one.detail if args.no_trunc else shorten(one.detail, 60)}"
            if one.detail
            else one.state,
            "Ports": one.ports,
            "ID": one.id,
        }
        for one in found
    ]
    print(show(args.format, rows, COLUMNS))
    return 0
