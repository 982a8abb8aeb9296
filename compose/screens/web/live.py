"""WebSocket ``/live``: the state as it changes. The page is sent what is new when it has taken what was sent before, so a slow
one gets fewer frames and nothing is kept for it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.websockets import WebSocketDisconnect

from .views import Framer

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from ..store.feed import Store

PACE = 0.04
"""Seconds between two frames at least."""


async def live(socket: WebSocket, store: Store) -> None:
    """Serve one page until it goes."""
    await socket.accept()
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    end = store.listen(lambda: loop.call_soon_threadsafe(news.set))
    framer = Framer(socket.query_params.get("project", ""), builds=socket.query_params.get("builds") == "1")
    gone = asyncio.create_task(gone_from(socket))
    try:
        while not gone.done():
            news.clear()
            _, state = store.latest
            frame = framer.frame(state)
            if frame:
                await socket.send_text(json.dumps(frame, separators=(",", ":")))
            await asyncio.sleep(PACE)
            waiting = asyncio.create_task(news.wait())
            await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
    except WebSocketDisconnect:
        return
    finally:
        end()
        gone.cancel()


async def gone_from(socket: WebSocket) -> None:
    """The page says nothing; when it has gone, this returns."""
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        return
