"""Volume routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ...errors import InvalidParameter, NotFound, Unavailable
from ...shapes import inner, pairs
from ...volumes.types import check_filters
from .. import leased, transfer
from ..http import Response
from ..router import Route
from .snapshots import at_rest
from .unsupported import NO_MANAGER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    if body.get("ClusterVolumeSpec") is not None:
        raise Unavailable(NO_MANAGER)
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


def _strings(body: Mapping[str, object], member: str) -> dict[str, str]:
    return pairs(inner(body, member, kind="map"))


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


async def usage(daemon: Daemon, request: Request) -> Response:
    """Of each volume that is asked for; of all without a name."""
    names = request.query.get("name") or [
        volume.name for volume in await daemon.containers.blocking(daemon.volumes.list)
    ]
    found = []
    for name in names:
        try:
            found.append(await transfer.in_thread(daemon, daemon.exchange.usage, name))
        except NotFound:
            if "name" in request.query:
                raise  # else it was removed since it was listed
    return Response.json(found)


async def export(daemon: Daemon, request: Request) -> None:
    name = request["name"]
    await transfer.send_file(daemon, request, lambda out: daemon.exchange.export(name, out.write))


async def import_(daemon: Daemon, request: Request) -> Response:
    name, force = request["name"], request.flag("force")
    await daemon.containers.blocking(daemon.exchange.check, name, force=force)
    async with at_rest(daemon, (name,)):
        pass  # what runs on it is told before the archive is sent
    staged = await transfer.in_thread(daemon, daemon.exchange.receive, transfer.body(request))
    return await _commit(daemon, name, staged, force=force)


async def clone(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    target, force = body.get("Target"), bool(body.get("Force"))
    if not isinstance(target, str):
        raise InvalidParameter("invalid JSON: Target: want the name of a volume")
    if target == request["name"]:
        raise InvalidParameter(f"volume {target} cannot be cloned into itself")
    await daemon.containers.blocking(daemon.exchange.check, target, force=force)
    async with at_rest(daemon, (target,)):
        pass
    staged = await transfer.in_thread(daemon, daemon.exchange.copy, request["name"])
    return await _commit(daemon, target, staged, force=force)


async def _commit(daemon: Daemon, name: str, staged: Path, *, force: bool) -> Response:
    try:
        async with at_rest(daemon, (name,)):
            volume = await daemon.containers.blocking(daemon.exchange.commit, name, staged, force=force)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await daemon.containers.blocking(daemon.exchange.drop, staged)
        raise
    return Response.json(daemon.volumes.inspect(volume), 201)


ROUTES = (
    Route("GET", "/pycompose/volumes", usage),
    Route("GET", "/pycompose/volumes/{name}/archive", export),
    Route("PUT", "/pycompose/volumes/{name}/archive", import_),
    Route("POST", "/pycompose/volumes/{name}/clone", clone),
    Route("GET", "/volumes", list_),
    Route("POST", "/volumes/create", create),
    Route("POST", "/volumes/prune", prune),
    Route("GET", "/volumes/{name}", inspect),
    Route("DELETE", "/volumes/{name}", remove),
)
