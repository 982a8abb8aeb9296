"""`pycompose scale --to`: the number of a service's tasks or pods, until the next deploy says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.scale import parse_scale
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    counts = parse_scale(args.items)
    _, backend = for_verb(args)
    if args.dry_run:
        print("\n".join(f"DRY-RUN MODE -  Service {name} would be scaled to {count}" for name, count in counts.items()))
        return 0
    backend.scale(counts)
    return 0
