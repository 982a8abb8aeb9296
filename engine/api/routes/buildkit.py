"""BuildKit over hijacked connections: ``/grpc``, where we serve, and ``/session``, where the client does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...errors import InvalidParameter
from ..router import Route

if TYPE_CHECKING:
    from ...buildkit.service import BuildKit
    from ..daemon import Daemon
    from ..http import Request
    from ..wire import Wire


def buildkit(daemon: Daemon) -> BuildKit:
    if daemon.buildkit is None:
        from ...buildkit.service import BuildKit  # here: it loads HTTP/2 and protobuf

        daemon.buildkit = BuildKit(
            daemon.builder, daemon.images, daemon.layout, daemon.transfers, partial(_gateway, daemon)
        )
    return daemon.buildkit


def _gateway(daemon: Daemon) -> str:
    """The default bridge's own address: what ``host-gateway`` means to a build's steps."""
    pools = daemon.networks.inspect(daemon.networks.get("bridge"))["IPAM"]["Config"]
    return next((str(pool["Gateway"]) for pool in pools if pool.get("Gateway")), "")


async def _upgrade(request: Request) -> Wire:
    if request.headers.get("upgrade", "").lower() != "h2c":
        raise InvalidParameter("want an upgrade to h2c")
    return await request.switch([("Connection", "Upgrade"), ("Upgrade", "h2c")])


async def grpc(daemon: Daemon, request: Request) -> None:
    service = buildkit(daemon)
    await service.serve(await _upgrade(request))


async def session(daemon: Daemon, request: Request) -> None:
    sessions = buildkit(daemon).sessions
    id = request.headers.get("x-docker-expose-session-uuid", "")
    sessions.check(id)
    await sessions.serve(
        await _upgrade(request),
        id,
        shared_key=request.headers.get("x-docker-expose-session-sharedkey", ""),
        methods=request.all_headers("x-docker-expose-session-grpc-method"),
    )


ROUTES = (
    Route("POST", "/grpc", grpc),
    Route("POST", "/session", session),
)
