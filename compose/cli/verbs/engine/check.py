"""`pycompose engine check`: what protects this host from its containers, what does not, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ....errors import OperationError
from ...flags.parser import FlagError
from ...session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="pretty or json")


def run(args: Namespace) -> int:
    """1 when something is bad, which means a way out of a container or into the engine."""
    if args.format not in (None, "pretty", "json"):
        raise FlagError(f"invalid format {args.format!r}: pretty or json")
    engine = Session(args).engine
    if not engine.is_pycompose:
        raise OperationError(f"the engine at {engine.endpoint.address} is not pycompose's own")
    findings = engine.system.engine_check()
    if args.format == "json":
        print(json.dumps(findings))
    else:
        for finding in findings:
            print(f"{finding['state']:<5} {finding['name'] + ':':<18}{finding['found']}")
            if finding["remedy"]:
                print(f"{'':<24}{finding['remedy']}")
    return int(any(finding["state"] == "bad" for finding in findings))
