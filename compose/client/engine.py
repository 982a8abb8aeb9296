"""The Docker Engine API as typed calls, for any engine that speaks it.

`Engine` holds the connections and the negotiated version; the calls are grouped by noun (``engine.containers.list()``),
one file each. Synchronous and thread-safe: the executor calls it from worker threads, and the quick verbs straight.
Answers are the API's own JSON objects, with the types of `bodies`; nothing here decides anything.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, TypeVar, cast

from ..errors import EngineError
from .answers import check, decoded
from .caller import Request
from .frames import json_lines
from .http import Connection, ConnectionLost, Refused, Response, target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .answers import Shape
    from .containers import Containers
    from .endpoint import Endpoint
    from .execs import Execs
    from .images import Images
    from .jobs import Jobs
    from .leases import Leases
    from .networks import Networks
    from .snapshots import Snapshots
    from .swarm import Swarm
    from .system import System
    from .volumes import Volumes

T = TypeVar("T")

NEWEST = (1, 47)
"""The newest API version this client knows; an older engine is spoken to in its own."""

STARTING_PAUSE = 0.02
"""Seconds between tries of a socket that another command is about to open."""

STARTING_TRIES = 25
"""So many tries for whoever holds the engine's lock; then it is seen whether somebody still does."""

STARTING_PATIENCE = 60.0
"""Seconds for all of it."""

FOREIGN_WORDS = 300
"""So many characters of an error that is no JSON are shown."""

LEAVING_TRIES = 4
"""How often to ask again when a new connection breaks before the answer."""


class NotFound(EngineError):
    """The object does not exist (404)."""


class Conflict(EngineError):
    """The object is in the wrong state, or the name is taken (409)."""


def _error(status: int, message: str) -> EngineError:
    kind = {404: NotFound, 409: Conflict}.get(status, EngineError)
    return kind(message, status)


class Engine:
    """A client for the engine at ``endpoint``. ``start`` is called when nobody listens there, to bring one up;
    ``last_words`` gives the end of its log when it breaks off before its first answer."""

    def __init__(
        self, endpoint: Endpoint, start: Callable[[], None] | None = None, last_words: Callable[[], str] | None = None
    ) -> None:
        self.endpoint = endpoint
        self._start = start
        self._last_words = last_words
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._ping: dict[str, str] = {}
        self.greeted: Callable[[Mapping[str, str]], None] | None = None
        """Called once with the headers of the engine's first answer."""

        self.lease = ""
        """The lease that everything this client starts falls under: its end breaks pulls and builds off as well."""

    # -- nouns: imported when used, so that `ps` does not pay for archives and execs

    @property
    def containers(self) -> Containers:
        from .containers import Containers

        return Containers(self)

    @property
    def images(self) -> Images:
        from .images import Images

        return Images(self)

    @property
    def networks(self) -> Networks:
        from .networks import Networks

        return Networks(self)

    @property
    def volumes(self) -> Volumes:
        from .volumes import Volumes

        return Volumes(self)

    @property
    def execs(self) -> Execs:
        from .execs import Execs

        return Execs(self)

    @property
    def leases(self) -> Leases:
        from .leases import Leases

        return Leases(self)

    @property
    def jobs(self) -> Jobs:
        from .jobs import Jobs

        return Jobs(self)

    @property
    def snapshots(self) -> Snapshots:
        from .snapshots import Snapshots

        return Snapshots(self)

    @property
    def swarm(self) -> Swarm:
        from .swarm import Swarm

        return Swarm(self)

    @property
    def system(self) -> System:
        from .system import System

        return System(self)

    # -- version

    @property
    def version(self) -> tuple[int, int]:
        """The API version spoken: the engine's own or `NEWEST`, whichever is older."""
        if self._version is None:
            try:
                with self.send(Request("GET", "/_ping", versioned=False, timeout=30.0)) as response:
                    response.read()
            except ConnectionLost as error:
                raise EngineError(f"{error}{self._last_words() if self._last_words is not None else ''}") from error
            if response.status != 200:
                raise EngineError(
                    f"{self.endpoint.address} does not answer like a Docker engine (HTTP {response.status})"
                )
            self._ping = response.headers
            major, _, minor = response.headers.get("api-version", "1.24").partition(".")
            try:
                self._version = min(NEWEST, (int(major), int(minor)))
            except ValueError as error:
                raise EngineError(f"{self.endpoint.address} names no API version") from error
            if self.greeted is not None:
                self.greeted(self._ping)
        return self._version

    @property
    def is_pycompose(self) -> bool:
        """Whether this is our own engine, which has calls under /pycompose."""
        self.version  # noqa: B018  (fills the ping's headers)
        return self._ping.get("server", "").lower().startswith("pycompose")

    # -- calls

    def ask(self, request: Request, shape: Shape[T]) -> T:
        """One exchange: the decoded JSON answer, which is of ``shape`` or `EngineError` is raised. None stands for no answer
        (204, 304)."""
        with self.send(request) as response:
            data = response.read()
        self._check(response, data)
        if not data or response.status in (204, 304):
            return check(None, str(request), shape)
        if not response.headers.get("content-type", "").startswith("application/json"):
            return check(data.decode("utf-8", "replace"), str(request), shape)
        return decoded(data, str(request), shape)

    def call(self, request: Request) -> None:
        """One exchange of which only counts that it is done: what else the answer says is nobody's, and not looked at. Raises
        `EngineError`."""
        with self.send(request) as response:
            self._check(response, response.read())

    def stream(self, request: Request) -> Response:
        """An exchange whose answer is read piece by piece, however long that takes; close it, or read it to the end."""
        response = self._exchange(request, None)
        if response.status >= 400:
            with response:
                data = response.read()
            self._check(response, data)
        return response

    def lines(self, request: Request, shape: Shape[T]) -> Iterator[T]:
        """JSON lines as they arrive. An object with ``error`` ends the stream with `EngineError`."""
        with self.stream(request) as response:
            for item in json_lines(response.blocks()):
                if "error" in item:
                    detail = item.get("errorDetail")
                    message = detail.get("message") if isinstance(detail, dict) else None
                    raise EngineError(str(message or item["error"]))
                yield check(item, str(request), shape)

    def send(self, request: Request) -> Response:
        """The answer's head, whatever its status."""
        return self._exchange(request, request.timeout)

    def _exchange(self, request: Request, timeout: float | None) -> Response:
        path = request.path
        if request.versioned:
            major, minor = self.version
            path = f"/v{major}.{minor}{path}"
        headers = dict(request.headers or {})
        if self.lease:
            headers["X-Pycompose-Lease"] = self.lease
        payload: bytes | Iterable[bytes] | None = None
        if isinstance(request.body, (dict, list)):
            payload = json.dumps(request.body).encode()
            headers.setdefault("Content-Type", "application/json")
        elif request.body is not None:
            payload = cast("bytes | Iterable[bytes]", request.body)
        address = target(path, request.query)
        # An engine that loses its keeper leaves, and may take a connection along before it has answered: then there is
        # another one, or one to be started. What only asks can be asked again.
        chances = LEAVING_TRIES if request.method in ("GET", "HEAD") else 0
        while True:
            connection = self._take()
            reused = connection.used
            try:
                response = connection.request(request.method, address, headers, payload, timeout)
            except ConnectionLost:
                # An idle connection may have been closed by the engine meanwhile: that is no answer, try a fresh one.
                if not (payload is None or isinstance(payload, bytes)):
                    raise
                if not reused:
                    if not chances:
                        raise
                    chances -= 1
                    time.sleep(STARTING_PAUSE)
            else:
                response.release = self._release
                return response

    def __del__(self) -> None:
        # A program that drops its client is done with it; a warning of unclosed sockets would tell nothing it can use.
        if hasattr(self, "_idle"):
            self.close()

    def close(self) -> None:
        """Close the connections that are kept open; the next call opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return Connection(self.endpoint.address)
        except Refused:
            if self._start is None:
                raise
            with self._starting:
                try:
                    return Connection(self.endpoint.address)  # another thread has started it meanwhile
                except Refused:
                    return self._connect_started(self._start)

    def _connect_started(self, start: Callable[[], None]) -> Connection:
        """Another command may be the one that starts the engine: its socket appears a moment after its lock. Or who holds the lock is
        a keeper about to leave: then nobody will open the socket, and it has to be started again."""
        end = time.monotonic() + STARTING_PATIENCE
        while True:
            start()
            for _ in range(STARTING_TRIES):
                try:
                    return Connection(self.endpoint.address)
                except Refused:
                    if time.monotonic() > end:
                        raise
                time.sleep(STARTING_PAUSE)

    def _release(self, connection: Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    def _check(self, response: Response, data: bytes) -> None:
        if response.status < 400:
            return
        message = ""
        try:
            tree = json.loads(data)
            if isinstance(tree, dict):
                message = str(tree.get("message", ""))
        except (ValueError, RecursionError):
            # A proxy's page, perhaps: its beginning on one line.
            message = " ".join(data.decode("utf-8", "replace").split())[:FOREIGN_WORDS]
        raise _error(response.status, message or f"the engine answered {response.status} {response.reason}")
