"""`pycompose graph --to`: services, networks and volumes with the state that they have on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....app.session import require_services
from ....errors import ComposeError
from ....plan.graph import check, closure
from ....plan.observe import ObservedContainer
from ...flags.parser import FlagError
from ...show.drawing import draw
from ...streams.blocks import write_blocks
from ..graph import FORMATS
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace

    from ....deploy.units import Unit

_STATES = {"complete": "exited", "failed": "exited", "rejected": "dead", "lost": "dead"}
"""Words of tasks and pods as those of containers, which decide about colours."""


def run(args: Namespace) -> int:
    if args.format not in FORMATS:
        raise FlagError(f"invalid format {args.format!r}: one of {', '.join(FORMATS)}")
    session, backend = for_verb(args)
    project = session.project
    require_services(args.services, list(project.services))
    check(project)
    names = closure(project.services, args.services or list(project.services))
    found: list[Unit] = []
    if not args.offline:
        try:
            found = backend.units()
        except ComposeError:
            found = []
    drawn = draw(
        project, names, [_container(one) for one in found if not one.over or one.state == "complete"], args.format
    )
    if args.output:
        write_blocks([drawn.encode()], args.output)
    else:
        print(drawn, end="" if drawn.endswith("\n") else "\n")
    return 0


def _container(unit: Unit) -> ObservedContainer:
    return ObservedContainer(unit.id, unit.name, unit.service, 1, state=_STATES.get(unit.state, unit.state))
