"""BuildKit over hijacked connections: ``/grpc``, where we serve, and ``/session``, where the client does; and the build
request that names a session, which clients before Docker 23 send."""

from __future__ import annotations

import base64
import os
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ...errors import EngineError, InvalidParameter
from ...shapes import members
from .. import transfer
from ..http import Response, encode
from ..router import Route
from . import query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import BinaryIO

    from ...buildkit.messages import control
    from ...buildkit.service import BuildKit
    from ..daemon import Daemon
    from ..http import Request
    from ..wire import Wire

_UPLOAD = "upload-request:"


async def buildkit(daemon: Daemon) -> BuildKit:
    if daemon.buildkit is None:
        kind = await daemon.containers.blocking(_load)
        if daemon.buildkit is None:  # else another was as early
            daemon.buildkit = kind(
                daemon.builder, daemon.images, daemon.layout, daemon.transfers, partial(_gateway, daemon)
            )
    return daemon.buildkit


def _load() -> type[BuildKit]:
    """For a thread: with it come HTTP/2 and protobuf, a tenth of a second."""
    from ...buildkit.service import BuildKit

    return BuildKit


def _gateway(daemon: Daemon) -> str:
    """The default bridge's own address: what ``host-gateway`` means to a build's steps."""
    pools = daemon.networks.inspect(daemon.networks.get("bridge"))["IPAM"]["Config"]
    return next((str(pool["Gateway"]) for pool in pools if pool.get("Gateway")), "")


async def _upgrade(request: Request) -> Wire:
    if request.headers.get("upgrade", "").lower() != "h2c":
        raise InvalidParameter("want an upgrade to h2c")
    return await request.switch([("Connection", "Upgrade"), ("Upgrade", "h2c")])


async def grpc(daemon: Daemon, request: Request) -> None:
    service = await buildkit(daemon)
    await service.serve(await _upgrade(request))


async def session(daemon: Daemon, request: Request) -> None:
    sessions = (await buildkit(daemon)).sessions
    id = request.headers.get("x-docker-expose-session-uuid", "")
    sessions.check(id)
    await sessions.serve(
        await _upgrade(request),
        id,
        shared_key=request.headers.get("x-docker-expose-session-sharedkey", ""),
        methods=request.all_headers("x-docker-expose-session-grpc-method"),
    )


async def build(daemon: Daemon, request: Request) -> Response | None:
    """``POST /build?version=2``: one request that asks, and streams what is told, as Docker's clients before 23 have it."""
    service = await buildkit(daemon)
    id = request.text("buildid")
    if id.startswith(_UPLOAD):
        await service.uploads.offer(id.removeprefix(_UPLOAD), transfer.body(request))
        return Response()
    asked = _solve_request(request)
    async with AsyncExitStack() as resources:
        body = None
        if request.text("remote") == "upload-request":
            body = await resources.enter_async_context(service.uploads.use(id))
        elif not request.text("remote"):
            body = transfer.body(request)
        request.long = True
        async with request.stream() as write:
            await _solve(service, id, asked, body, write, quiet=request.flag("q"))
    return None


async def _solve(
    service: BuildKit,
    id: str,
    asked: control.SolveRequest,
    body: BinaryIO | None,
    write: Callable[[bytes], Awaitable[None]],
    *,
    quiet: bool,
) -> None:
    """Stream a build's progress, then its image's id or its failure."""
    following = False
    failure: EngineError | None = None
    answer: dict[str, str] = {}

    async def follow() -> None:
        nonlocal following
        job = await service.solver.job(asked.Ref)
        following = True
        async for response in job.told.read():
            aux = base64.b64encode(response.SerializeToString()).decode("ascii")
            await write(encode({"id": "moby.buildkit.trace", "aux": aux}) + b"\r\n")

    async with anyio.create_task_group() as group:
        if not quiet:
            group.start_soon(follow)
        with service.cancellable(id) as scope:
            try:
                answer = await service.solver.solve(asked, body)
            except EngineError as error:
                failure = error
        if scope.cancelled_caught:
            failure = EngineError("context canceled")
        if not following:
            group.cancel_scope.cancel()
    if failure is not None:
        text = str(failure)
        await write(encode({"errorDetail": {"message": text}, "error": text}) + b"\r\n")
    elif image := answer.get("containerimage.digest"):
        told = {"stream": f"{image}\n"} if quiet else {"id": "moby.image.id", "aux": {"ID": image}}
        await write(encode(told) + b"\r\n")


def _solve_request(request: Request) -> control.SolveRequest:
    """The query of ``POST /build`` as a Control.Solve."""
    from ...buildkit import messages  # here: it loads protobuf

    remote = request.text("remote")
    attributes = {
        "filename": request.text("dockerfile"),
        "target": request.text("target"),
        "context": "" if remote in ("client-session", "upload-request") else remote,
        "platform": request.text("platform"),
        "image-resolve-mode": "pull" if request.flag("pull") else "default",
        "force-network-mode": {"default": "", "bridge": ""}.get(mode := request.text("networkmode"), mode),
        "add-hosts": ",".join(host for value in request.query.get("extrahosts", ()) for host in value.split(",")),
        "shm-size": request.text("shmsize"),
        "ulimit": ",".join(f"{name}={soft}:{hard}" for name, (soft, hard) in query.ulimits(request).items()),
        "cache-from": ",".join(query.words(request, "cachefrom")),
    }
    attributes = {name: text for name, text in attributes.items() if text}
    if request.flag("nocache"):
        attributes["no-cache"] = ""
    args = query.texts(request, "buildargs")
    attributes |= {f"build-arg:{name}": value for name, value in args.items()}
    attributes |= {f"label:{name}": str(value) for name, value in query.json_map(request, "labels").items()}
    asked = messages.control.SolveRequest(
        Ref=os.urandom(16).hex(), Session=request.text("session"), Frontend="dockerfile.v0"
    )
    messages.update(asked.FrontendAttrs, attributes)
    if mode == "host":
        asked.Entitlements.append("network.host")
    if args.get("BUILDKIT_INLINE_CACHE") in ("1", "true"):
        asked.Cache.Exports.add(Type="inline")
    outputs = query.json_list(request, "outputs") or [{"Type": "moby", "Attrs": {}}]
    for output in outputs:
        if not isinstance(output, dict):
            raise InvalidParameter("outputs: want a list of {Type, Attrs}")
        if output.get("Type") == "cacheonly":
            continue
        exporter = asked.Exporters.add(Type=str(output.get("Type")))
        messages.update(exporter.Attrs, {name: str(value) for name, value in members(output.get("Attrs")).items()})
        if exporter.Type in ("moby", "image"):
            exporter.Attrs["name"] = ",".join(request.query.get("t", ()))
    return asked


async def cancel(daemon: Daemon, request: Request) -> Response:
    if daemon.buildkit is not None:
        daemon.buildkit.cancel(request.text("id"))
    return Response()


ROUTES = (
    Route("POST", "/build/cancel", cancel),
    Route("POST", "/grpc", grpc),
    Route("POST", "/session", session),
)
