"""Routes of snapshots, which are pycompose's own."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ...errors import Conflict, InvalidParameter
from ...images.progress import Reporter
from .. import transfer
from ..http import Response
from ..router import Route
from .images import registry_auth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from ..daemon import Daemon
    from ..http import Request
    from ..transfer import Progress


async def list_(daemon: Daemon, request: Request) -> Response:
    return Response.json([one.to_api() for one in daemon.snapshots.list(request.text("group"))])


async def save(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    volumes = _volumes(body.get("volumes"))
    async with at_rest(daemon, volumes.values()):
        snapshot = await daemon.containers.blocking(
            daemon.snapshots.save,
            str(body.get("group") or ""),
            str(body.get("name") or ""),
            volumes,
            daemon.leases.held(str(body["lease"])).id if body.get("lease") else "",
        )
    return Response.json(snapshot.to_api(), 201)


async def restore(daemon: Daemon, request: Request) -> Response:
    volumes = _volumes((await request.json()).get("volumes"))
    async with at_rest(daemon, volumes.values()):
        await daemon.containers.blocking(daemon.snapshots.restore, request["group"], request["name"], volumes)
    return Response(204)


async def remove(daemon: Daemon, request: Request) -> Response:
    await daemon.containers.blocking(daemon.snapshots.remove, request["group"], request["name"])
    return Response(204)


async def push(daemon: Daemon, request: Request) -> None:
    ref, auth, group, name = _ref(request), registry_auth(request), request["group"], request["name"]
    daemon.snapshots.get(group, name)

    def work(progress: Progress) -> None:
        report = Reporter(progress)
        with daemon.images.artifacts(ref, auth=auth, report=report) as artifacts:
            digest = daemon.shipping.push(group, name, artifacts, report)
        report({"status": f"{ref}: digest: {digest}", "aux": {"Digest": digest}, "progressDetail": {}})

    await transfer.with_progress(daemon, request, work)


async def pull(daemon: Daemon, request: Request) -> None:
    """``name``: that of the snapshot here; without it that which it was saved under."""
    ref, auth, group, name = _ref(request), registry_auth(request), request["group"], request.text("name")

    def work(progress: Progress) -> None:
        report = Reporter(progress)
        with daemon.images.artifacts(ref, auth=auth, report=report) as artifacts:
            snapshot = daemon.shipping.pull(group, name, artifacts.find(), artifacts, report)
        report({"status": f"{snapshot.name}: {', '.join(sorted(snapshot.volumes))}"})

    await transfer.with_progress(daemon, request, work)


def _ref(request: Request) -> str:
    if not request.text("ref"):
        raise InvalidParameter("ref: which name shall the snapshot have at the registry?")
    return request.text("ref")


@asynccontextmanager
async def at_rest(daemon: Daemon, names: Collection[str]) -> AsyncIterator[None]:
    """Hold the containers that have these volumes, none of which may run. Raises Conflict."""
    async with AsyncExitStack() as stack:
        for container in sorted(daemon.containers, key=lambda one: one.id):
            if any(point.type == "volume" and point.name in names for point in container.record.mounts):
                await stack.enter_async_context(container.lock)
                if container.state.active:
                    raise Conflict(f"container {container.name} is running: stop it before its volumes are changed")
        yield


def _volumes(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not value or not all(isinstance(one, str) for one in value.values()):
        raise InvalidParameter("volumes: want a map of keys to names of volumes")
    return value


ROUTES = (
    Route("GET", "/pycompose/snapshots", list_),
    Route("POST", "/pycompose/snapshots", save),
    Route("POST", "/pycompose/snapshots/{group}/{name}/restore", restore),
    Route("DELETE", "/pycompose/snapshots/{group}/{name}", remove),
    Route("POST", "/pycompose/snapshots/{group}/{name}/push", push),
    Route("POST", "/pycompose/snapshots/{group}/pull", pull),
)
