"""Routes of pycompose's own: the engine instance, its end, files and ports of containers, and base images from a distribution's archive."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from ....version import __version__ as VERSION
from ...check import judge, read
from ...check.facts import Instance
from ...containers.life import memory, start, stop, takeover
from ...errors import Conflict, InvalidParameter, NotModified
from .. import metrics, transfer, upkeep
from ..http import Response
from ..router import Route

if TYPE_CHECKING:
    from ..daemon import Daemon
    from ..http import Request
    from ..transfer import Progress


async def engine(daemon: Daemon, request: Request) -> Response:
    return Response.json(
        {
            "version": VERSION,
            "root": str(daemon.layout.root),
            "socket": str(daemon.layout.socket),
            "pid": os.getpid(),
            "keeper_pid": daemon.keeper_pid,
            "log": str(daemon.layout.engine_log) if daemon.layout.engine_log.exists() else "",
            "containers": daemon.containers.counts(),
            "gc": daemon.store.get(upkeep.KIND, upkeep.LAST),
        }
    )


async def check(daemon: Daemon, request: Request) -> Response:
    """What protects this host and what does not, with the remedy."""

    def look() -> list[dict[str, str]]:
        layout, warnings = daemon.layout, tuple(daemon.networks.check_firewall())
        instance = Instance(
            str(layout.state),
            str(layout.socket),
            daemon.networks.can_filter(),
            daemon.remote,
            warnings,
            daemon.containers.ids.mode,
        )
        return [finding.json() for finding in judge(read(instance))]

    return Response.json(await daemon.containers.blocking(look))


async def stop_(daemon: Daemon, request: Request) -> Response:
    """End engine and keeper. With running containers only by force, which stops them first, or because the machine goes down."""
    if request.flag("shutdown"):
        async with anyio.create_task_group() as group:
            for container in list(daemon.containers):
                group.start_soon(stop.wind_up, daemon.containers, container)
    elif request.flag("force"):
        for container in daemon.containers:
            if container.state.active:
                try:
                    await stop.stop(daemon.containers, container)
                except NotModified:
                    continue
    running = [container.name for container in daemon.containers if container.state.active]
    if running:
        raise Conflict(
            f"containers are running: {', '.join(sorted(running))}; stop them first, or pass --force, which stops them"
        )
    daemon.stopping.set()
    return Response(204)


async def bootstrap(daemon: Daemon, request: Request) -> None:
    ref = request.text("ref")
    if not ref:
        raise InvalidParameter("ref: which image shall be made?")

    def work(progress: Progress) -> None:
        image = daemon.images.bootstrap(
            ref,
            runner=daemon.bootstrap_runner,
            progress=progress,
            mirror=request.text("mirror") or None,
            allow_expired=request.flag("allow_expired"),
        )
        progress({"status": "Bootstrapped", "id": ref, "aux": {"ID": image.id}})

    await transfer.with_progress(daemon, request, work)


async def put_files(daemon: Daemon, request: Request) -> Response:
    """Give a container that does not run its files in memory, in place of those it had."""
    container = daemon.containers.get(request["id"])
    given = (await request.json()).get("files")
    async with container.lock:
        if container.removed or container.record.removing or container.state.active:
            raise Conflict(f"container {container.name} is running or being removed: its files stay as they are")
        files = memory.parse(given, container.record.mounts)
        await daemon.containers.blocking(memory.store, daemon.layout, container.id, files, container.record.ids)
        await daemon.containers.save(container, files=tuple(file for file, _ in files))
    return Response(204)


async def put_pending(daemon: Daemon, request: Request) -> Response:
    """Note that what belongs to a container's start is still to be done by its client, or that it is done."""
    pending = (await request.json()).get("pending")
    if not isinstance(pending, bool):
        raise InvalidParameter("pending: true or false")
    container = daemon.containers.get(request["id"])
    if container.record.pending != pending:
        await daemon.containers.save(container, pending=pending)
    return Response(204)


async def start_behind(daemon: Daemon, request: Request) -> Response:
    """Start a container that stands by for the published ports of ``behind``."""
    container, behind = (daemon.containers.get(ref) for ref in (request["id"], request.text("behind")))
    await start.start(daemon.containers, container, None if behind is container else behind)
    return Response(204)


async def take_over(daemon: Daemon, request: Request) -> Response:
    """Lead to a container the ports that it stands by for; ``drain`` seconds at most for what the one before has under way."""
    drain = (await request.json()).get("drain", 0)
    if isinstance(drain, bool) or not isinstance(drain, int | float) or not 0 <= drain <= 86400:
        raise InvalidParameter("drain: a number of seconds, a day at most")
    await takeover.take_over(daemon.containers, daemon.containers.get(request["id"]), float(drain))
    return Response(204)


async def offer(daemon: Daemon, request: Request) -> Response:
    """Let others pull images from an address of this machine."""
    given = await request.json()
    address, images = given.get("address"), given.get("images")
    names = [one for one in images if isinstance(one, str)] if isinstance(images, list) else []
    if not isinstance(address, str) or names != images:
        raise InvalidParameter("address and images: where shall which images be served?")
    assert daemon.pulls is not None
    return Response.json(await daemon.pulls.offer(address, names))


ROUTES = (
    Route("POST", "/pycompose/pulls", offer),
    Route("GET", "/metrics", metrics.metrics),
    Route("GET", "/pycompose/engine", engine),
    Route("GET", "/pycompose/engine/check", check),
    Route("POST", "/pycompose/engine/stop", stop_),
    Route("PUT", "/pycompose/containers/{id}/files", put_files),
    Route("PUT", "/pycompose/containers/{id}/pending", put_pending),
    Route("POST", "/pycompose/containers/{id}/start", start_behind),
    Route("POST", "/pycompose/containers/{id}/take-over", take_over),
    Route("POST", "/pycompose/images/bootstrap", bootstrap),
)
