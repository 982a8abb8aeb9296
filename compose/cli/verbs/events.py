"""`pycompose events`: what happens to the project's containers, as it happens."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ...labels import PROJECT, SERVICE
from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client.bodies.events import Event
    from ..flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="Output events as a stream of json objects")
    parser.add_argument("--since", metavar="TIME", help="Show all events created since timestamp")
    parser.add_argument("--until", metavar="TIME", help="Stream events until this timestamp")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from .logs import moment

    session = Session(args)
    filters = {"type": ["container"], "label": [f"{PROJECT}={session.name}"]}
    for event in session.engine.system.events(filters, moment(args.since), moment(args.until)):
        if not (event.get("Actor") or {}).get("ID"):
            continue
        attributes: dict[str, str] = event["Actor"].get("Attributes") or {}
        if args.services and attributes.get(SERVICE) not in args.services:
            continue
        print(json.dumps(as_json(event, attributes)) if args.json else as_text(event, attributes))
        sys.stdout.flush()
    return 0


def _moment(event: Event) -> str:
    from datetime import datetime

    nanoseconds = int(event.get("timeNano") or int(event.get("time") or 0) * 10**9)
    return datetime.fromtimestamp(nanoseconds / 1e9).strftime("%Y-%m-%d %H:%M:%S.%f")


def _own(attributes: dict[str, str]) -> dict[str, str]:
    return {
        key: value for key, value in attributes.items() if not key.startswith(("com.docker.compose.", "io.pycompose."))
    }


def as_text(event: Event, attributes: dict[str, str]) -> str:
    words = ", ".join(f"{key}={value}" for key, value in sorted(_own(attributes).items()))
    return legible.cell(f"{_moment(event)} container {event.get('Action')} {event['Actor']['ID']} ({words})")


def as_json(event: Event, attributes: dict[str, str]) -> dict[str, object]:
    return {
        "action": event.get("Action"),
        "attributes": _own(attributes),
        "id": event["Actor"]["ID"],
        "service": attributes.get(SERVICE, ""),
        "time": _moment(event).replace(" ", "T"),
        "type": "container",
    }
