"""`pycompose plan`: what `up` would do, and why. Exit code 0: nothing, 2: changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..flags.parser import FlagError, integer
from ..session import Session
from ..show import legible

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client.bodies.containers import Container
    from ...model import Project
    from ...plan.ops import Operation
    from ..flags.parser import Parser

CHANGES = 2


def add_arguments(parser: Parser) -> None:
    from ..flags.parser import Parser as Flags
    from . import up

    of_up = Flags("pycompose up", "")
    up.add_arguments(of_up)
    words = {name: action.help for name, action in of_up.flags().items()}
    flag = parser.add_argument
    for name in ("always-recreate-deps", "build", "force-recreate", "no-build", "no-deps", "no-recreate", "no-start"):
        flag(f"--{name}", action="store_true", help=words[f"--{name}"])
    flag("--format", metavar="FORMAT", help="text (default) or json")
    flag("--pull", metavar="POLICY", help=words["--pull"])
    flag("--remove-orphans", action="store_true", help=words["--remove-orphans"])
    flag("-V", "--renew-anon-volumes", action="store_true", help=words["--renew-anon-volumes"])
    flag("--scale", action="append", default=[], metavar="SERVICE=NUM", help=words["--scale"])
    flag("--steps", action="store_true", help="Show every operation, also those of one replacement")
    flag("-t", "--timeout", metavar="SECONDS", type=integer, help=words["--timeout"])
    flag("--wait", action="store_true", help=words["--wait"])
    parser.add_argument("services", nargs="*", metavar="SERVICE")


class _Values:
    """What fields were and will be, for containers that are replaced. Asks the engine once for each of them."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session = session
        self._project = project
        self._details: dict[str, Container] = {}

    def of(self, operation: Operation, field: str) -> str:
        """``old → new``, or "" where the engine does not know what it was."""
        from ...load.explain import mask, parse_path
        from ...plan.ops import CreateContainer
        from ...plan.text import recorded_value

        if not isinstance(operation, CreateContainer) or not operation.replaces:
            return ""
        path = parse_path(field)
        service = self._project.services[operation.service]
        new: object = service
        for part in path:
            if isinstance(new, Mapping):
                new = new.get(str(part))
            elif isinstance(new, list) and isinstance(part, int) and part < len(new):
                new = new[part]
            else:
                new = None
        if operation.replaces not in self._details:
            self._details[operation.replaces] = self._session.engine.containers.inspect(operation.replaces)
        old = recorded_value(self._details[operation.replaces], service, path)
        if (old is None and new is None) or isinstance(new, (Mapping, list)):
            return ""
        whole = ("services", operation.service, *path)
        return " → ".join("(unset)" if one is None else str(mask(whole, one)) for one in (old, new))


def run(args: Namespace) -> int:
    from ...app.planning import plan_up
    from ...plan.text import outline
    from .up import up_options

    if args.format not in (None, "text", "json"):
        raise FlagError(f"invalid format {args.format!r}: text or json")
    session = Session(args)
    plan = plan_up(session, up_options(args))
    if args.format == "json":
        print(json.dumps(plan.tree(), indent=2))
    else:
        print(plan.text() if args.steps else outline(plan, _Values(session, session.project).of), end="")
        for warning in plan.warnings:
            legible.complain(f"warning: {warning}")
    return 0 if plan.empty else CHANGES
