"""`pycompose engine stop`: end our engine and its keeper; with --force, with containers still running."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from ....errors import EngineError, OperationError
from .status import NotRunning, own_engine

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

STOP_TIMEOUT = 60.0
"""Seconds the engine may take to end."""


def add_arguments(parser: Parser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Stop the containers that still run")
    parser.add_argument(
        "--at-shutdown",
        action="store_true",
        help="Only while systemd ends the machine or your session: stop the containers, too, and let the next engine start those with a restart policy",
    )


def run(args: Namespace) -> int:
    import os

    if args.at_shutdown and not _is_shutdown(user=os.geteuid() != 0):
        return 0
    try:
        engine = own_engine(args)
    except NotRunning:
        return 0
    keeper = int(engine.system.engine_status().get("keeper_pid") or 0)
    try:
        handle = os.pidfd_open(keeper) if keeper else None
    except ProcessLookupError:
        handle = None
    try:
        engine.system.engine_stop(force=args.force, shutdown=args.at_shutdown)
        engine.close()
        if handle is not None and not select.select([handle], [], [], STOP_TIMEOUT)[0]:
            raise OperationError(
                f"the engine was told to stop, but its keeper (pid {keeper}) has not ended in {STOP_TIMEOUT:.0f} s"
            )
    except EngineError as error:
        hint = '; "pycompose engine restart" keeps them running' if error.status == 409 else ""
        raise OperationError(f"{error}{hint}") from error
    finally:
        if handle is not None:
            os.close(handle)
    return 0


def _is_shutdown(*, user: bool) -> bool:
    """Whether systemd, or the user's, is on its way out."""
    import subprocess

    command = ["systemctl", *(("--user",) if user else ()), "is-system-running"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "stopping"
    except OSError:
        return False
