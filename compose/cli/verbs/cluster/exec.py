"""`pycompose exec --to`: a command in a running task or pod of a service, whatever node it is on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ....errors import OperationError
from ...flags.parser import FlagError
from .opening import for_verb

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    from ....deploy.kubernetes.backend import KubernetesBackend
    from ....deploy.swarm.backend import SwarmBackend

    if not args.command:
        raise FlagError("\"pycompose exec\" requires at least 2 arguments.\nSee 'pycompose exec --help'.")
    if args.dry_run:
        raise OperationError("exec on a cluster cannot be tried without doing it")
    _, backend = for_verb(args)
    tty = not args.no_tty and not args.detach and sys.stdin.isatty() and sys.stdout.isatty()
    if isinstance(backend, SwarmBackend):
        from ..exec import execute

        engine, container = backend.container(args.service, args.index)
        return execute(engine, container, args, tty=tty)
    refused = [
        name for name, value in (("-d", args.detach), ("--privileged", args.privileged), ("-u", args.user)) if value
    ]
    if refused:
        raise FlagError(f"Kubernetes runs a command as the container itself does: {', '.join(refused)} cannot be had")
    assert isinstance(backend, KubernetesBackend)
    from ....deploy.kubernetes.session import NotRun

    stdin = sys.stdin.fileno() if args.interactive else None
    sys.stdout.flush()
    try:
        return backend.execute(args.service, args.index, _command(args), stdin, tty=tty)
    except NotRun as error:
        print(error, file=sys.stderr)
        return error.code


def _command(args: Namespace) -> list[str]:
    """Variables and a directory are what a shell sets before the command: the API has no field for them."""
    command = list(args.command)
    if args.env:
        from ..exec import exec_environment

        command = ["env", *(f"{key}={value}" for key, value in exec_environment(args.env).items()), *command]
    if args.workdir:
        command = ["sh", "-c", 'cd "$0" && exec "$@"', args.workdir, *command]
    return command
