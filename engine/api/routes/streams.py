"""Container routes that stream: logs and attach, over a hijacked connection or a WebSocket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...containers.life import attach, pump
from ...containers.view import logs
from ...errors import Conflict, InvalidParameter
from ...timestamps import parse_time
from .. import websocket
from ..http import MULTIPLEXED, RAW_STREAM, Response
from ..router import Route

if TYPE_CHECKING:
    from ...containers.life.container import Container
    from ..daemon import Daemon
    from ..http import Request


def stream_type(container_tty: bool, request: Request) -> str:
    """The media type of a container's output: since API 1.42 it tells framed from raw."""
    return RAW_STREAM if container_tty or request.version < (1, 42) else MULTIPLEXED


async def logs_(daemon: Daemon, request: Request) -> None:
    if not (request.flag("stdout") or request.flag("stderr")):
        raise InvalidParameter("Bad parameters: you must choose at least one stream")
    container = daemon.containers.get(request["id"])
    now = time.time_ns()
    wanted = logs.LogRequest(
        streams=tuple(
            number for name, number in (("stdout", pump.STDOUT), ("stderr", pump.STDERR)) if request.flag(name)
        ),
        since=_time(request, "since", now),
        until=_time(request, "until", now),
        tail=_tail(request.text("tail")),
        timestamps=request.flag("timestamps"),
        follow=request.flag("follow"),
        details=request.flag("details"),
    )
    logs.check(container, wanted)
    async with request.stream(stream_type(container.record.spec.tty, request)) as write:
        await logs.stream(daemon.containers, container, wanted, write)


def _time(request: Request, name: str, now: int) -> int | None:
    text = request.text(name)
    return None if text in ("", "0") else parse_time(text, now)


def _tail(text: str) -> int | None:
    if text in ("", "all"):
        return None
    try:
        number = int(text)
    except ValueError:
        return None
    return number if number >= 0 else None


async def attach_(daemon: Daemon, request: Request) -> None:
    keys = pump.parse_keys(request.text("detachKeys"))
    container = daemon.containers.get(request["id"])
    _check(container)
    wire = await request.hijack(stream_type(container.record.spec.tty, request))
    await _attach(daemon, container, request, wire, keys, framed=not container.record.spec.tty)
    wire.send_end()


def _check(container: Container) -> None:
    if container.state.status == "paused":
        raise Conflict(f"container {container.id} is paused, unpause the container before attach")
    if container.state.status == "restarting":
        raise Conflict(f"container {container.id} is restarting, wait until the container is running")


async def _attach(
    daemon: Daemon, container: Container, request: Request, client: pump.Client, keys: bytes, *, framed: bool
) -> None:
    outputs = [number for name, number in (("stdout", pump.STDOUT), ("stderr", pump.STDERR)) if request.flag(name)]
    daemon.containers.publish(container, "attach")
    wish = attach.Wish(
        outputs, request.flag("logs"), request.flag("stream"), request.flag("stdin"), keys=keys, framed=framed
    )
    await attach.attach(daemon.containers, container, client, wish)


async def attach_websocket(daemon: Daemon, request: Request) -> Response | None:
    keys = pump.parse_keys(request.text("detachKeys"))
    container = daemon.containers.get(request["id"])
    _check(container)
    if request.headers.get("upgrade", "").lower() != "websocket":
        raise InvalidParameter("not a WebSocket handshake")
    socket = await websocket.accept(request)
    await _attach(daemon, container, request, socket, keys, framed=False)
    await socket.close()
    return None


ROUTES = (
    Route("GET", "/containers/{id}/logs", logs_),
    Route("POST", "/containers/{id}/attach", attach_),
    Route("GET", "/containers/{id}/attach/ws", attach_websocket),
)
