"""Calls of the Engine API on containers."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

from .answers import MAYBE_OBJECTS, OBJECT, OBJECTS, decoded
from .frames import demultiplex, raw
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .caller import Caller
    from .http import Response

Objects = list[dict[str, Any]]

_OF_ROWS = {"State": "string", "Ports": "objects", "Created": "number"}
_OF_DETAILS = {"State": "object", "Config": "object"}

GRACE_SLACK = 120.0
"""Seconds a stop may take beyond its grace period before the engine counts as hung."""


class Containers:
    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def list(
        self,
        filters: Mapping[str, Sequence[str]] | None = None,
        *,
        all: bool = False,
        size: bool = False,
        limit: int | None = None,
    ) -> Objects:
        query = {
            "all": all or None,
            "size": size or None,
            "limit": limit,
            "filters": json.dumps(filters) if filters else None,
        }
        result: Objects = self._engine.call("GET", "/containers/json", query, expect=OBJECTS, fields=_OF_ROWS)
        for row in result:
            if not row.get("Names"):
                row["Names"] = [f"/{row['Id'][:12]}"]
        return result

    def create(self, body: Mapping[str, Any], name: str | None = None, platform: str | None = None) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call(
            "POST", "/containers/create", {"name": name, "platform": platform or None}, dict(body), expect=OBJECT
        )
        return result

    def inspect(self, ref: str, *, size: bool = False) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call(
            "GET", f"/containers/{quote(ref)}/json", {"size": size or None}, expect=OBJECT, fields=_OF_DETAILS
        )
        return result

    def start(self, ref: str, detach_keys: str | None = None) -> None:
        self._engine.call("POST", f"/containers/{quote(ref)}/start", {"detachKeys": detach_keys})

    def stop(self, ref: str, timeout: int | None = None, signal: str | None = None) -> None:
        """Stop; ``timeout`` in seconds (None: the container's own, -1: for ever)."""
        limit = None if timeout == -1 else (timeout or 0) + 3600.0 if timeout is None else timeout + GRACE_SLACK
        self._engine.call("POST", f"/containers/{quote(ref)}/stop", {"t": timeout, "signal": signal}, timeout=limit)

    def restart(self, ref: str, timeout: int | None = None, signal: str | None = None) -> None:
        limit = 3600.0 if timeout is None else timeout + GRACE_SLACK
        self._engine.call("POST", f"/containers/{quote(ref)}/restart", {"t": timeout, "signal": signal}, timeout=limit)

    def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        self._engine.call("POST", f"/containers/{quote(ref)}/kill", {"signal": signal})

    def pause(self, ref: str) -> None:
        self._engine.call("POST", f"/containers/{quote(ref)}/pause")

    def unpause(self, ref: str) -> None:
        self._engine.call("POST", f"/containers/{quote(ref)}/unpause")

    def rename(self, ref: str, name: str) -> None:
        self._engine.call("POST", f"/containers/{quote(ref)}/rename", {"name": name})

    def remove(self, ref: str, *, force: bool = False, volumes: bool = False, link: bool = False) -> None:
        query = {"force": force or None, "v": volumes or None, "link": link or None}
        self._engine.call("DELETE", f"/containers/{quote(ref)}", query)

    def update(self, ref: str, body: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call(
            "POST", f"/containers/{quote(ref)}/update", None, dict(body), expect=OBJECT
        )
        return result

    def wait(self, ref: str, condition: str | None = None) -> int:
        """Block until the container ends; its exit code."""
        return self.wait_begin(ref, condition).finish()

    def wait_begin(self, ref: str, condition: str | None = None) -> Wait:
        """As `wait`, in two steps: the engine has registered the wait when this returns."""
        response = self._engine.stream("POST", f"/containers/{quote(ref)}/wait", {"condition": condition})
        return Wait(response)

    def logs(
        self,
        ref: str,
        *,
        tty: bool = False,
        follow: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        since: str | None = None,
        until: str | None = None,
        timestamps: bool = False,
        tail: str | None = None,
        details: bool = False,
    ) -> Iterator[tuple[int, bytes]]:
        """Output as ``(stream, bytes)``; ``tty`` says whether the container has a terminal."""
        query = {
            "follow": follow or None,
            "stdout": stdout or None,
            "stderr": stderr or None,
            "since": since,
            "until": until,
            "timestamps": timestamps or None,
            "tail": tail,
            "details": details or None,
        }
        with self._engine.stream("GET", f"/containers/{quote(ref)}/logs", query) as response:
            yield from (raw if tty else demultiplex)(response.blocks())

    def log_stream(self, ref: str, query: Mapping[str, Any]) -> Response:
        return self._engine.stream("GET", f"/containers/{quote(ref)}/logs", query)

    def attach(self, ref: str, *, stdin: bool = True, logs: bool = False, detach_keys: str | None = None) -> Response:
        """A response to `hijack`: both directions of the container's stdio."""
        query = {
            "stream": 1,
            "stdin": stdin or None,
            "stdout": 1,
            "stderr": 1,
            "logs": logs or None,
            "detachKeys": detach_keys,
        }
        return self._engine.stream(
            "POST", f"/containers/{quote(ref)}/attach", query, headers={"Connection": "Upgrade", "Upgrade": "tcp"}
        )

    def resize(self, ref: str, rows: int, columns: int) -> None:
        self._engine.call("POST", f"/containers/{quote(ref)}/resize", {"h": rows, "w": columns})

    def top(self, ref: str, ps_args: str | None = None) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call(
            "GET", f"/containers/{quote(ref)}/top", {"ps_args": ps_args}, expect=OBJECT
        )
        return result

    def stats(self, ref: str, *, stream: bool) -> Iterator[dict[str, Any]]:
        return self._engine.lines("GET", f"/containers/{quote(ref)}/stats", {"stream": stream})

    def sample(self, ref: str) -> dict[str, Any]:
        """What the container uses at this moment, without a second sample to compare with: answered at once."""
        result: dict[str, Any] = self._engine.call(
            "GET", f"/containers/{quote(ref)}/stats", {"stream": "false", "one-shot": "true"}, expect=OBJECT
        )
        return result

    def changes(self, ref: str) -> Objects:
        return self._engine.call("GET", f"/containers/{quote(ref)}/changes", expect=MAYBE_OBJECTS) or []

    def export(self, ref: str) -> Iterator[bytes]:
        with self._engine.stream("GET", f"/containers/{quote(ref)}/export") as response:
            yield from response.blocks()

    def put_archive(self, ref: str, path: str, data: bytes | Iterable[bytes], *, copy_uid_gid: bool = False) -> None:
        """Unpack a tar stream into directory ``path`` of the container."""
        self._engine.call(
            "PUT",
            f"/containers/{quote(ref)}/archive",
            {"path": path, "noOverwriteDirNonDir": "true", "copyUIDGID": copy_uid_gid or None},
            data,
            headers={"Content-Type": "application/x-tar"},
        )

    def put_files(self, ref: str, files: Sequence[Mapping[str, Any]]) -> None:
        """Files that exist only in memory, for a container that does not run: objects with Target, Content (base64), UID,
        GID and Mode, in place of what it had. Our own engine only."""
        path = f"/pycompose/containers/{quote(ref)}/files"
        self._engine.call("PUT", path, None, {"files": list(files)}, versioned=False)

    def get_archive(self, ref: str, path: str) -> tuple[dict[str, Any], Iterator[bytes]]:
        """``(stat, tar blocks)`` of ``path``; the stat is Docker's X-Docker-Container-Path-Stat."""
        response = self._engine.stream("GET", f"/containers/{quote(ref)}/archive", {"path": path})

        def blocks() -> Iterator[bytes]:
            with response:
                yield from response.blocks()

        return _path_stat(response), blocks()

    def stat(self, ref: str, path: str) -> dict[str, Any] | None:
        """The stat of ``path`` in the container, None when it does not exist."""
        response = self._engine.send("HEAD", f"/containers/{quote(ref)}/archive", {"path": path})
        response.close()
        return _path_stat(response) if response.status == 200 else None

    def commit(self, query: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> str:
        return str(self._engine.call("POST", "/commit", query, dict(config or {}), expect=OBJECT)["Id"])

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
        query = {"filters": json.dumps(filters) if filters else None}
        result: dict[str, Any] = self._engine.call("POST", "/containers/prune", query, expect=OBJECT)
        return result


class Wait:
    """A registered wait for a container's end."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def finish(self) -> int:
        """The exit code. Raises `EngineError` when the engine cannot tell it."""
        from ..errors import EngineError

        with self._response:
            answer = decoded(self._response.read() or b"{}", "a wait", OBJECT, {"Error": "object"})
        if (answer.get("Error") or {}).get("Message"):
            raise EngineError(answer["Error"]["Message"])
        if "StatusCode" not in answer:
            raise EngineError("the engine reported no exit code")
        return int(answer["StatusCode"])

    def cancel(self) -> None:
        self._response.close()

    def interrupt(self) -> None:
        """End `finish` in another thread, which raises `EngineError` there."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._response.connection.socket.shutdown(socket.SHUT_RDWR)


def _path_stat(response: Response) -> dict[str, Any]:
    import base64

    try:
        stat = base64.b64decode(response.headers.get("x-docker-container-path-stat", "e30="))
    except ValueError:
        stat = b""
    result: dict[str, Any] = decoded(stat, "a look at a path", OBJECT)
    return result
