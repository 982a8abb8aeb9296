"""`pycompose container cp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flags.parser import FlagError
from ...session import Session
from ..cp import split_place, warn

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-a", "--archive", action="store_true", help="Archive mode (copy all uid/gid information)")
    parser.add_argument("-L", "--follow-link", action="store_true", help="Follow symbolic links in SRC_PATH")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="Accepted for compatibility: nothing is shown anyway"
    )
    parser.add_argument("source", metavar="SRC_PATH|CONTAINER:SRC_PATH")
    parser.add_argument("destination", metavar="DEST_PATH|CONTAINER:DEST_PATH")


def run(args: Namespace) -> int:
    from ....app.copying import to_container
    from ...streams.archives import copy_out, stdin_archive

    engine = Session(args).engine
    source_container, source = split_place(args.source)
    target_container, target = split_place(args.destination)
    if source_container and target_container:
        raise FlagError("copying between containers is not supported")
    if not source_container and not target_container:
        raise FlagError("must specify at least one container source")
    follow = args.follow_link
    if source_container:
        copy_out(engine, source_container, source, target, follow=follow, remark=warn)
    elif source == "-":
        with stdin_archive(1) as blocks:
            engine.containers.put_archive(target_container, target, blocks(), copy_uid_gid=args.archive)
    else:
        to_container(engine, target_container, source, target, archive=args.archive, follow=follow, remark=warn)
    return 0
