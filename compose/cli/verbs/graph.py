"""`pycompose graph`: services, networks and volumes with their live state, as text, Mermaid or SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...app.session import require_services
from ...errors import EngineError
from ..flags.parser import FlagError
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace

    from ...plan.observe import ObservedContainer
    from ..flags.parser import Parser

FORMATS = ("text", "mermaid", "svg", "json")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--format", default="text", metavar="FORMAT", help=f"One of {', '.join(FORMATS)}")
    parser.add_argument("--offline", action="store_true", help="Do not ask the engine for the live state")
    parser.add_argument("-o", "--output", metavar="FILE", help="Write to a file")
    parser.add_argument("services", nargs="*", metavar="SERVICE")


def run(args: Namespace) -> int:
    from ...plan.graph import check, closure
    from ...plan.observe import list_containers
    from ..streams.blocks import write_blocks

    if args.format not in FORMATS:
        raise FlagError(f"invalid format {args.format!r}: one of {', '.join(FORMATS)}")
    session = Session(args)
    project = session.project.with_jobs(*session.project.jobs)
    require_services(args.services, list(project.services))
    check(project)
    names = closure(project.services, args.services or list(project.services))
    containers: tuple[ObservedContainer, ...] = ()
    if not args.offline:
        try:
            containers = list_containers(session.engine, project.name)
        except EngineError:
            containers = ()
    from ..show import drawing

    drawn = drawing.draw(project, names, containers, args.format)
    if args.output:
        write_blocks([drawn.encode()], args.output)
    else:
        print(drawn, end="" if drawn.endswith("\n") else "\n")
    return 0
