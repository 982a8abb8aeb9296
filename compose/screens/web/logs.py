"""WebSocket ``/logs``: output of one or several containers, followed, searched by the server."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.websockets import WebSocketDisconnect

from ..loglines import Filter, SearchError, level, make_filter
from ..logreader import Reader, Tail
from .live import gone_from

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.websockets import WebSocket

    from ...client import Engine
    from ...client.http import Query

PACE = 0.1
SOURCES = 200
"""So many containers are read at once at most."""


async def logs(socket: WebSocket, engine: Engine) -> None:
    """Serve one log view. Query: ``id`` (several), ``tail``, ``since``, ``until``, ``q``, ``regex``, ``levels``, ``follow``."""
    await socket.accept()
    query = socket.query_params
    try:
        wanted = make_filter(query.get("q", ""), query.get("levels", ""), regex=query.get("regex") == "1")
    except SearchError as error:
        await socket.send_text(json.dumps({"error": str(error)}))
        await socket.close()
        return
    follow = query.get("follow") != "0"
    tail = Tail(keep_all=not wanted.is_all or not follow)
    asked = _asked(query, wanted, follow=follow)
    readers = [Reader(engine, one, asked, tail, wanted) for one in query.getlist("id")[:SOURCES]]
    gone = asyncio.create_task(gone_from(socket))
    try:
        await _send(socket, tail, gone)
    except WebSocketDisconnect:
        return
    finally:
        tail.close()
        for one in readers:
            one.close()
        gone.cancel()


def _asked(query: QueryParams, wanted: Filter, *, follow: bool) -> Query:
    last = query.get("tail", "1000" if wanted.is_all else "all")
    return {
        "stdout": 1,
        "stderr": 1,
        "timestamps": 1,
        "follow": int(follow),
        "tail": last if last.isdecimal() or last == "all" else "1000",
        "since": query.get("since") or None,
        "until": query.get("until") or None,
    }


async def _send(socket: WebSocket, tail: Tail, gone: asyncio.Task[None]) -> None:
    first = True
    while not gone.done():
        lines, skipped, more = tail.take()
        if first and len(lines) > 1:
            lines.sort(key=lambda one: one.at)
        if lines or skipped or not more:
            first = False
            rows = [[one.at, one.source, one.stream, level(one.text), one.text] for one in lines]
            frame = {"lines": rows, "skipped": skipped, "end": not more}
            await socket.send_text(json.dumps(frame, separators=(",", ":"), ensure_ascii=False))
        if not more:
            break
        await asyncio.wait((gone,), timeout=PACE)
    await gone
