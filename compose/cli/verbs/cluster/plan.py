"""`pycompose plan --to`: what `deploy` would change on a cluster, and why. Exit code 0: nothing, 2: changes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ....deploy.conformance import check_supported
from ....deploy.images import as_deployed, look_up
from ....deploy.jobs import with_scheduled
from ....deploy.plan import Options
from ....deploy.target import KUBERNETES
from ...flags.parser import FlagError
from ...session import Session
from ..plan import CHANGES
from .opening import ask_images, open_backend, target_of

if TYPE_CHECKING:
    from argparse import Namespace

    from ....run.events import Event


def run(args: Namespace) -> int:
    if args.format not in (None, "text", "json"):
        raise FlagError(f"invalid format {args.format!r}: text or json")
    session = Session(args)
    target = target_of(session, args.to)
    project = with_scheduled(session.project) if target.kind == KUBERNETES else session.project
    backend = open_backend(session, target)
    if target.kind == KUBERNETES:
        ask_images(session, project, backend, is_built=False)
    for diagnostic in check_supported(project, target.kind, backend):
        print(f"warning: {diagnostic}", file=sys.stderr)

    def tell(event: Event) -> None:
        print(f"warning: {event.id} {getattr(event, 'detail', '')}", file=sys.stderr)

    known = as_deployed(project, target.registry, backend.images())
    images = look_up(project, known, target.registry, backend.lookup, tell)
    plan = backend.plan(project, images, Options())
    print(json.dumps(plan.tree(), indent=2) if args.format == "json" else plan.text(), end="")
    return 0 if plan.empty else CHANGES
