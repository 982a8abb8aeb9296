"""Calls of the Engine API on containers."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING

from ..dataclass import dataclass
from .answers import MAYBE_OBJECTS, OBJECT, OBJECTS, Shape, decoded
from .caller import ANSWER_TIMEOUT, TAR, UPGRADE, Request
from .frames import demultiplex, raw
from .http import quote

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .bodies import containers as bodies
    from .bodies.stats import Hour, Stats
    from .caller import Caller
    from .http import Query, Response

_ROWS: Shape[list[bodies.ContainerRow]] = Shape(OBJECTS, {"State": "string", "Ports": "objects", "Created": "number"})
_CONTAINER: Shape[bodies.Container] = Shape(
    OBJECT, {"State": "object", "Config": "object", "Created": "string", "Image": "string"}
)
_MADE: Shape[bodies.Identified] = Shape(OBJECT)
_WARNED: Shape[bodies.Warned] = Shape(OBJECT)
_PROCESSES: Shape[bodies.Processes] = Shape(OBJECT)
_STATS: Shape[Stats] = Shape(OBJECT)
_HOUR: Shape[Hour] = Shape(
    OBJECT,
    dict.fromkeys(("At", "Processor", "Memory", "Limit", "Received", "Sent", "Read", "Written", "Pids"), "numbers"),
)
_CHANGES: Shape[builtins.list[bodies.Change] | None] = Shape(MAYBE_OBJECTS)
_PRUNED: Shape[bodies.Pruned] = Shape(OBJECT)
_WAITED: Shape[bodies.Waited] = Shape(OBJECT, {"Error": OBJECT})
_STAT: Shape[bodies.PathStat] = Shape(OBJECT)

GRACE_SLACK = 120.0
"""Seconds a stop may take beyond its grace period before the engine counts as hung."""


@dataclass(frozen=True, slots=True)
class LogWindow:
    """Which output is wanted. ``since`` and ``until`` are in seconds since the epoch as text, ``tail`` a number of lines or
    all."""

    follow: bool = False
    since: str | None = None
    until: str | None = None
    timestamps: bool = False
    tail: str | None = None
    details: bool = False

    def query(self) -> Query:
        """As GET /containers/{id}/logs takes it, both streams."""
        return {
            "follow": self.follow or None,
            "stdout": 1,
            "stderr": 1,
            "since": self.since,
            "until": self.until,
            "timestamps": self.timestamps or None,
            "tail": self.tail,
            "details": self.details or None,
        }


class Containers:
    """What an engine can do with containers; ``ref`` is an id, a prefix of one, or a name. Raises `NotFound` (404),
    `Conflict` (409), `EngineError`."""

    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def list(
        self,
        filters: Mapping[str, Sequence[str]] | None = None,
        *,
        all: bool = False,
        size: bool = False,
        limit: int | None = None,
    ) -> list[bodies.ContainerRow]:
        """GET /containers/json: running ones, with ``all`` every one; ``limit`` the newest of them; ``size`` measures their
        layers. ``filters`` as in Docker, such as ``{"label": ["key=value"]}``."""
        query: Query = {
            "all": all or None,
            "size": size or None,
            "limit": limit,
            "filters": json.dumps(filters) if filters else None,
        }
        found = self._engine.ask(Request("GET", "/containers/json", query), _ROWS)
        for row in found:
            if not row.get("Names"):
                row["Names"] = [f"/{row['Id'][:12]}"]
            row["Labels"] = row.get("Labels") or {}
        return found

    def create(
        self, body: Mapping[str, object], name: str | None = None, platform: str | None = None
    ) -> bodies.Identified:
        """POST /containers/create with the API's body; nothing runs yet. ``platform`` is ``os/architecture[/variant]``."""
        query = {"name": name, "platform": platform or None}
        return self._engine.ask(Request("POST", "/containers/create", query, dict(body)), _MADE)

    def inspect(self, ref: str, *, size: bool = False) -> bodies.Container:
        """GET /containers/{id}/json; ``size`` measures the layers too."""
        return self._engine.ask(Request("GET", _of(ref, "json"), {"size": size or None}), _CONTAINER)

    def start(self, ref: str, detach_keys: str | None = None) -> None:
        """Start it; one that runs already is left as it is. ``detach_keys`` as for `attach`."""
        self._act(ref, "start", {"detachKeys": detach_keys})

    def start_behind(self, ref: str, other: str) -> None:
        """Start a container that stands by for the published ports of another one, which goes on having them: our own engine's.
        NotFound where that is of an earlier release."""
        self._engine.call(
            Request("POST", f"/pycompose/containers/{quote(ref)}/start", {"behind": other}, versioned=False)
        )

    def put_pending(self, ref: str, *, pending: bool) -> None:
        """Note that the container's start is not complete yet, or that it is: shown as the label `labels.PENDING`. Our own engine's;
        NotFound where that is of an earlier release."""
        path = f"/pycompose/containers/{quote(ref)}/pending"
        self._engine.call(Request("PUT", path, None, {"pending": pending}, versioned=False))

    def take_over(self, ref: str, drain: float) -> None:
        """Lead to the container the ports that it stands by for, and give what the one before has under way ``drain`` seconds
        to
        end. Nothing to do for a container that stands by for nothing."""
        path = f"/pycompose/containers/{quote(ref)}/take-over"
        limit = drain + GRACE_SLACK
        self._engine.call(Request("POST", path, None, {"drain": drain}, timeout=limit, versioned=False))

    def stop(self, ref: str, timeout: int | None = None, signal: str | None = None) -> None:
        """Stop; ``timeout`` in seconds (None: the container's own, -1: for ever)."""
        limit = None if timeout == -1 else (timeout or 0) + 3600.0 if timeout is None else timeout + GRACE_SLACK
        self._act(ref, "stop", {"t": timeout, "signal": signal}, limit)

    def restart(self, ref: str, timeout: int | None = None, signal: str | None = None) -> None:
        """Stop, with ``timeout`` and ``signal`` as for `stop`, and start."""
        limit = 3600.0 if timeout is None else timeout + GRACE_SLACK
        self._act(ref, "restart", {"t": timeout, "signal": signal}, limit)

    def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        """Send a signal, by name or number."""
        self._act(ref, "kill", {"signal": signal})

    def pause(self, ref: str) -> None:
        """Freeze all its processes."""
        self._act(ref, "pause")

    def unpause(self, ref: str) -> None:
        """Thaw them."""
        self._act(ref, "unpause")

    def rename(self, ref: str, name: str) -> None:
        """Another name; the id stays."""
        self._act(ref, "rename", {"name": name})

    def remove(self, ref: str, *, force: bool = False, volumes: bool = False, link: bool = False) -> None:
        """Delete it; ``force`` kills it first, ``volumes`` deletes its anonymous volumes too, ``link`` removes a link of that
        name only."""
        query = {"force": force or None, "v": volumes or None, "link": link or None}
        self._engine.call(Request("DELETE", f"/containers/{quote(ref)}", query))

    def update(self, ref: str, body: Mapping[str, object]) -> bodies.Warned:
        """POST /containers/{id}/update: other limits or another restart policy, at once; what it warns of."""
        return self._engine.ask(Request("POST", _of(ref, "update"), None, dict(body)), _WARNED)

    def wait(self, ref: str, condition: str | None = None) -> int:
        """Block until the container ends; its exit code."""
        return self.wait_begin(ref, condition).finish()

    def wait_begin(self, ref: str, condition: str | None = None) -> Wait:
        """As `wait`, in two steps: the engine has registered the wait when this returns."""
        return Wait(self._engine.stream(Request("POST", _of(ref, "wait"), {"condition": condition})))

    def logs(self, ref: str, wanted: LogWindow, *, tty: bool = False) -> Iterator[tuple[int, bytes]]:
        """Output as ``(stream, bytes)``; ``tty`` says whether the container has a terminal."""
        with self.log_stream(ref, wanted.query()) as response:
            yield from (raw if tty else demultiplex)(response.blocks())

    def log_stream(self, ref: str, query: Query) -> Response:
        """The answer of GET /containers/{id}/logs, to be read piece by piece: frames, or a terminal's bytes."""
        return self._engine.stream(Request("GET", _of(ref, "logs"), query))

    def attach(self, ref: str, *, stdin: bool = True, logs: bool = False, detach_keys: str | None = None) -> Response:
        """A response to `hijack`: both directions of the container's stdio."""
        query: Query = {
            "stream": 1,
            "stdin": stdin or None,
            "stdout": 1,
            "stderr": 1,
            "logs": logs or None,
            "detachKeys": detach_keys,
        }
        return self._engine.stream(Request("POST", _of(ref, "attach"), query, headers=UPGRADE))

    def resize(self, ref: str, rows: int, columns: int) -> None:
        """The size of its terminal, in characters."""
        self._act(ref, "resize", {"h": rows, "w": columns})

    def top(self, ref: str, ps_args: str | None = None) -> bodies.Processes:
        """Its processes, as ``ps`` with these arguments (``-ef`` without) lists them."""
        return self._engine.ask(Request("GET", _of(ref, "top"), {"ps_args": ps_args}), _PROCESSES)

    def stats(self, ref: str, *, stream: bool) -> Iterator[Stats]:
        """What it uses: one sample, or with ``stream`` one a second until it is closed."""
        return self._engine.lines(Request("GET", _of(ref, "stats"), {"stream": stream}), _STATS)

    def sample(self, ref: str) -> Stats:
        """What the container uses at this moment, without a second sample to compare with: answered at once."""
        return self._engine.ask(Request("GET", _of(ref, "stats"), {"stream": "false", "one-shot": "true"}), _STATS)

    def hour(self, ref: str) -> Hour:
        """What the container has used in the last hour. Only our own engine keeps that; one before this has no such path."""
        return self._engine.ask(Request("GET", f"/pycompose/containers/{quote(ref)}/hour", versioned=False), _HOUR)

    def changes(self, ref: str) -> builtins.list[bodies.Change]:
        """What differs between its file system and its image: path and kind (0 changed, 1 added, 2 deleted)."""
        return self._engine.ask(Request("GET", _of(ref, "changes")), _CHANGES) or []

    def export(self, ref: str) -> Iterator[bytes]:
        """Its file system as a tar, without volumes."""
        with self._engine.stream(Request("GET", _of(ref, "export"))) as response:
            yield from response.blocks()

    def put_archive(self, ref: str, path: str, data: bytes | Iterable[bytes], *, copy_uid_gid: bool = False) -> None:
        """Unpack a tar stream into directory ``path`` of the container."""
        query: Query = {"path": path, "noOverwriteDirNonDir": "true", "copyUIDGID": copy_uid_gid or None}
        self._engine.call(Request("PUT", _of(ref, "archive"), query, data, TAR))

    def put_files(self, ref: str, files: Sequence[Mapping[str, object]]) -> None:
        """Files that exist only in memory, for a container that does not run: objects with Target, Content (base64), UID,
        GID and Mode, in place of what it had. Our own engine only."""
        path = f"/pycompose/containers/{quote(ref)}/files"
        self._engine.call(Request("PUT", path, None, {"files": list(files)}, versioned=False))

    def get_archive(self, ref: str, path: str) -> tuple[bodies.PathStat, Iterator[bytes]]:
        """``(stat, tar blocks)`` of ``path``; the stat is Docker's X-Docker-Container-Path-Stat."""
        response = self._engine.stream(Request("GET", _of(ref, "archive"), {"path": path}))

        def blocks() -> Iterator[bytes]:
            with response:
                yield from response.blocks()

        return _path_stat(response), blocks()

    def stat(self, ref: str, path: str) -> bodies.PathStat | None:
        """The stat of ``path`` in the container, None when it does not exist."""
        response = self._engine.send(Request("HEAD", _of(ref, "archive"), {"path": path}))
        response.close()
        return _path_stat(response) if response.status == 200 else None

    def commit(self, query: Query, config: Mapping[str, object] | None = None) -> str:
        """POST /commit: an image of it as it is now; the image's id."""
        return str(self._engine.ask(Request("POST", "/commit", query, dict(config or {})), _MADE)["Id"])

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> bodies.Pruned:
        """Delete all that do not run; their ids, and the bytes that this freed."""
        query = {"filters": json.dumps(filters) if filters else None}
        return self._engine.ask(Request("POST", "/containers/prune", query), _PRUNED)

    def _act(self, ref: str, verb: str, query: Query | None = None, timeout: float | None = ANSWER_TIMEOUT) -> None:
        self._engine.call(Request("POST", _of(ref, verb), query, timeout=timeout))


def _of(ref: str, what: str) -> str:
    return f"/containers/{quote(ref)}/{what}"


class Wait:
    """A registered wait for a container's end."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def finish(self) -> int:
        """The exit code. Raises `EngineError` when the engine cannot tell it."""
        from ..errors import EngineError

        with self._response:
            answer = decoded(self._response.read() or b"{}", "a wait", _WAITED)
        message = (answer.get("Error") or {}).get("Message")
        if message:
            raise EngineError(message)
        if "StatusCode" not in answer:
            raise EngineError("the engine reported no exit code")
        return int(answer["StatusCode"])

    def cancel(self) -> None:
        self._response.close()

    def interrupt(self) -> None:
        """End `finish` in another thread, which raises `EngineError` there."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._response.connection.socket.shutdown(socket.SHUT_RDWR)


def _path_stat(response: Response) -> bodies.PathStat:
    import base64

    try:
        stat = base64.b64decode(response.headers.get("x-docker-container-path-stat", "e30="))
    except ValueError:
        stat = b""
    return decoded(stat, "a look at a path", _STAT)
