"""`pycompose search`: images of Docker Hub, or of the registry that the term begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...credentials.lookup import registry_auth
from ..flags.parser import integer
from ..flags.shared import add_filter
from ..session import Session
from ..show import format
from ..show.many import filters

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser

COLUMNS = (("NAME", "Name"), ("DESCRIPTION", "Description"), ("STARS", "StarCount"), ("OFFICIAL", "IsOfficial"))


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    add_filter(parser)
    flag("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    flag("--limit", type=integer, metavar="N", help="Max number of search results")
    flag("--no-trunc", action="store_true", help="Don't truncate output")
    parser.add_argument("term")


def run(args: Namespace) -> int:
    engine = Session(args).engine
    found = engine.images.search(args.term, filters(args.filter), args.limit, registry_auth(args.term))
    rows = [
        {
            "Description": _description(str(one.get("description") or ""), args.no_trunc),
            "IsAutomated": "[OK]" if one.get("is_automated") else "",
            "IsOfficial": "[OK]" if one.get("is_official") else "",
            "Name": one.get("name") or "",
            "StarCount": str(one.get("star_count") or 0),
        }
        for one in sorted(found, key=lambda one: -int(one.get("star_count") or 0))
    ]
    text = format.show(args.format, rows, COLUMNS)
    if text or rows:
        print(text)
    return 0


def _description(text: str, full: bool) -> str:
    line = " ".join(text.split("\n"))
    return line if full else format.shorten(line, 45)
