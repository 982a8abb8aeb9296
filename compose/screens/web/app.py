"""The routes. Each is thin: what it shows is in views, details, logs and console, what it does in commands and runner."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from ...errors import ComposeError
from .. import commands
from ..excerpts import annotated
from ..profiles import with_profiles
from . import details
from .console import console
from .live import live
from .logs import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from ...client import Engine
    from ..runner import Runner
    from ..store.feed import Store

P = ParamSpec("P")
STATIC = Path(__file__).parent / "static"
BODY_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Context:
    """What the routes share. ``here`` is the project whose Compose file is in the directory that `ui` was started in."""

    engine: Engine
    store: Store
    runner: Runner
    read_only: bool = False
    here: commands.Target | None = None


def make_app(context: Context) -> Starlette:
    """The application, without its guard."""
    site = Site(context)
    return Starlette(
        routes=[
            Route("/", site.index),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/about", site.about),
            Route("/container/{id}", site.container),
            Route("/container/{id}/directory", site.directory),
            Route("/container/{id}/archive", site.archive),
            Route("/container/{id}/file", site.file),
            Route("/image", site.image),
            Route("/disk", site.disk),
            Route("/explain", site.explain),
            Route("/act", site.act, methods=["POST"]),
            WebSocketRoute("/live", site.live),
            WebSocketRoute("/logs", site.logs),
            WebSocketRoute("/console", site.console),
        ]
    )


class Site:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def index(self, request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def about(self, request: Request) -> Response:
        here = self._context.here
        return JSONResponse(
            {
                "read_only": self._context.read_only,
                "here": here.project if here is not None else "",
                "actions": {
                    name: {
                        "value": one.has_value,
                        "to": one.has_goal,
                        "shows": one.shows_value,
                        "files": one.needs_files,
                    }
                    for name, one in commands.ACTIONS.items()
                },
            }
        )

    async def live(self, socket: WebSocket) -> None:
        await live(socket, self._context.store)

    async def logs(self, socket: WebSocket) -> None:
        await logs(socket, self._context.engine)

    async def console(self, socket: WebSocket) -> None:
        if self._context.read_only:
            await socket.close(1008, "this page only shows (--read-only)")
            return
        await console(socket, self._context.engine)

    async def container(self, request: Request) -> Response:
        _, state = self._context.store.latest
        return await self._answer(details.container, self._context.engine, request.path_params["id"], state)

    async def directory(self, request: Request) -> Response:
        path = request.query_params.get("path") or "/"
        return await self._answer(details.directory, self._context.engine, request.path_params["id"], path)

    async def file(self, request: Request) -> Response:
        path = request.query_params.get("path") or "/"
        return await self._answer(details.file, self._context.engine, request.path_params["id"], path)

    async def disk(self, request: Request) -> Response:
        """What images, containers, volumes and the build cache take, in the words of `system df`."""
        code, text = await asyncio.to_thread(self._context.runner.ask, ["system", "df", "--format", "json"])
        if code:
            return JSONResponse({"error": text}, 404)
        return JSONResponse({"rows": [json.loads(line) for line in text.splitlines()]})

    async def image(self, request: Request) -> Response:
        return await self._answer(details.image, self._context.engine, request.query_params.get("ref", ""))

    async def archive(self, request: Request) -> Response:
        """A path of a container as a tar archive."""
        path = request.query_params.get("path") or "/"
        try:
            _, blocks = await asyncio.to_thread(
                self._context.engine.containers.get_archive, request.path_params["id"], path
            )
        except ComposeError as error:
            return PlainTextResponse(f"{error}\n", 404)
        headers = {"Content-Disposition": 'attachment; filename="files.tar"'}
        return StreamingResponse(blocks, media_type="application/x-tar", headers=headers)

    async def explain(self, request: Request) -> Response:
        """Where a value comes from, in the words of `explain`."""
        target = await self._target(request.query_params.get("project", ""))
        path = request.query_params.get("path", "")
        if target is None or not target.files or path.startswith("-"):
            return JSONResponse({"text": "The Compose file of this project is not on this machine."})
        _, text = await asyncio.to_thread(self._context.runner.ask, [*target.options, "explain", path])
        return JSONResponse({"text": text})

    async def act(self, request: Request) -> Response:
        """Preview or do: JSON with action, project, service, value, preview. The answer is the command's output."""
        body = b""
        async for block in request.stream():
            body += block
            if len(body) > BODY_LIMIT:
                return PlainTextResponse("too long\n", 413)
        try:
            said = json.loads(body)
            name, project, *given = (
                str(said.get(key) or "") for key in ("action", "project", "service", "value", "to")
            )
            preview = said.get("preview") is not False
            target = await self._target(project)
            words = commands.command(name, target, *given, preview=preview)
        except (ValueError, AttributeError):
            return PlainTextResponse("no action\n", 400)
        except ComposeError as error:
            return PlainTextResponse(f"{error}\n", 400)
        if self._context.read_only and not preview:
            return PlainTextResponse("this page only shows (--read-only)\n", 403)
        output = self._context.runner.run(words)
        if preview and "plan" in words and target is not None:
            output = annotated(output, target)
        return StreamingResponse(output, media_type="text/plain; charset=utf-8")

    async def _target(self, project: str) -> commands.Target | None:
        state = self._context.store.latest[1]
        found = commands.of_state(state, project, self._context.here)
        return await asyncio.to_thread(with_profiles, self._context.runner, found, state) if found else None

    async def _answer(
        self, function: Callable[P, Mapping[str, object]], *arguments: P.args, **options: P.kwargs
    ) -> Response:
        try:
            return JSONResponse(await asyncio.to_thread(function, *arguments, **options))
        except ComposeError as error:
            return JSONResponse({"error": str(error)}, 404)
