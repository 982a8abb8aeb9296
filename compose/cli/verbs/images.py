"""`pycompose images`: the images that the project's containers were made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ....grammar.references import split_version
from ...client import NotFound
from ..flags.parser import FlagError
from ..session import Session
from ..show import format

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser

COLUMNS = (
    ("CONTAINER", "ContainerName"),
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("IMAGE ID", "_short"),
    ("SIZE", "_size"),
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", metavar="FORMAT", help="Format the output. Values: [table | json]")
    parser.add_argument("-q", "--quiet", action="store_true", help="Only display IDs")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    if args.format not in (None, "table", "json"):
        raise FlagError(f'format value "{args.format}" could not be parsed: table or json')
    session = Session(args)
    rows = []
    for one in session.containers(args.services, oneoff=True):
        try:
            image = session.engine.images.inspect(one["ImageID"])
        except NotFound:
            image = {"Id": one["ImageID"], "Size": 0, "RepoTags": []}
        tags = image.get("RepoTags") or []
        ref = one["Image"] if one["Image"] in tags or not tags else tags[0]
        repository, tag = split_version(ref) if not ref.startswith("sha256:") else ("<none>", "<none>")
        rows.append(
            {
                "ID": image["Id"],
                "ContainerName": one["Names"][0].removeprefix("/"),
                "Repository": repository,
                "Tag": tag,
                "Size": image.get("Size") or 0,
                "_short": image["Id"].removeprefix("sha256:")[:12],
                "_size": format.size(float(image.get("Size") or 0)),
            }
        )
    if args.quiet:
        for ident in dict.fromkeys(str(row["ID"]) for row in rows):
            print(ident.removeprefix("sha256:"))
    elif args.format == "json":
        print(json.dumps([{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]))
    else:
        print(format.show("table", rows, COLUMNS, minimum=20))
    return 0
