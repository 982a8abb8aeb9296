"""`pycompose events --to`: what becomes of the project's tasks or pods, on all nodes, as it happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...flags.parser import FlagError
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    if args.since or args.until:
        raise FlagError("on a cluster events are told from now on, until interrupted")
    _, backend = for_verb(args)
    for one in backend.events():
        if args.services and one["service"] not in args.services:
            continue
        if args.json:
            print(json.dumps(one), flush=True)
        else:
            words = [one["time"], one["action"], one["unit"], f"on {one['node']}" if one["node"] else "", one["detail"]]
            print(" ".join(filter(None, words)), flush=True)
    return 0
