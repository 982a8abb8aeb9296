"""`pycompose run --to`: a one-off command on a cluster, as a job of a service's image, networks, volumes, secrets and configs."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from ....app.oneoff import overridden
from ....app.session import require_services
from ....deploy.conformance import check_supported
from ....deploy.images import as_deployed, look_up
from ....deploy.plan import Options
from ....deploy.report import failure_report
from ....deploy.run import FAILED, run_plan
from ....deploy.target import KUBERNETES
from ....errors import UsageError
from ...jobs import check_by_hand
from ...session import Session
from ..run import one_off_options
from .opening import ask_users, open_backend, target_of

if TYPE_CHECKING:
    from argparse import Namespace

    from ....model import Project
    from ....run.events import Event

APPLY_TIMEOUT = 60.0


def run(args: Namespace) -> int:
    refused = [
        flag
        for flag, value in (("--publish", args.publish), ("--service-ports", args.service_ports), ("-t", args.tty))
        if value
    ]
    if refused:
        raise UsageError(f"on a cluster run cannot do {', '.join(refused)}")
    session = Session(args)
    base = session.project
    if args.service in base.jobs:
        check_by_hand(base, args, args.service)
        base = base.with_jobs(args.service)
    require_services([args.service], list(base.services))
    target = target_of(session, args.to)
    backend = open_backend(session, target)
    name = f"{args.service}-run-{secrets.token_hex(3)}"
    project = _one_off(base, args, name)
    if target.kind == KUBERNETES:
        ask_users(session, project, backend, is_built=True)
    check_supported(project, target.kind, backend)
    known = as_deployed(base, target.registry, backend.images())
    images = look_up(
        project, {name: known[args.service]} if args.service in known else {}, target.registry, backend.lookup, _tell
    )
    plan = backend.plan(project, images, Options(wait=False, prune=False))
    if args.dry_run:
        print(plan.text(), end="")
        return 0
    try:
        outcomes = run_plan(plan, backend.hands(project), lambda event: None, APPLY_TIMEOUT)
        if any(one.state == FAILED for one in outcomes.values()):
            print(failure_report(plan, outcomes), file=sys.stderr)
            return 1
        if args.detach:
            print(name)
            return 0
        return backend.follow(name, _line)
    finally:
        if not args.detach:
            backend.remove(name)


def _one_off(project: Project, args: Namespace, name: str) -> Project:
    """The project with the job alone: other services stay as they are, and are reached by name."""
    service = overridden(project, args.service, one_off_options(args))
    service["deploy"] = {**service.get("deploy", {}), "mode": "replicated-job"}
    service.pop("build", None)
    service.pop("triggers", None)
    service.pop("depends_on", None)
    service.setdefault("image", f"{project.name}-{args.service}")
    return replace(project, services={name: service})


def _line(name: str, text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout, flush=True)


def _tell(event: Event) -> None:
    print(f"warning: {event.id} {getattr(event, 'detail', '')}", file=sys.stderr)
