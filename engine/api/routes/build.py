"""Image builds: the classic endpoint with a tar context, our own with a directory of this machine, and the build cache."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ....grammar import ulimits
from ...build.dockerfile.parse import EMPTY
from ...build.options import BuildOptions, DirectoryContext, EmptyContext, RemoteContext, TarContext
from ...build.outputs import parse_output, write_archive, write_files
from ...build.progress import Classic, Finished, StepFailed, StepLog, lines
from ...containers.spec import resources, validate
from ...errors import EngineError, InvalidParameter, NotImplemented_
from ...images import reference
from ...images.registry.endpoints import domain_of_key
from ...shapes import members, pairs, strings
from ...timestamps import parse_time
from .. import transfer
from ..http import Response
from ..router import Route
from . import buildkit, query
from .images import auth_from, decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...build.options import Context, Network
    from ...build.outputs import Output
    from ...build.progress import Event, Steps
    from ...build.service import Trees
    from ...images.bodies import ProgressMessage
    from ...images.types import Auth
    from ..daemon import Daemon
    from ..http import Request
    from ..transfer import Progress


async def build(daemon: Daemon, request: Request) -> Response | None:
    if request.text("version") == "2":
        return await buildkit.build(daemon, request)
    await _run(daemon, request, _classic_options(daemon, request), quiet=request.flag("q"), classic=True)
    return None


def _classic_options(daemon: Daemon, request: Request) -> BuildOptions:
    remote = request.text("remote")
    context: Context = (
        RemoteContext(remote) if remote and remote != "client-session" else TarContext(transfer.body(request))
    )
    if request.flag("squash"):
        raise InvalidParameter("squash is not offered by this engine")
    # The classic builder looks for cached steps in these images alone. Here they are found with everybody's, but not where
    # none of the images is there.
    sources = query.words(request, "cachefrom")
    return BuildOptions(
        context=context,
        dockerfile=request.text("dockerfile") or "Dockerfile",
        target=request.text("target"),
        args=query.texts(request, "buildargs"),
        labels={name: str(value) for name, value in query.json_map(request, "labels").items()},
        tags=tuple(request.query.get("t", ())),
        no_cache=request.flag("nocache") or bool(sources and not any(_is_here(daemon, ref) for ref in sources)),
        pull=request.flag("pull"),
        platforms=tuple(filter(None, request.text("platform").split(","))),
        cache_from=tuple(sources),
        network=_network(request.text("networkmode")),
        extra_hosts=validate.added_hosts(
            host for value in request.query.get("extrahosts", ()) for host in value.split(",") if host
        ),
        shm_size=request.number("shmsize") or None,
        ulimits=query.ulimits(request),
        resources=resources.build_limits(
            memory=request.number("memory", 0) or 0,
            swap=request.number("memswap", 0) or 0,
            shares=request.number("cpushares", 0) or 0,
            period=request.number("cpuperiod", 0) or 0,
            quota=request.number("cpuquota", 0) or 0,
            cpus=request.text("cpusetcpus"),
            mems=request.text("cpusetmems"),
        ),
        auth=_registries(request),
    )


def _is_here(daemon: Daemon, ref: str) -> bool:
    try:
        daemon.images.resolve(ref)
    except EngineError:
        return False
    return True


def _network(mode: str) -> Network:
    if mode in ("", "default", "bridge"):
        return "default"
    if mode.startswith("container:"):
        raise NotImplemented_(f"build network {mode!r}: this engine offers default, host, none and networks by name")
    return mode  # type: ignore[return-value]  # the runner takes any network's name


def _registries(request: Request) -> dict[str, Auth]:
    """X-Registry-Config: credentials by registry domain, whatever form the client's keys have."""
    found = decode(request.headers.get("x-registry-config", ""))
    return {domain_of_key(key): auth_from(members(body)) for key, body in found.items() if isinstance(body, dict)}


async def check(daemon: Daemon, request: Request) -> Response:
    """POST /pycompose/build/check: the build checks on what would be built."""
    options = _local_options(await request.json(), {})
    found = await daemon.containers.blocking(daemon.builder.check, options)
    return Response.json(found.document())


async def build_local(daemon: Daemon, request: Request) -> None:
    """POST /pycompose/build: a service's build section, its paths absolute, read where it lies."""
    body = await request.json()
    options = _local_options(body, _registries(request))
    output = parse_output(body.get("output"))
    if output is not None:
        await _run_events(daemon, request, options, output)
        return
    if request.flag("events"):
        await _run_events(daemon, request, options)
    else:
        await _run(daemon, request, options, quiet=False)


def _local_options(body: Mapping[str, object], auth: Mapping[str, Auth]) -> BuildOptions:
    where = str(body.get("context") or "")
    context: Context = EmptyContext()
    if body.get("context_tar"):
        context = TarContext(_open_archive(str(body["context_tar"])))
    elif where.startswith("/"):
        context = DirectoryContext(Path(where))
    elif where:
        context = RemoteContext(where)
    try:
        secrets = {name: base64.b64decode(value) for name, value in pairs(body.get("secrets")).items()}
    except (binascii.Error, ValueError):
        raise InvalidParameter("secrets: want a map of base64 text") from None
    return BuildOptions(
        context=context,
        dockerfile=str(body.get("dockerfile") or "Dockerfile"),
        dockerfile_inline=inline if isinstance(inline := body.get("dockerfile_inline"), str) else None,
        target=str(body.get("target") or ""),
        args={name: str(value) for name, value in members(body.get("args")).items() if value is not None},
        labels={name: str(value) for name, value in members(body.get("labels")).items()},
        tags=strings(body.get("tags")),
        no_cache=bool(body.get("no_cache")),
        no_cache_filter=strings(body.get("no_cache_filter")),
        pull=bool(body.get("pull")),
        platforms=strings(body.get("platforms")),
        contexts={name: str(value) for name, value in members(body.get("additional_contexts")).items()},
        secrets=secrets,
        ssh=_ssh(body.get("ssh")),
        cache_from=strings(body.get("cache_from")),
        cache_to=strings(body.get("cache_to")),
        network=_network(str(body.get("network") or "")),
        extra_hosts=validate.added_hosts(strings(body.get("extra_hosts"))),
        shm_size=_size(body, "shm_size") or None,
        ulimits=_compose_ulimits(members(body.get("ulimits"))),
        resources=resources.build_limits(memory=_size(body, "memory")),
        privileged=bool(body.get("privileged")),
        entitlements=frozenset(strings(body.get("entitlements"))),
        provenance=_provenance(body.get("provenance")),
        sbom=_attested(body.get("sbom")),
        auth=auth,
    )


def _size(body: Mapping[str, object], member: str) -> int:
    """Bytes, from a number or a text with a unit; 0 for nothing."""
    value = body.get(member)
    return value if isinstance(value, int) else validate.size(str(value), member) if value else 0


def _open_archive(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise InvalidParameter(f"context {path}: {error.strerror}") from None


def _attested(value: object) -> bool:
    return value not in (None, False, "", "false") and "disabled=true" not in str(value)


def _provenance(value: object) -> str:
    if not _attested(value):
        return ""
    return "max" if "mode=max" in str(value).split(",") else "min"


def _ssh(value: object) -> dict[str, Path]:
    """``{"id": "/path"}``, or a list of ``id=/path``; ``default`` alone has no meaning without the client's agent."""
    if isinstance(value, dict):
        return {str(name): Path(str(path)) for name, path in value.items() if path}
    if isinstance(value, list):
        pairs = (str(entry).partition("=") for entry in value)
        return {name: Path(path) for name, given, path in pairs if given}
    return {}


def _compose_ulimits(value: Mapping[str, object]) -> dict[str, tuple[int, int]]:
    result = {}
    for name, limit in value.items():
        if name not in ulimits.NAMES:
            raise InvalidParameter(f"invalid ulimit type: {name}")
        pair = (limit.get("soft", 0), limit.get("hard", 0)) if isinstance(limit, dict) else (limit, limit)
        try:
            result[name] = (int(str(pair[0])), int(str(pair[1])))
        except ValueError:
            raise InvalidParameter(f"invalid ulimit {name}: want numbers") from None
    return result


async def _run(daemon: Daemon, request: Request, options: BuildOptions, *, quiet: bool, classic: bool = False) -> None:
    """``classic``: messages exactly as Docker's own classic builder words them."""

    def work(progress: Progress) -> None:
        fold = Classic()
        told = False

        def tell(event: Event) -> None:
            nonlocal told
            if classic and isinstance(event, StepFailed) and not progress.told:
                return  # nothing has begun: the answer gets a status that says so
            told = told or isinstance(event, StepFailed)
            if quiet and not isinstance(event, StepFailed | Finished):
                return
            if quiet and isinstance(event, Finished):
                progress({"stream": f"{event.image}\n"})
                return
            for message in fold.render(event):
                progress(_as_docker(event, message) if classic else message)

        try:
            daemon.builder.build(replace(options, cancel=progress.gone), tell)
        except EngineError as error:
            if classic and str(error) == EMPTY:
                raise InvalidParameter(f"the Dockerfile ({options.dockerfile}) cannot be empty") from None
            if not told:
                raise

    await transfer.with_progress(daemon, request, work)


def _names(options: BuildOptions) -> list[str]:
    return [reference.parse(tag).with_default_tag.familiar for tag in options.tags]


async def _run_events(daemon: Daemon, request: Request, options: BuildOptions, output: Output | None = None) -> None:
    """Each event as an object of its own; a failure follows its event, in Docker's form."""
    files = output is not None and output.kind in ("local", "tar")

    def export(trees: Trees, steps: Steps) -> None:
        assert output is not None
        write_files(output, daemon.images, trees, steps)

    def work(progress: Progress) -> None:
        failed: StepFailed | None = None

        def tell(event: Event) -> None:
            nonlocal failed
            if isinstance(event, StepFailed):
                failed = failed or event
            progress(lines(event))

        try:
            image = daemon.builder.build(replace(options, cancel=progress.gone), tell, export if files else None)
            if output is not None and not files:
                write_archive(output, daemon.images, image, _names(options))
        except EngineError:
            if failed is None:
                raise
            for message in Classic().render(failed):
                progress(message)

    await transfer.with_progress(daemon, request, work)


_EXIT = re.compile(r'process (".*") did not complete successfully: exit code: (\d+)', re.DOTALL)


def _as_docker(event: Event, message: ProgressMessage) -> ProgressMessage:
    """Stderr in red, and a failed command in the words that clients look for."""
    if isinstance(event, StepLog) and event.stream == "stderr":
        return {"stream": f"\x1b[91m{message['stream']}\x1b[0m"}
    if isinstance(event, StepFailed) and (match := _EXIT.match(event.message)):
        text = f"The command '{json.loads(match[1])}' returned a non-zero code: {match[2]}"
        return {"errorDetail": {"code": event.code, "message": text}, "error": text}
    return message


def _kept(request: Request) -> int:
    """Bytes that may stay: the first that is given of the words of old and new versions."""
    for name in ("reserved-space", "max-used-space", "keep-storage"):
        if wanted := request.number(name, 0):
            return wanted
    return 0


_SELECTING = {"id", "parent", "type", "description", "inuse", "shared", "private"}
_TIMES = {"until", "unused-for"}


def _unused_since(filters: Mapping[str, Sequence[str]]) -> float | None:
    """What was used after it stays, in seconds since the epoch. A filter that is not offered would take more than was asked for."""
    until = None
    for key, values in filters.items():
        if key not in _SELECTING | _TIMES:
            raise InvalidParameter(f"failed to prune build cache: invalid filter '{key}'")
        if len(values) > 1:
            raise InvalidParameter("failed to prune build cache: filters expect only one value")
        if key in _SELECTING:
            raise NotImplemented_(f"failed to prune build cache: filter {key} is not offered by this engine")
        until = parse_time(values[0], time.time_ns()) / 1e9
    return until


async def prune(daemon: Daemon, request: Request) -> Response:
    until = _unused_since(request.filters())
    removed, freed = await daemon.containers.blocking(
        daemon.builder.prune,
        all=request.flag("all"),
        keep_storage=_kept(request),
        until=until,
    )
    daemon.events.publish("builder", "prune", "", {"reclaimed": str(freed)})
    return Response.json({"CachesDeleted": removed or None, "SpaceReclaimed": freed})


async def recent(daemon: Daemon, request: Request) -> Response:
    """GET /pycompose/builds: what builds do, and the last ones did. ``after`` is the revision of an earlier answer."""
    return Response.json(daemon.builder.recent.shown(request.number("after", 0) or 0))


ROUTES = (
    Route("POST", "/build", build),
    Route("POST", "/build/prune", prune),
    Route("POST", "/pycompose/build", build_local),
    Route("POST", "/pycompose/build/check", check),
    Route("GET", "/pycompose/builds", recent),
)
