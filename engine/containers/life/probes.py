"""Making the probes of health checks: a command in the container, or what the engine does itself in its network namespace.

    command   execs.capture             HTTP, TCP   a socket of the container's namespace, used from the engine's loop
    LOG       the log file, followed     NOTIFY      a datagram socket bound in that namespace before the program starts

LOG and NOTIFY wait for an event and are over with the first success of a run. When a probe is due is health.py.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ...errors import EngineError
from ...linux.process import is_ending
from ..spec import probing
from . import netprobe, notified
from .healthstate import Probe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ...runtime.logread import Entry, Notify
    from ..spec.healthcheck import Check
    from ..view.logfeed import Feed
    from .container import Container
    from .service import Containers

OUTPUT_LIMIT = 4096


class Prober(Protocol):
    """Makes the probes of one run of a container. ``once``: the first success holds for the whole run."""

    once: bool

    async def due(self, over: Callable[[], bool]) -> None:
        """Wait until ``over`` holds, or until the event is there that a prober waits for."""

    async def probe(self) -> Probe | None:
        """Probe now; None when the container has gone meanwhile."""


@asynccontextmanager
async def opened(containers: Containers, container: Container, check: Check) -> AsyncIterator[Prober]:
    match check.own:
        case None:
            yield _Command(containers, container, check)
        case probing.HttpProbe() | probing.TcpProbe() as target:
            yield _Net(containers, container, target, check.timeout)
        case probing.NotifyProbe():
            yield _Notified(containers, container)
        case probing.LogProbe() as wanted:
            # What view shows of a log is read by whom this module is loaded.
            from ...runtime.logread import LogReader
            from ..view.logfeed import reading

            directory = str(containers.layout.container_state(container.id) / "log")
            since = container.state.started_at

            def make(notify: Notify | None) -> LogReader:
                return LogReader(directory, since=since, follow=notify)

            async with reading(containers, make, follow=True) as feed:
                yield _Logged(container, feed, wanted)


def _result(start: int, failure: str | None, success: str = "") -> Probe:
    text = success if failure is None else failure
    return Probe(start, time.time_ns(), 0 if failure is None else 1, text[:OUTPUT_LIMIT])


class _Command:
    once = False

    def __init__(self, containers: Containers, container: Container, check: Check) -> None:
        self._containers, self._container, self._check = containers, container, check

    async def due(self, over: Callable[[], bool]) -> None:
        await self._container.until(over)

    async def probe(self) -> Probe | None:
        from . import execs

        start, patience = time.time_ns(), self._check.timeout
        try:
            code, output = await execs.capture(
                self._containers, self._container, self._check.command, limit=OUTPUT_LIMIT, patience=patience
            )
        except TimeoutError:
            return Probe(start, time.time_ns(), -1, f"Health check exceeded timeout ({go_duration(patience)})")
        except execs.ExecFailed as error:
            if _is_over(self._container):
                return None
            return Probe(start, time.time_ns(), -1, str(error)[:OUTPUT_LIMIT])
        except execs.ContainerGone:
            return None
        if code != 0 and _is_over(self._container):
            return None
        return Probe(start, time.time_ns(), code, output.decode(errors="replace"))


class _Net:
    once = False

    def __init__(
        self,
        containers: Containers,
        container: Container,
        target: probing.HttpProbe | probing.TcpProbe,
        patience: float,
    ) -> None:
        self._containers, self._container, self._target, self._patience = containers, container, target, patience

    async def due(self, over: Callable[[], bool]) -> None:
        await self._container.until(over)

    async def probe(self) -> Probe | None:
        start = time.time_ns()
        try:
            answer = await netprobe.probe(self._containers, self._container, self._target, self._patience)
        except ProcessLookupError:
            return None
        except TimeoutError:
            return Probe(start, time.time_ns(), -1, f"Health check exceeded timeout ({go_duration(self._patience)})")
        if answer.failure is not None and _is_over(self._container):
            return None
        return _result(start, answer.failure, answer.words)


class _Logged:
    once = True

    def __init__(self, container: Container, feed: Feed, wanted: probing.LogProbe) -> None:
        self._container, self._feed, self._wanted = container, feed, wanted
        self._matches = wanted.matcher()
        self._found = b""
        self._seen = time.time_ns()

    async def due(self, over: Callable[[], bool]) -> None:
        while not over():
            while not self._found and await self._feed.take(self._look):
                pass
            if self._found:
                return
            await self._feed.grown_or(self._container, over)

    def _look(self, entries: list[Entry]) -> bytes:
        """Remember the first line that matches; what is returned only says that there were lines."""
        if not self._found:
            self._found = next((entry.data for entry in entries if self._matches(entry.data)), b"")
        return b"read"

    async def probe(self) -> Probe | None:
        start, self._seen = self._seen, time.time_ns()
        what = f"line {self._wanted.line!r}" if self._wanted.line else f"regex {self._wanted.regex!r}"
        failure = None if self._found else f"no line of output matches {what} yet"
        return _result(start, failure, self._found.decode(errors="replace"))


class _Notified:
    once = True

    def __init__(self, containers: Containers, container: Container) -> None:
        self._containers, self._container = containers, container
        self._ready = False
        self._failure = "READY=1 has not come yet"
        self._seen = time.time_ns()

    async def due(self, over: Callable[[], bool]) -> None:
        try:
            inbox = await notified.ensure(self._containers, self._container)
        except ProcessLookupError:
            inbox = None
        except EngineError as error:
            self._failure, inbox = str(error), None
        while inbox is not None and not inbox.closed and not over():
            if inbox.take():
                self._ready = True
                return
            await inbox.more_or(partial(self._container.until, over))
        await self._container.until(over)

    async def probe(self) -> Probe | None:
        start, self._seen = self._seen, time.time_ns()
        inbox = self._container.inbox
        words = f"; its status: {inbox.status}" if inbox is not None and inbox.status else ""
        failure = inbox.doubted if inbox is not None and inbox.doubted else self._failure
        return _result(start, None if self._ready else f"{failure}{words}", f"READY=1{words}")


def _is_over(container: Container) -> bool:
    """Whether the container's first process has ended, which takes a probe along before anyone has told of it."""
    return is_ending(container.state.pid, container.state.pid_starttime)


def go_duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes or hours else ""
    return text + f"{rest:g}s"
