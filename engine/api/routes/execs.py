"""Exec routes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ....grammar import signals
from ...containers.life import archive, attach, execs, pump
from ...containers.spec import validate
from ...errors import Conflict, InvalidParameter
from ...shapes import Field, checked, flag
from ..http import Response
from ..router import Route
from .containers import size
from .streams import stream_type

if TYPE_CHECKING:
    from ..daemon import Daemon
    from ..http import Request


async def create(daemon: Daemon, request: Request) -> Response:
    config = execs.configuration(await request.json())
    container = daemon.containers.get(request["id"])
    if user := config["User"]:
        execs.check_running(container)
        await daemon.containers.blocking(archive.check_user, daemon.containers, container, user)
    execution = execs.create(daemon.containers, container, config)
    return Response.json({"Id": execution.id}, 201)


async def start(daemon: Daemon, request: Request) -> Response | None:
    body = await request.json()
    detach, tty = flag(body, "Detach"), flag(body, "Tty")
    rows, columns = _console(checked({"ConsoleSize": Field("ints")}, body, "").get("ConsoleSize"))
    execution = execs.find(daemon.containers, request["id"])
    execs.check_startable(execution)
    if detach:
        await execs.run(daemon.containers, execution, rows=rows, columns=columns)
        daemon.containers.spawn(f"output of exec {execution.id[:12]}", lambda: attach.drain(execution))
        return Response(200)
    # As in Docker the stream begins before the process: why it cannot start is told on the stream, and by its exit code.
    # Whether it is framed is this request's to say, whatever the exec was created with.
    wire = await request.hijack(stream_type(tty, request))
    try:
        await execs.run(daemon.containers, execution, rows=rows, columns=columns)
    except (execs.ExecFailed, execs.ContainerGone) as error:
        text = f"{error}\r\n".encode()
        await wire.send(text if tty else pump.frame(pump.STDOUT, text))
    else:
        keys = pump.parse_keys(execution.config["DetachKeys"])
        await attach.serve_exec(daemon.containers, execution, wire, framed=not tty, keys=keys)
    wire.send_end()
    return None


def _console(size: object) -> tuple[int, int]:
    if isinstance(size, list) and len(size) == 2 and all(isinstance(one, int) and 0 <= one < 65536 for one in size):
        return size[0], size[1]
    return 0, 0


async def inspect(daemon: Daemon, request: Request) -> Response:
    return Response.json(execs.find(daemon.containers, request["id"]).to_docker())


async def resize(daemon: Daemon, request: Request) -> Response:
    rows, columns = size(request)
    execution = execs.find(daemon.containers, request["id"])
    execution.size = (rows, columns)
    if execution.process is None and execution.started:
        raise Conflict(f"exec {execution.id} is not running")
    if execution.process is not None:
        execution.process.resize(rows, columns)
    return Response(200)


async def kill(daemon: Daemon, request: Request) -> Response:
    """End a command with the signal of the query, SIGKILL without one: Docker has no such call."""
    name = request.text("signal")
    number = validate.any_signal(name) if name else signal.SIGKILL
    if not signals.is_known(number):
        raise InvalidParameter(f"invalid signal: {name}")
    execs.kill(execs.find(daemon.containers, request["id"]), number)
    return Response(204)


ROUTES = (
    Route("POST", "/containers/{id}/exec", create),
    Route("POST", "/exec/{id}/start", start),
    Route("POST", "/exec/{id}/resize", resize),
    Route("GET", "/exec/{id}/json", inspect),
    Route("POST", "/pycompose/exec/{id}/kill", kill),
)
