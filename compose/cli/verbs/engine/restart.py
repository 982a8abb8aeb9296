"""`pycompose engine restart`: end engine and keeper and start those that are installed now. Containers go on."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

from ....client import choose, connect
from ....errors import OperationError
from .status import NotRunning, own_engine
from .stop import STOP_TIMEOUT

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser


def add_arguments(parser: Parser) -> None:
    """There are none."""


def run(args: Namespace) -> int:
    try:
        engine = own_engine(args)
    except NotRunning:
        pass
    else:
        keeper = int(engine.system.engine_status().get("keeper_pid") or 0)
        engine.close()
        _end(keeper)
    engine = connect(choose(os.environ, os.geteuid(), args.host, args.root))
    status = engine.system.engine_status()
    print(
        f"engine {status['version']} runs (pid {status['pid']}), containers running: {status['containers']['running']}"
    )
    return 0


def end_for_service(args: Namespace) -> None:
    """End an engine that a command has started, since a service is to run it from now on. Containers go on."""
    try:
        engine = own_engine(args)
    except NotRunning:
        return
    keeper = int(engine.system.engine_status().get("keeper_pid") or 0)
    engine.close()
    if not _is_of_service(keeper):
        _end(keeper)


def _is_of_service(keeper: int) -> bool:
    try:
        with open(f"/proc/{keeper}/cmdline", "rb") as file:
            return b"--foreground" in file.read().split(b"\0")
    except OSError as error:
        raise OperationError(f"the engine's keeper (pid {keeper}) cannot be looked at: {error.strerror}") from error


def _end(keeper: int) -> None:
    """SIGTERM lets the engine finish its requests and leaves containers alone. Raises `OperationError`."""
    try:
        handle = os.pidfd_open(keeper)
    except OSError as error:
        raise OperationError(
            f"the engine's keeper (pid {keeper}) cannot be restarted from here: {error.strerror}"
        ) from error
    try:
        if _is_of_service(keeper):
            raise OperationError(
                f"the engine's keeper (pid {keeper}) was started by `engine run`: restart the service that runs it"
            )
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], STOP_TIMEOUT)[0]:
            raise OperationError(f"the engine's keeper (pid {keeper}) has not ended in {STOP_TIMEOUT:.0f} s")
    except OSError as error:
        raise OperationError(f"the engine's keeper (pid {keeper}) cannot be restarted: {error.strerror}") from error
    finally:
        os.close(handle)
