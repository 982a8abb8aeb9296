"""`pycompose system events`: everything that happens in the engine, as it happens."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ...flags.parser import FlagError
from ...flags.shared import add_filter
from ...session import Session
from ...show import legible
from ...show.many import filters

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from ....client.bodies.events import Event
    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    add_filter(parser)
    flag("--format", metavar="FORMAT", help="json or TEMPLATE")
    flag("--since", metavar="TIME", help="Show all events created since timestamp")
    flag("--until", metavar="TIME", help="Stream events until this timestamp")


def run(args: Namespace) -> int:
    from ..logs import moment

    show = _shower(args.format)
    for event in Session(args).engine.system.events(filters(args.filter), moment(args.since), moment(args.until)):
        print(show(event))
        sys.stdout.flush()
    return 0


def _shower(form: str | None) -> Callable[[Event], str]:
    if form == "json":
        import json

        return lambda event: legible.json(json.dumps(event, separators=(",", ":"), ensure_ascii=False))
    if not form:
        return as_text
    from ...show.gotemplate import Template, TemplateError

    try:
        template = Template(form)
    except TemplateError as error:
        raise FlagError(f"Error parsing format: {error}") from None

    def render(event: Event) -> str:
        try:
            return template.render({**event, "Time": event.get("time"), "TimeNano": event.get("timeNano")})
        except TemplateError as error:
            raise FlagError(f"Error executing template: {error}") from None

    return render


def as_text(event: Event) -> str:
    """``TIME TYPE ACTION ID (key=value, …)``."""
    nanoseconds = int(event.get("timeNano") or int(event.get("time") or 0) * 10**9)
    seconds, rest = divmod(nanoseconds, 10**9)
    local = time.localtime(seconds)
    zone = "Z" if not local.tm_gmtoff else time.strftime("%z", local)
    if len(zone) == 5:
        zone = f"{zone[:3]}:{zone[3:]}"
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    words = f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{rest:09d}{zone} {event.get('Type')} {event.get('Action')}"
    text = f"{words} {actor.get('ID', '')}"
    if attributes:
        text += f" ({', '.join(f'{key}={attributes[key]}' for key in sorted(attributes))})"
    return legible.cell(text)
