"""Routes for a container's files: archive, export, changes, commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...bridge import Bridge
from ...containers.life import archive as files
from ...containers.life import commit
from ...containers.view import changes
from ...errors import InvalidParameter
from ...images import reference
from .. import transfer
from ..http import Response
from ..router import Route

if TYPE_CHECKING:
    from ..daemon import Daemon
    from ..http import Request

_STAT = "X-Docker-Container-Path-Stat"
_TAR = "application/x-tar"


async def head(daemon: Daemon, request: Request) -> Response:
    path = _path(request)
    container = daemon.containers.get(request["id"])
    stat = await transfer.in_thread(daemon, files.head, daemon.containers, container, path)
    return Response(200, b"", [(_STAT, stat)])


def _path(request: Request) -> str:
    path = request.text("path")
    if not path:
        raise InvalidParameter("bad parameter: pathcannot be empty")
    return path


async def get(daemon: Daemon, request: Request) -> None:
    path = _path(request)
    container = daemon.containers.get(request["id"])

    bridge = Bridge()

    def work() -> None:
        def begin(stat: str) -> None:
            bridge.call(_begin, stat)

        with transfer.output(request.write, bridge) as file:
            files.get(daemon.containers, container, path, begin, file)

    async def _begin(stat: str) -> None:
        daemon.containers.publish(container, "archive-path")
        await request.begin(_TAR, headers=[(_STAT, stat)])

    await transfer.in_thread(daemon, work)
    await request.end()


async def put(daemon: Daemon, request: Request) -> Response:
    path = _path(request)
    container = daemon.containers.get(request["id"])
    await transfer.in_thread(
        daemon,
        files.put,
        daemon.containers,
        container,
        path,
        transfer.body(request),
        keep_kinds=request.flag("noOverwriteDirNonDir"),
        own=request.flag("copyUIDGID"),
    )
    daemon.containers.publish(container, "extract-to-dir")
    return Response(200)


async def export(daemon: Daemon, request: Request) -> None:
    container = daemon.containers.get(request["id"])
    daemon.containers.publish(container, "export")
    await transfer.send_file(
        daemon,
        request,
        lambda out: files.export(daemon.containers, container, out),
        content_type="application/octet-stream",
    )


async def changes_(daemon: Daemon, request: Request) -> Response:
    container = daemon.containers.get(request["id"])
    found = await daemon.containers.blocking(changes.changes, daemon.containers, container)
    return Response.json(found or None)


async def commit_(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    repo, tag = request.text("repo"), request.text("tag")
    ref = reference.tagged(repo, tag) if repo else ""
    container = daemon.containers.get(request.text("container"))
    wish = commit.Wish(
        ref=ref,
        author=request.text("author"),
        comment=request.text("comment"),
        changes=[line for value in request.query.get("changes", []) for line in value.splitlines() if line.strip()],
        config=body,
    )
    image = await commit.commit(daemon.containers, container, wish, pause=request.flag("pause", True))
    return Response.json({"Id": image.id}, 201)


ROUTES = (
    Route("HEAD", "/containers/{id}/archive", head),
    Route("GET", "/containers/{id}/archive", get),
    Route("PUT", "/containers/{id}/archive", put),
    Route("GET", "/containers/{id}/export", export),
    Route("GET", "/containers/{id}/changes", changes_),
    Route("POST", "/commit", commit_),
)
