"""Image routes."""

from __future__ import annotations

import base64
import binascii
import re
from functools import partial
from typing import TYPE_CHECKING

from ... import shapes
from ...errors import InvalidParameter, NotFound, NotImplemented_
from ...images import reference
from ...images.types import Auth, Image, ImageUser, Platform
from .. import transfer
from ..http import Response
from ..router import Route
from ..versions import fitted
from .usage import shared_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...images.bodies import ImageSummary
    from ..daemon import Daemon
    from ..http import Request
    from ..transfer import Progress


def registry_auth(request: Request) -> Auth | None:
    """Credentials of the X-Registry-Auth header; None when there is no such header."""
    text = request.headers.get("x-registry-auth", "")
    return auth_from(decode(text)) if text else None


def decode(text: str) -> Mapping[str, object]:
    """What a header with credentials says. One that cannot be decoded has none, as with dockerd: clients send placeholders
    ("placeholder", "null") where they have no credentials."""
    try:
        padded = text + "=" * (-len(text) % 4)
        body = shapes.decode(base64.urlsafe_b64decode(padded.replace("+", "-").replace("/", "_")).decode())
    except (binascii.Error, ValueError):
        return {}
    return shapes.members(body)


def auth_from(body: Mapping[str, object]) -> Auth:
    return Auth(
        str(body.get("username") or ""),
        str(body.get("password") or ""),
        str(body.get("identitytoken") or ""),
        str(body.get("registrytoken") or ""),
    )


def _platform(request: Request) -> Platform | None:
    text = request.text("platform")
    return Platform.parse(text) if text else None


def _platforms(request: Request, name: str = "platform") -> list[Platform]:
    """OCI platforms in JSON, which a query may have several of. A list in JSON is one as well."""
    found: list[Platform] = []
    for text in request.query.get(name, ()):
        try:
            value = shapes.decode(text)
        except ValueError:
            raise InvalidParameter(f"failed to parse platform: {text!r} is not JSON") from None
        for one in value if isinstance(value, list) else [value]:
            one = shapes.decode(one) if isinstance(one, str) else one
            given = shapes.members(one)
            system, architecture = given.get("os"), given.get("architecture")
            if not isinstance(system, str) or not isinstance(architecture, str):
                raise InvalidParameter(f"both OS and Architecture must be provided: {text}")
            parts = (system, architecture, str(given.get("variant") or ""))
            found.append(Platform.parse("/".join(part for part in parts if part)))
    return found


def _one(platforms: list[Platform]) -> list[Platform]:
    if len(platforms) > 1:
        raise InvalidParameter("multiple platforms are not supported here: give one")
    return platforms


def _asked(daemon: Daemon, request: Request) -> tuple[Image, bool]:
    """The image that is asked for, and whether it is one platform's that is."""
    platforms = _one(_platforms(request))
    image = daemon.images.resolve(request["name"], platforms[0] if platforms else None)
    return image, bool(platforms)


def _users(daemon: Daemon, id: str) -> list[str]:
    return [user.container for user in users(daemon, id)]


async def list_(daemon: Daemon, request: Request) -> Response:
    filters = request.filters()
    if request.text("filter"):
        filters.setdefault("reference", []).append(request.text("filter"))
    images = await daemon.containers.blocking(daemon.images.list, filters)
    shared = shared_sizes(images)
    indexed = await daemon.containers.blocking(daemon.images.indexed)
    return Response.json([row(daemon, image, request, shared, indexed) for image in images])


def row(
    daemon: Daemon, image: Image, request: Request, shared: Mapping[str, int], indexed: Mapping[str, str]
) -> ImageSummary:
    """One element of a listing."""
    identity = request.flag("identity") and request.version >= (1, 54)
    told = request.flag("manifests") or identity
    body = daemon.images.summary(image, indexed, partial(_users, daemon) if told else None)
    if identity and (known := daemon.images.contents.identity(image.id)):
        for one in body.get("Manifests", ()):
            if "ImageData" in one:
                one["ImageData"]["Identity"] = known
    if request.version >= (1, 51):
        body["Containers"] = len(daemon.containers.image_users(image.id))
    if request.flag("shared-size"):
        body["SharedSize"] = shared[image.id]
    return fitted("image row", body, request.version)


async def inspect(daemon: Daemon, request: Request) -> Response:
    told = request.flag("manifests")
    if told and _platforms(request):
        raise InvalidParameter("conflicting options: manifests and platform options cannot both be set")
    try:
        image, one = _asked(daemon, request)
    except NotFound as error:
        if _platforms(request):
            raise
        raise NotFound(f"no such image: {request['name']}: {error}") from None
    body = daemon.images.inspect(image, one=one, users=partial(_users, daemon) if told else None)
    body["Container"], body["ContainerConfig"] = "", dict(body["Config"])
    return Response.json(fitted("image", body, request.version))


async def history(daemon: Daemon, request: Request) -> Response:
    return Response.json(daemon.images.history(_asked(daemon, request)[0]))


async def attestations(daemon: Daemon, request: Request) -> Response:
    """In-toto statements about an image."""
    image, _ = _asked(daemon, request)
    types = request.query.get("type") or []
    return Response.json(daemon.images.attestations(image, types, bodies=request.flag("statement")))


async def create(daemon: Daemon, request: Request) -> None:
    """Pull (fromImage) or import (fromSrc)."""
    source, image, tag = request.text("fromSrc"), request.text("fromImage"), request.text("tag")
    if source:
        await _import(daemon, request, source)
        return
    if not image:
        raise InvalidParameter("fromImage or fromSrc is needed")
    ref = image if not tag else f"{image}@{tag}" if ":" in tag else f"{image}:{tag}"
    auth, platform = registry_auth(request), _platform(request)

    # The API's clients add :latest themselves; without a tag all of them are meant.
    named = reference.parse(ref)
    every = not named.tag and not named.digest

    def work(progress: Progress) -> None:
        daemon.images.pull(ref, auth=auth, platform=platform, progress=progress, all_tags=every, cancel=progress.gone)

    await transfer.with_progress(daemon, request, work)


async def _import(daemon: Daemon, request: Request, source: str) -> None:
    if source != "-":
        raise NotImplemented_("importing from a URL: download it and import it from a file or from standard input")
    repo, tag = request.text("repo"), request.text("tag")
    changes = [line for value in request.query.get("changes", []) for line in value.splitlines() if line.strip()]
    stream, platform = transfer.body(request), _platform(request)

    def work(progress: Progress) -> None:
        image = daemon.images.import_rootfs(
            stream,
            ref=f"{repo}:{tag}" if repo and tag else repo,
            changes=changes,
            message=request.text("message"),
            platform=platform,
        )
        progress({"status": image.id})

    await transfer.with_progress(daemon, request, work)


async def push(daemon: Daemon, request: Request) -> None:
    ref, tag = request["name"], request.text("tag")
    auth = registry_auth(request)
    if tag:
        ref = f"{ref}:{tag}"
    platforms = _one(_platforms(request))
    platform = platforms[0] if platforms else None
    if platform is not None:
        daemon.images.resolve(ref, platform)
    # The API's clients add :latest themselves; without a tag all of them are meant.
    named = reference.parse(ref)
    push_ = daemon.images.push if named.tag or named.digest else daemon.images.push_all

    def work(progress: Progress) -> None:
        push_(ref, auth=auth, progress=progress, platform=platform)

    await transfer.with_progress(daemon, request, work)


async def tag(daemon: Daemon, request: Request) -> Response:
    repo, name = request.text("repo"), request.text("tag")
    if not repo:
        raise InvalidParameter("repo: which name shall the image have?")
    if repo == "sha256":
        raise InvalidParameter("refusing to create an ambiguous tag using digest algorithm as name")
    wanted = reference.tagged(repo, name)
    await daemon.containers.blocking(daemon.images.tag, request["name"], wanted)
    return Response(201)


def users(daemon: Daemon, image_id: str) -> list[ImageUser]:
    return [ImageUser(id, running) for id, running in daemon.containers.image_users(image_id)]


async def remove(daemon: Daemon, request: Request) -> Response:
    name, platforms = request["name"], _platforms(request, "platforms")
    removed = await daemon.containers.blocking(
        partial(daemon.images.remove_platforms, platforms=platforms) if platforms else daemon.images.remove,
        name,
        force=request.flag("force"),
        prune=not request.flag("noprune"),
        in_use=lambda id: users(daemon, id),
    )
    return Response.json(removed)


async def prune(daemon: Daemon, request: Request) -> Response:
    removed, freed = await daemon.containers.blocking(
        daemon.images.prune, filters=request.filters(), in_use=lambda id: users(daemon, id)
    )
    return Response.json({"ImagesDeleted": removed or None, "SpaceReclaimed": freed})


async def save(daemon: Daemon, request: Request) -> None:
    names = [request["name"]] if "name" in request.params else request.query.get("names", [])
    if not names:
        raise InvalidParameter("names: which images shall be saved?")
    platforms = _platforms(request)
    for name in names:  # before the answer begins
        for platform in platforms:
            daemon.images.resolve(name, platform)
    await transfer.send_file(daemon, request, lambda out: daemon.images.save(names, out, platforms=platforms))


async def load(daemon: Daemon, request: Request) -> None:
    stream = transfer.body(request)
    quiet, platforms = request.flag("quiet"), _platforms(request)

    def work(progress: Progress) -> None:
        daemon.images.load(
            stream,
            (lambda message: progress(message) if "stream" in message else None) if quiet else progress,
            platforms,
        )

    await transfer.with_progress(daemon, request, work, told_inside=True)


async def search(daemon: Daemon, request: Request) -> Response:
    term, limit = request.text("term"), request.text("limit") or "25"
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= 100:
        raise InvalidParameter(f"Limit {limit} is outside the range of [1, 100]")
    auth = registry_auth(request)
    return Response.json(await daemon.containers.blocking(daemon.images.search, term, limit=int(limit), auth=auth))


async def distribution(daemon: Daemon, request: Request) -> Response:
    """What buildx asks for after a push, and clients before a pull."""
    auth = registry_auth(request)
    return Response.json(await transfer.in_thread(daemon, daemon.images.distribution, request["name"], auth=auth))


ROUTES = (
    Route("GET", "/images/json", list_),
    Route("GET", "/images/search", search),
    Route("GET", "/images/get", save),
    Route("POST", "/images/create", create),
    Route("POST", "/images/load", load),
    Route("POST", "/images/prune", prune),
    Route("GET", "/images/{name:path}/json", inspect),
    Route("GET", "/images/{name:path}/history", history),
    Route("GET", "/images/{name:path}/attestations", attestations),
    Route("GET", "/images/{name:path}/get", save),
    Route("POST", "/images/{name:path}/push", push),
    Route("POST", "/images/{name:path}/tag", tag),
    Route("DELETE", "/images/{name:path}", remove),
    Route("GET", "/distribution/{name:path}/json", distribution),
)
