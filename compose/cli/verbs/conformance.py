"""`pycompose conformance`: which Compose keys are supported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...errors import ComposeError

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser


TARGETS = ("swarm", "kubernetes")


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--format", default="text", metavar="FORMAT", help="Format the output. Values: [text | json | markdown]"
    )
    parser.add_argument(
        "--status", default="", metavar="STATUS", help="Only keys that are supported, refused or ignored"
    )
    parser.add_argument("--to", default="", metavar="KIND", help="On a cluster: swarm or kubernetes")
    parser.add_argument("key", nargs="*", metavar="KEY")


def run(args: Namespace) -> int:
    from ...deploy.columns import columns
    from ...load.conformance import STATUSES, Entry, table

    if args.format not in ("text", "json", "markdown"):
        raise ComposeError(f'unsupported format "{args.format}"')
    if args.status and args.status not in STATUSES:
        raise ComposeError(f'unknown status "{args.status}": {", ".join(STATUSES)} are known')
    if args.to not in ("", *TARGETS):
        raise ComposeError(f'unknown target "{args.to}": {", ".join(TARGETS)} are known')
    clusters = columns()
    entries = list(table())
    if args.to:
        entries = [Entry(one.key, *clusters[one.key][args.to]) for one in entries]
    entries = [entry for entry in entries if not args.status or entry.status == args.status]
    if args.key:
        entries = [entry for entry in entries if any(_matches(entry.key, wanted) for wanted in args.key)]
        if not entries:
            raise ComposeError(f"no key {', '.join(args.key)}")
    if args.format == "json":
        rows = [
            {"key": entry.key, "status": entry.status, "reason": entry.note}
            | {kind: str(clusters[entry.key][kind]) for kind in TARGETS if not args.to}
            for entry in entries
        ]
        print(json.dumps(rows, indent=2))
        return 0
    if args.format == "markdown":
        print(f"| key | status | reason | {' | '.join(TARGETS)} |\n|---|---|---|---|---|")
        for entry in entries:
            cells = (str(clusters[entry.key][kind]) for kind in TARGETS)
            print(f"| `{entry.key}` | {entry.status} | {entry.note} | {' | '.join(cells)} |")
        return 0
    width = max(len(entry.key) for entry in entries)
    for entry in entries:
        print(f"{entry.key:{width}}  {entry.status:9}  {entry.note}".rstrip())
    counts = {status: sum(entry.status == status for entry in entries) for status in STATUSES}
    print(", ".join(f"{count} {status}" for status, count in counts.items() if count))
    return 0


def _matches(key: str, wanted: str) -> bool:
    """Whether ``wanted`` is the key, one above it, or the last part of its name."""
    return key == wanted or key.startswith(f"{wanted}.") or key.rpartition(".")[2] == wanted
