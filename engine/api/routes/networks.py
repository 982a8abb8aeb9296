"""Network routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....grammar import booleans
from ...containers.life import update
from ...errors import InvalidParameter, NotFound
from ...networks.types import endpoint_settings
from ...shapes import flag, inner
from .. import leased
from ..http import Response
from ..router import Route
from ..versions import fitted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..daemon import Daemon
    from ..http import Request


async def list_(daemon: Daemon, request: Request) -> Response:
    networks = await daemon.containers.blocking(daemon.networks.list, request.filters())
    rows = [daemon.networks.inspect(network) for network in networks]
    for row in rows:
        row["Containers"] = {}  # as Docker since 17.10: a listing does not tell them
    return Response.json([fitted("network row", row, request.version) for row in rows])


async def inspect(daemon: Daemon, request: Request) -> Response:
    verbose, scope = request.text("verbose"), request.text("scope")
    try:
        booleans.parse(verbose or "0")
    except ValueError:
        raise InvalidParameter(
            f'invalid value for verbose: {verbose}: strconv.ParseBool: parsing "{verbose}": invalid syntax'
        ) from None
    network = await daemon.containers.blocking(daemon.networks.get, request["id"])
    if scope and scope != network.scope:
        raise NotFound(f"network {request['id']} not found")
    body = daemon.networks.inspect(network)
    return Response.json(fitted("network", body, request.version))


async def create(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    async with leased.creation(daemon, body):
        network = await daemon.containers.blocking(daemon.networks.create, body)
    return Response.json({"Id": network.id, "Warning": ""}, 201)


async def remove(daemon: Daemon, request: Request) -> Response:
    await daemon.containers.blocking(daemon.networks.remove, request["id"])
    return Response(204)


async def prune(daemon: Daemon, request: Request) -> Response:
    removed = await daemon.containers.blocking(daemon.networks.prune, request.filters())
    return Response.json({"NetworksDeleted": removed or None})


async def connect(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    asked = endpoint_settings(inner(body, "EndpointConfig"), "EndpointConfig")
    container = daemon.containers.get(_container(body))
    await update.connect(daemon.containers, container, request["id"], asked)
    return Response(200)


async def disconnect(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    force = flag(body, "Force")
    try:
        container = daemon.containers.get(_container(body))
    except NotFound:
        if not force:
            raise
        raise NotFound(f"endpoint {_container(body)} not found") from None
    await update.disconnect(daemon.containers, container, request["id"], force=force)
    return Response(200)


def _container(body: Mapping[str, object]) -> str:
    name = body.get("Container")
    if not isinstance(name, str) or not name:
        raise InvalidParameter("no container given")
    return name


ROUTES = (
    Route("GET", "/networks", list_),
    Route("POST", "/networks/create", create),
    Route("POST", "/networks/prune", prune),
    Route("GET", "/networks/{id}", inspect),
    Route("DELETE", "/networks/{id}", remove),
    Route("POST", "/networks/{id}/connect", connect),
    Route("POST", "/networks/{id}/disconnect", disconnect),
)
