"""`pycompose image ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....grammar.references import split_version
from ...flags.shared import add_filter
from ...session import Session
from ...show import format
from ...show.many import filters

if TYPE_CHECKING:
    from argparse import Namespace

    from ....client.bodies.images import ImageRow
    from ...flags.parser import Parser

COLUMNS = (
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("IMAGE ID", "ID"),
    ("CREATED", "CreatedSince"),
    ("SIZE", "Size"),
)
NONE = "<none>"


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag("-a", "--all", action="store_true", help="Show all images (default hides intermediate images)")
    flag("--digests", action="store_true", help="Show digests")
    add_filter(parser)
    flag("--format", metavar="FORMAT", help="table, json, 'table TEMPLATE' or TEMPLATE")
    flag("--no-trunc", action="store_true", help="Don't truncate output")
    flag("-q", "--quiet", action="store_true", help="Only show image IDs")
    parser.add_argument("repository", nargs="?", metavar="REPOSITORY[:TAG]")


def run(args: Namespace) -> int:
    wanted = filters(args.filter)
    if args.repository:
        wanted["reference"] = [args.repository]
    found = Session(args).engine.images.list(wanted, all=args.all)
    rows = [
        row
        for one in sorted(found, key=lambda one: -int(one.get("Created") or 0))
        for row in image_rows(one, args.no_trunc)
    ]
    if args.quiet:
        for ident in dict.fromkeys(row["ID"] for row in rows):
            print(ident)
        return 0
    columns = (*COLUMNS[:2], ("DIGEST", "Digest"), *COLUMNS[2:]) if args.digests else COLUMNS
    text = format.show(args.format, rows, columns)
    if text or rows:
        print(text)
    return 0


def image_rows(tree: ImageRow, full: bool) -> list[format.Row]:
    """One row per tag; a dangling image has one with ``<none>``."""
    digests = {name: digest for name, _, digest in (item.partition("@") for item in tree.get("RepoDigests") or ())}
    names = [item for item in tree.get("RepoTags") or () if item != f"{NONE}:{NONE}"]
    pairs = [split_version(name) for name in names] or [(next(iter(digests), NONE), NONE)]
    created = float(tree.get("Created") or 0)
    return [
        {
            "Containers": "N/A",
            "CreatedAt": format.moment(created),
            "CreatedSince": format.ago(created),
            "Digest": digests.get(repository, NONE),
            "ID": tree["Id"] if full else tree["Id"].removeprefix("sha256:")[:12],
            "Repository": repository,
            "SharedSize": "N/A",
            "Size": format.size(float(tree.get("Size") or 0)),
            "Tag": tag,
            "UniqueSize": "N/A",
            "VirtualSize": format.size(float(tree.get("Size") or 0), 4),
            "_labels": tree.get("Labels") or {},
        }
        for repository, tag in pairs
    ]
