"""`pycompose ls`: the projects that the engine has containers of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...labels import CONFIG_FILES, PROJECT, belongs
from ..flags.parser import FlagError, filter_word
from ..session import Session
from ..show import format, legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser

COLUMNS = (("NAME", "Name"), ("STATUS", "Status"), ("CONFIG FILES", "ConfigFiles"))


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="Show all stopped Compose projects")
    parser.add_argument(
        "--filter", action="append", default=[], type=filter_word, metavar="FILTER", help="Filter output (name=REGEX)"
    )
    parser.add_argument("--format", metavar="FORMAT", help="Format the output. Values: [table | json]")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only display project names")


def run(args: Namespace) -> int:
    if args.format not in (None, "table", "json"):
        raise FlagError(f'format value "{args.format}" could not be parsed: parsing failed')
    session = Session(args)
    found = session.engine.containers.list({"label": [PROJECT]}, all=args.all)
    projects: dict[str, list[tuple[str, str]]] = {}
    for one in found:
        labels = one["Labels"]
        if belongs(labels):
            files = labels.get(CONFIG_FILES) or "N/A"
            projects.setdefault(labels[PROJECT], []).append((one["State"], files))
    rows = []
    for name in sorted(projects):
        states: dict[str, int] = {}
        for state, _ in projects[name]:
            states[state] = states.get(state, 0) + 1
        files = ",".join(dict.fromkeys(path for _, listed in projects[name] for path in listed.split(",")))
        status = ", ".join(f"{state}({states[state]})" for state in sorted(states))
        rows.append({"Name": name, "Status": status, "ConfigFiles": files})
    for item in args.filter:
        import re

        key, _, value = item.partition("=")
        if key != "name":
            raise FlagError(f"invalid filter '{key}'")
        try:
            rows = [row for row in rows if re.search(value, row["Name"])]
        except re.error as error:
            raise FlagError(f"error parsing regexp: {error}: `{value}`") from None
    columns: tuple[tuple[str, str], ...] = COLUMNS
    leases = _leases(session)
    if leases:
        columns = (*COLUMNS[:2], ("LEASE", "Lease"), *COLUMNS[2:])
        for row in rows:
            row["Lease"] = leases.get(row["Name"], "")
    if args.quiet:
        for row in rows:
            print(legible.cell(row["Name"]))
    elif args.format == "json":
        print(json.dumps(rows, separators=(",", ":")))
    else:
        print(format.show("table", rows, columns, minimum=20))
    return 0


def _leases(session: Session) -> dict[str, str]:
    """Project -> the owner of its lease, when this is an engine that has leases."""
    if not session.engine.is_pycompose:
        return {}
    from ...app.leasing import owner_words

    found = session.engine.leases.list()
    return {one["Labels"][PROJECT]: owner_words(one) for one in found if PROJECT in one["Labels"]}
