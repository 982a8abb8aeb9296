"""Container routes with plain answers: create, list, inspect and the verbs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from ....grammar import signals
from ...containers.life import create as creation
from ...containers.life import remove, restarting, start, stop, update
from ...containers.spec import resources, validate
from ...containers.view import filters, inspect, top
from ...errors import Conflict, EngineError, InvalidParameter, NotFound
from .. import leased
from ..http import Response, encode
from ..router import Route
from ..versions import fitted

if TYPE_CHECKING:
    from ...containers.life.container import Container
    from ...images.types import Image
    from ..daemon import Daemon
    from ..http import Request


async def create(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    async with leased.creation(daemon, body):
        container, warnings = await creation.create(
            daemon.containers,
            body,
            name=request.text("name"),
            platform=request.text("platform"),
            one_network=request.version < (1, 44),
        )
    return Response.json({"Id": container.id, "Warnings": warnings}, 201)


async def list_(daemon: Daemon, request: Request) -> Response:
    wanted = request.filters()
    filters.check(wanted, filters.LISTING)
    limit = request.number("limit", 0) or 0
    everything = (
        request.flag("all") or limit > 0 or any(wanted.get(key) for key in ("status", "exited", "before", "since"))
    )
    around = filters.Surroundings(
        ancestors=await _ancestors(daemon, wanted.get("ancestor") or []),
        networks=lambda one: _networks(daemon, one),
        published=lambda one: _published(daemon, one),
        before=_created(daemon, wanted.get("before")),
        since=_created(daemon, wanted.get("since")),
    )
    names = _image_names(daemon)
    now = time.time_ns()
    rows = []
    chosen = []
    for container in sorted(daemon.containers, key=lambda one: one.record.created, reverse=True):
        if not everything and not container.state.active:
            continue
        if not filters.passes(container, wanted, around):
            continue
        chosen.append(container)
        if limit > 0 and len(chosen) == limit:
            break
    for container in chosen:
        name = _image_name(container, names)
        row = inspect.summary(daemon.containers, container, now, version=request.version, image_name=name)
        if request.flag("size"):
            row["SizeRw"], row["SizeRootFs"] = await sizes(daemon, container)
        rows.append(fitted("container row", row, request.version))
    return Response.json(rows)


def _created(daemon: Daemon, references: list[str] | None) -> int | None:
    """When the container of a filter before or since was made."""
    if not references:
        return None
    created = 0
    for reference in references:  # of several the last one counts, but each has to be there
        try:
            created = daemon.containers.get(reference).record.created
        except NotFound:
            raise NotFound(f"no such container {reference}") from None
    return created


def _image_names(daemon: Daemon) -> dict[str, str]:
    """Reference as given at creation -> the image id it means now; asked once per listing and name."""
    found: dict[str, str] = {}
    for container in daemon.containers:
        reference = container.record.spec.image
        if reference not in found:
            try:
                found[reference] = daemon.images.resolve(reference).id
            except (NotFound, InvalidParameter):
                found[reference] = ""
    return found


def _image_name(container: Container, names: dict[str, str]) -> str:
    """The name the container was made by, as long as that still means its image; else the image's id."""
    reference = container.record.spec.image
    return reference if names.get(reference) == container.record.image else container.record.image


async def _ancestors(daemon: Daemon, references: list[str]) -> frozenset[str]:
    """The images that filter ancestor names, and all that are built upon one of them."""
    if not references:
        return frozenset()
    tops = set()
    result = set()
    for reference in references:
        try:
            image = daemon.images.resolve(reference)
        except (NotFound, InvalidParameter):
            continue
        result.add(image.id)
        if image.layers:
            tops.add(image.layers[-1].chain_id)
    known = await daemon.containers.blocking(daemon.images.list)
    parents = {image.id: image.parent for image in known}
    for image in known:
        # An image that came from elsewhere tells of its descent by its layers only.
        if _descends(image.id, result, parents) if image.parent else _is_above(image, tops):
            result.add(image.id)
    return frozenset(result)


def _is_above(image: Image, tops: set[str]) -> bool:
    return any(layer.chain_id in tops for layer in image.layers[:-1])


def _descends(id: str, ancestors: set[str], parents: dict[str, str]) -> bool:
    seen = set()
    while (id := parents.get(id, "")) and id not in seen:
        if id in ancestors:
            return True
        seen.add(id)
    return False


def _networks(daemon: Daemon, container: Container) -> set[str]:
    names = set(container.record.spec.networks)
    return names | {daemon.containers.network_id(name) for name in names}


def _published(daemon: Daemon, container: Container) -> list[str]:
    return [
        f"{row['PublicPort']}/{row['Type']}"
        for row in inspect.ports(daemon.containers, container)
        if "PublicPort" in row
    ]


async def sizes(daemon: Daemon, container: Container) -> tuple[int, int]:
    """Bytes of the container's own layer, and with its image's."""
    own = await daemon.containers.blocking(remove.upper_size, daemon.containers, container)
    try:
        image = daemon.images.resolve(container.record.image).size
    except NotFound:
        image = 0
    return own, own + image


async def inspect_(daemon: Daemon, request: Request) -> Response:
    container = daemon.containers.get(request["id"])
    body = inspect.inspect(daemon.containers, container, version=request.version)
    if request.flag("size"):
        body["SizeRw"], body["SizeRootFs"] = await sizes(daemon, container)
    return Response.json(fitted("container", body, request.version))


async def start_(daemon: Daemon, request: Request) -> Response:
    if request.text("checkpoint"):
        raise InvalidParameter("checkpoint is only supported in experimental mode")
    await start.start(daemon.containers, daemon.containers.get(request["id"]))
    return Response(204)


def _grace(request: Request) -> int | None:
    return request.number("t")


async def stop_(daemon: Daemon, request: Request) -> Response:
    grace = _grace(request)
    container = daemon.containers.get(request["id"])
    await stop.stop(daemon.containers, container, grace=grace, signal=request.text("signal"))
    return Response(204)


async def restart(daemon: Daemon, request: Request) -> Response:
    grace = _grace(request)
    container = daemon.containers.get(request["id"])
    await restarting.restart(daemon.containers, container, grace=grace, signal=request.text("signal"))
    return Response(204)


async def kill(daemon: Daemon, request: Request) -> Response:
    signal = request.text("signal")
    number = validate.any_signal(signal) if signal else stop.KILL
    try:
        if not signals.is_known(number):
            raise InvalidParameter(f"The linux daemon does not support signal {number}")
        container = daemon.containers.get(request["id"])
        await stop.kill(daemon.containers, container, number)
    except (NotFound, Conflict, InvalidParameter) as error:
        raise type(error)(f"Cannot kill container: {request['id']}: {error}") from None
    return Response(204)


async def pause(daemon: Daemon, request: Request) -> Response:
    await stop.pause(daemon.containers, daemon.containers.get(request["id"]))
    return Response(204)


async def unpause(daemon: Daemon, request: Request) -> Response:
    await stop.unpause(daemon.containers, daemon.containers.get(request["id"]))
    return Response(204)


async def rename(daemon: Daemon, request: Request) -> Response:
    name = request.text("name")
    if not name:
        raise InvalidParameter("Neither old nor new names may be empty")
    await update.rename(daemon.containers, daemon.containers.get(request["id"]), name)
    return Response(204)


async def update_(daemon: Daemon, request: Request) -> Response:
    body = await request.json()
    update.check(body)
    if request.version < (1, 55):  # to which these say nothing
        body = {name: value for name, value in body.items() if name not in resources.UPDATABLE_RULES}
    warnings = await update.update(daemon.containers, daemon.containers.get(request["id"]), body)
    return Response.json({"Warnings": warnings})


async def wait(daemon: Daemon, request: Request) -> None:
    """The header goes out at once, the body when the condition holds: clients rely on it to wait before they start."""
    condition = request.text("condition") or "not-running"
    if condition not in ("not-running", "next-exit", "removed"):
        raise InvalidParameter(f'invalid condition: "{condition}"')
    container = daemon.containers.get(request["id"])
    exits = container.exits

    def met() -> bool:
        if condition == "removed":
            return container.removed
        if condition == "next-exit":
            return container.exits > exits or container.removed
        # Each end counts, also one that the restart policy answers: nobody waits for ever on a restarting container.
        return not container.state.active or container.exits > exits

    async with request.stream() as write:
        await container.until(met)
        state = container.state
        body: dict[str, object] = {"StatusCode": state.exit_code}
        if state.error and state.exit_code and not container.removed:
            body["Error"] = {"Message": state.error}
        await write(encode(body) + b"\n")


async def remove_(daemon: Daemon, request: Request) -> Response:
    container = daemon.containers.get(request["id"])
    if request.flag("link"):
        # What is removed then is a name, and the only one of this path is the container's own.
        raise EngineError("Conflict, cannot remove the default link name of the container")
    await remove.remove(daemon.containers, container, force=request.flag("force"), volumes=request.flag("v"))
    return Response(204)


async def remove_link(daemon: Daemon, request: Request) -> Response:
    """DELETE /containers/{name}/{alias}?link=1"""
    if not request.flag("link"):
        raise NotFound(f"No such container: {request['id']}/{request['alias']}")
    await update.remove_link(daemon.containers, daemon.containers.get(request["id"]), request["alias"])
    return Response(204)


async def prune(daemon: Daemon, request: Request) -> Response:
    removed, freed = await remove.prune(daemon.containers, request.filters())
    return Response.json({"ContainersDeleted": removed or None, "SpaceReclaimed": freed})


async def top_(daemon: Daemon, request: Request) -> Response:
    container = daemon.containers.get(request["id"])
    if not container.state.running:
        raise Conflict(f"Container {container.id} is not running")
    arguments = request.text("ps_args") or "-ef"
    rows = await daemon.containers.blocking(top.top, stop.cgroup(daemon.containers, container), arguments)
    daemon.containers.publish(container, "top")
    return Response.json(rows)


async def resize(daemon: Daemon, request: Request) -> Response:
    rows, columns = size(request)
    container = daemon.containers.get(request["id"])
    shim = container.shim
    if shim is None or not container.state.running:
        raise Conflict(f"container {container.id} is not running")
    await shim.resize(rows, columns)
    daemon.containers.publish(container, "resize", height=str(rows), width=str(columns))
    return Response(200)


def size(request: Request) -> tuple[int, int]:
    """(rows, columns) of a resize request."""
    rows, columns = request.number("h"), request.number("w")
    if rows is None or columns is None or not (0 <= rows < 65536 and 0 <= columns < 65536):
        raise InvalidParameter("invalid resize: want h and w")
    return rows, columns


async def stats(daemon: Daemon, request: Request) -> None:
    """One document a second while the client listens; a single one with stream=0."""
    from ...containers.view import stats as counters

    container = daemon.containers.get(request["id"])
    streaming = request.flag("stream", True)
    one_shot = request.flag("one-shot")
    meter = counters.Meter(daemon.containers, container)
    async with request.stream() as write:
        if not streaming and not one_shot and container.state.running:
            await meter.read()
            await anyio.sleep(1)  # a rate needs two readings a while apart
        while not container.removed:
            await write(encode(fitted("stats", await meter.read(), request.version)) + b"\n")
            if not streaming:
                return
            with anyio.move_on_after(1):
                await container.until(lambda: container.removed)


async def hour(daemon: Daemon, request: Request) -> Response:
    """What a container has used in the last hour: a list for each quantity, oldest first."""
    columns = await daemon.hours.of(daemon.containers.get(request["id"]).id)
    return Response.json({name.capitalize(): values for name, values in columns.items()})


ROUTES = (
    Route("GET", "/containers/json", list_),
    Route("POST", "/containers/create", create),
    Route("POST", "/containers/prune", prune),
    Route("GET", "/containers/{id:path}/json", inspect_),  # 404 for an image's name, so that `docker inspect` goes on
    Route("POST", "/containers/{id}/start", start_),
    Route("POST", "/containers/{id}/stop", stop_),
    Route("POST", "/containers/{id}/restart", restart),
    Route("POST", "/containers/{id}/kill", kill),
    Route("POST", "/containers/{id}/pause", pause),
    Route("POST", "/containers/{id}/unpause", unpause),
    Route("POST", "/containers/{id}/rename", rename),
    Route("POST", "/containers/{id}/update", update_),
    Route("POST", "/containers/{id}/wait", wait),
    Route("POST", "/containers/{id}/resize", resize),
    Route("GET", "/containers/{id}/top", top_),
    Route("GET", "/containers/{id}/stats", stats),
    Route("GET", "/pycompose/containers/{id}/hour", hour),
    Route("DELETE", "/containers/{id}", remove_),
    Route("DELETE", "/containers/{id}/{alias:path}", remove_link),
)
