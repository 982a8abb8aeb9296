"""Routes of leases, which are pycompose's own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...leases.record import Owner, check_images, check_labels
from ...leases.service import boot_id
from ..http import Response
from ..router import Route

if TYPE_CHECKING:
    from ..daemon import Daemon
    from ..http import Request


async def list_(daemon: Daemon, request: Request) -> Response:
    return Response.json([lease.to_api() for lease in daemon.leases.list()])


async def create(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    owner = Owner.parse(body.get("owner"), boot=boot_id(), now=time.time_ns())
    lease = await daemon.leases.create(owner, check_labels(body.get("labels")), check_images(body.get("images")))
    return Response.json(lease.to_api(), 201)


async def inspect(daemon: Daemon, request: Request) -> Response:
    return Response.json(daemon.leases.get(request["id"]).to_api())


async def own(daemon: Daemon, request: Request) -> Response:
    """Another owner, or the same kind of owner with more time."""
    body = await request.json()
    owner = Owner.parse(body.get("owner"), boot=boot_id(), now=time.time_ns())
    return Response.json((await daemon.leases.hand_over(request["id"], owner)).to_api())


async def release(daemon: Daemon, request: Request) -> Response:
    await daemon.leases.release(request["id"])
    return Response(204)


async def end(daemon: Daemon, request: Request) -> Response:
    """Take everything away; the answer comes when it is gone."""
    await daemon.leases.end(request["id"], "it was ended by request").wait()
    return Response(204)


ROUTES = (
    Route("GET", "/pycompose/leases", list_),
    Route("POST", "/pycompose/leases", create),
    Route("GET", "/pycompose/leases/{id}", inspect),
    Route("POST", "/pycompose/leases/{id}/owner", own),
    Route("POST", "/pycompose/leases/{id}/release", release),
    Route("DELETE", "/pycompose/leases/{id}", end),
)
