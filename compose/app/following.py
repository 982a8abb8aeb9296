"""The output of a project's containers as it comes: a thread for each container, and those that start meanwhile join in."""

from __future__ import annotations

import codecs
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Protocol

from ..client.frames import demultiplex, raw
from ..errors import EngineError
from ..labels import ONEOFF, PROJECT, SERVICE
from ..run.lock import await_unlocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..client.bodies.containers import ContainerRow
    from ..client.bodies.events import Event
    from ..client.containers import LogWindow
    from ..client.http import Response
    from .session import Session


class Sink(Protocol):
    """Where lines go. Every method may be called from any thread."""

    def register(self, names: Iterable[str]) -> None:
        """Containers whose lines are to come, in order."""

    def lines(self, name: str, texts: Iterable[str], *, error: bool = False) -> None:
        """Lines of a container that have come together, without their ends; ``error``: of its standard error."""

    def message(self, name: str, text: str) -> None:
        """A remark about a container, such as its end."""


class LineSplitter:
    """Bytes of one container in, whole lines out; the two streams are kept apart until their lines end."""

    def __init__(self, sink: Sink, name: str) -> None:
        self._sink = sink
        self._name = name
        self._pending: dict[int, str] = {}
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}

    def feed(self, stream: int, data: bytes) -> None:
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        *lines, rest = (self._pending.get(stream, "") + decoder.decode(data)).split("\n")
        self._pending[stream] = rest
        if lines:
            self._sink.lines(self._name, [text.removesuffix("\r") for text in lines], error=stream == 2)

    def finish(self) -> None:
        for stream, rest in self._pending.items():
            if rest:
                self._sink.lines(self._name, (rest.removesuffix("\r"),), error=stream == 2)
        self._pending.clear()


class Follower:
    """One thread that takes one container's output until it ends or `close`."""

    def __init__(
        self, session: Session, container: str, name: str, sink: Sink, wanted: LogWindow, tty: bool | None = None
    ) -> None:
        """``tty``: whether the container has a terminal; None asks the engine."""
        self._session = session
        self.container = container
        self._name = name
        self._sink = sink
        self._wanted = wanted
        if tty is None:
            tty = bool((session.engine.containers.inspect(container).get("Config") or {}).get("Tty"))
        self._tty = tty
        self._response: Response | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        splitter = LineSplitter(self._sink, self._name)
        try:
            with self._session.engine.containers.log_stream(self.container, self._wanted.query()) as response:
                self._response = response
                if self._closed:  # before there was anything to close
                    return
                for stream, data in (raw if self._tty else demultiplex)(response.blocks()):
                    splitter.feed(stream, data)
        except EngineError as error:
            if not self._closed and error.status != 404:
                self._session.listener.warn(f'cannot retrieve logs for "{self._name}": {error}')
        finally:
            splitter.finish()

    def close(self) -> None:
        self._closed = True
        if self._response is not None:
            with contextlib.suppress(OSError):
                self._response.connection.socket.shutdown(socket.SHUT_RDWR)


class Following:
    """The output of a project's containers as it comes; those that start meanwhile join in."""

    def __init__(
        self,
        session: Session,
        services: Sequence[str],
        rows: Sequence[ContainerRow],
        sink: Sink,
        wanted: LogWindow,
        called: Callable[[str], str],
    ) -> None:
        """``rows`` are the containers that are there; of those that start later the ones of ``services`` count, all without any.
        ``called`` makes the name of a sink's line of a container's. The engine is asked, and told to report, from here on."""
        self._session, self._services, self._sink = session, services, sink
        self._wanted, self._called = wanted, called
        self._names = {one["Id"]: called(one["Names"][0].removeprefix("/")) for one in rows}
        self.service_of = {self._names[one["Id"]]: one["Labels"].get(SERVICE, "") for one in rows}
        """The service of each name that a line can have."""
        sink.register(self._names.values())
        self._followers = [Follower(session, id, name, sink, wanted) for id, name in self._names.items()]
        filters = {"type": ["container"], "event": ["start", "die"], "label": [f"{PROJECT}={session.name}"]}
        self._events = session.engine.system.events(filters)
        self._running = self._listed()
        self._ended: dict[str, str] = {}
        self._changed = threading.Condition()
        self._is_lost = False

    def run(self) -> None:
        """Until every container has ended, and not to start again, or `close`."""
        for follower in [*self._followers]:
            follower.start()
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._running)
            if not self._is_lost:
                await_unlocked(str(self._session.engine.endpoint.address), self._session.name)
            with self._changed:  # held, so that an end that comes after the listing is taken off what it says
                if not self._is_lost:
                    self._running |= self._listed()
                if not self._running:
                    break
        for follower in self._followers:
            follower.join()
        self._events.close()

    def close(self) -> None:
        """Let `run` end soon, from another thread."""
        self._lose()
        self._events.close()
        for follower in [*self._followers]:
            follower.close()

    def _listed(self) -> set[str]:
        return {one["Id"] for one in self._session.containers(self._services, all=False)}

    def _listen(self) -> None:
        for event in self._events:
            attributes = event.get("Actor", {}).get("Attributes") or {}
            if self._services and attributes.get(SERVICE) not in self._services:
                continue
            if attributes.get(ONEOFF) == "True":
                continue
            with self._changed:
                if self._is_lost:
                    return
                self._take(event, event.get("Actor", {}).get("ID", ""), attributes)
                self._changed.notify_all()
        self._lose()

    def _lose(self) -> None:
        """Nobody hears any more what starts and ends."""
        with self._changed:
            self._running.clear()
            self._is_lost = True
            self._changed.notify_all()

    def _take(self, event: Event, identity: str, attributes: Mapping[str, str]) -> None:
        from dataclasses import replace

        if event.get("Action") == "die":
            self._running.discard(identity)
            self._ended[identity] = f"{event.get('time', 0)}.{event.get('timeNano', 0) % 10**9:09d}"
            if identity in self._names:
                self._report_end(identity, attributes.get("exitCode"))
            return
        self._running.add(identity)
        if identity not in self._names:
            name = self._names[identity] = self._called(attributes.get("name", identity[:12]))
            self.service_of[name] = attributes.get(SERVICE, "")
            self._sink.register([name])
        wanted = replace(self._wanted, since=self._ended.get(identity), tail="all")
        follower = Follower(self._session, identity, self._names[identity], self._sink, wanted)
        self._followers.append(follower)
        follower.start()

    def _report_end(self, identity: str, code: str | None) -> None:
        for follower in self._followers:
            if follower.container == identity:
                follower.join(1.0)
        self._sink.message(self._names[identity], f"exited with code {code or 'unknown'}")
