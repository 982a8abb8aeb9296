"""Attached runs of one container: `run`, `container run`, `start -a` and `attach` share this.

Attach before the start, so that no output is lost; register the wait before the start, so that no exit code is.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ...client.terminal import DETACH_KEYS, Ends, parse_detach_keys, run_session
from ...dataclass import dataclass
from ...errors import EngineError
from ..flags.parser import FlagError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...client import Engine

UNKNOWN_EXIT = 255


def detach_keys(text: str | None) -> bytes:
    if text is None:
        return DETACH_KEYS
    try:
        return parse_detach_keys(text)
    except ValueError as error:
        raise FlagError(f"invalid detach keys ({text}): {error}") from None


_LAUNCH_FAILED = (400, 500)
"""Then a container that removes itself does so, and is waited for like one that has run."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """How one is attached. ``keys`` detach, as the user writes them; ``removes_itself``: the container goes with its end.

    With ``sig_proxy`` SIGINT and SIGTERM are passed on. With ``grace`` a program that ignores them cannot hold anything
    up: a second signal kills it, and so does a SIGTERM that it has not followed after ``grace`` seconds.
    """

    stdin: bool
    keys: str | None = None
    sig_proxy: bool = True
    removes_itself: bool = False
    grace: float | None = None


def attach_and_run(
    engine: Engine,
    container: str,
    how: Interaction,
    start: Callable[[], None] | None = None,
) -> int:
    """Attach, start, copy until the end; the container's exit code. After a detach 0 where it was started, 1 where not."""
    tty = bool((engine.containers.inspect(container).get("Config") or {}).get("Tty"))
    wait = None
    if start is not None:
        condition = "removed" if how.removes_itself else "next-exit"
        wait = engine.containers.wait_begin(container, condition)
    response = engine.containers.attach(container, stdin=how.stdin, detach_keys=how.keys)
    if start is not None:
        try:
            start()
        except EngineError as error:
            response.close()
            if wait is not None:
                if how.removes_itself and error.status in _LAUNCH_FAILED:
                    with suppress(EngineError):  # the reason is what is told
                        wait.finish()
                wait.cancel()
            raise

    def send(name: str) -> None:
        try:
            engine.containers.kill(container, name)
        except EngineError as error:
            if error.status not in (404, 409):
                raise

    timers: list[threading.Timer] = []

    def forward(number: int) -> None:
        if how.grace is None:
            send(signal.Signals(number).name)
            return
        send("SIGKILL" if timers else signal.Signals(number).name)
        timers.append(threading.Timer(how.grace, send, ["SIGKILL"]))
        timers[-1].daemon = True
        if number == signal.SIGTERM:
            timers[-1].start()

    sys.stdout.flush()
    detached = run_session(
        response,
        Ends(sys.stdin.fileno() if how.stdin else None),
        tty=tty,
        resize=partial(engine.containers.resize, container) if tty else None,
        detach_keys=detach_keys(how.keys),
        on_signal=forward if how.sig_proxy and not tty else None,
    )
    for timer in timers:
        timer.cancel()
    if detached:
        if wait is None:
            print("read escape sequence", file=sys.stderr)
            return 1
        wait.cancel()
        return 0
    return wait.finish() if wait is not None else ended_with(engine, container)


def ended_with(engine: Engine, container: str) -> int:
    """The exit code of a container whose output has just ended."""
    try:
        return engine.containers.wait(container)
    except EngineError as error:
        if error.status != 404:
            raise
        return UNKNOWN_EXIT
