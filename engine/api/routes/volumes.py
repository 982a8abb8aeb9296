"""Volume routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InvalidParameter, NotFound
from ...volumes.types import check_filters
from .. import leased
from ..http import Response
from ..router import Route

if TYPE_CHECKING:
    from ..daemon import Daemon
    from ..http import Request


async def list_(daemon: Daemon, request: Request) -> Response:
    filters = request.filters()
    check_filters(filters, prune=False)
    volumes = await daemon.containers.blocking(daemon.volumes.list, filters)
    return Response.json({"Volumes": [daemon.volumes.inspect(volume) for volume in volumes], "Warnings": None})


async def create(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    name, driver = body.get("Name") or "", body.get("Driver") or ""
    if not isinstance(name, str) or not isinstance(driver, str):
        raise InvalidParameter("invalid JSON: Name and Driver are strings")
    async with leased.creation(daemon, body):
        options, labels = _strings(body, "DriverOpts"), _strings(body, "Labels")
        try:
            volume = await daemon.containers.blocking(
                daemon.volumes.create, name, driver=driver, options=options, labels=labels
            )
        except (InvalidParameter, NotFound) as error:
            prefix = f"create {name}: " if name else "create: "
            raise type(error)(str(error) if str(error).startswith("create ") else f"{prefix}{error}") from None
    return Response.json(daemon.volumes.inspect(volume), 201)


def _strings(body: dict[str, Any], member: str) -> dict[str, str]:
    value = body.get(member) or {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise InvalidParameter(f"invalid JSON: {member}: want a map of strings")
    return value


async def inspect(daemon: Daemon, request: Request) -> Response:
    return Response.json(daemon.volumes.inspect(daemon.volumes.get(request["name"])))


async def remove(daemon: Daemon, request: Request) -> Response:
    await daemon.containers.blocking(daemon.volumes.remove, request["name"], force=request.flag("force"))
    return Response(204)


async def prune(daemon: Daemon, request: Request) -> Response:
    filters = request.filters()
    check_filters(filters, prune=True)
    if request.version < (1, 42):
        filters.setdefault("all", ["true"])
    removed, freed = await daemon.containers.blocking(daemon.volumes.prune, filters)
    return Response.json({"VolumesDeleted": removed, "SpaceReclaimed": freed})


ROUTES = (
    Route("GET", "/volumes", list_),
    Route("POST", "/volumes/create", create),
    Route("POST", "/volumes/prune", prune),
    Route("GET", "/volumes/{name}", inspect),
    Route("DELETE", "/volumes/{name}", remove),
)
