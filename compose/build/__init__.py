"""Building an image: by our engine's own call when it can read the context, else by the classic POST /build."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, cast

from ..credentials import docker_config
from ..credentials.lookup import all_registries
from ..errors import OperationError
from .request import BuildRequest, absolute_cache, extra_hosts, one_platform, service_request, service_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..client import Engine
    from ..client.bodies.builds import Checked, Line
    from ..client.bodies.builds import Event as BuildEvent
    from ..model import Project
    from .trees import BuildFlags

__all__ = [
    "BuildRequest",
    "absolute_cache",
    "build_image",
    "build_service",
    "check_image",
    "check_service",
    "follow",
    "one_platform",
]

_EPOCH = "SOURCE_DATE_EPOCH"


def build_service(
    engine: Engine,
    project: Project,
    name: str,
    flags: BuildFlags,
    output: Callable[[str], None],
    events: Callable[[BuildEvent], None] | None = None,
) -> str:
    """Build and tag the image of service ``name``; its id. ``output`` and ``events`` as in `build_image`.

    Raises `EngineError` with the engine's message when the build fails.
    """
    if flags.get("every_platform") and not engine.is_pycompose:
        flags = {**flags, "every_platform": False}  # the classic build call knows one
    request = service_request(project, name, flags, lambda: _host_platform(engine))
    left_out = [one for one in request.tree.get("platforms", ()) if one not in request.platforms]
    if left_out:
        output(f"built for one platform: {request.platforms[0]}, without {', '.join(left_out)}\n")
    return build_image(engine, request, output, events)


def _host_platform(engine: Engine) -> str:
    tree = engine.system.version()
    return f"{tree.get('Os') or 'linux'}/{tree.get('Arch') or ''}"


def build_image(
    engine: Engine,
    request: BuildRequest,
    output: Callable[[str], None],
    events: Callable[[BuildEvent], None] | None = None,
) -> str:
    """Build; the id of the image.

    ``events`` gets the events of our own engine's build; another engine's build, and one without it, speaks to ``output``.
    """
    arguments = _arguments(request, engine)
    if engine.endpoint.address.path is not None and engine.is_pycompose:
        body = _local_body(request, arguments)
        lines = engine.images.build_local(body, all_registries(), events=events is not None)
    else:
        from . import classic

        lines = classic.build(engine, request, arguments)
    ref = request.tags[0] if request.tags else ""
    return follow(engine, lines, ref, output, events, stored=not request.output)


def check_image(engine: Engine, request: BuildRequest) -> Checked:
    """The findings of the build checks: ``{"fails": …, "warnings": […], "buildError": {…}}``."""
    if not engine.is_pycompose:
        raise OperationError("this engine's build call has no --check")
    return engine.images.check_local(_local_body(request, _arguments(request, engine)))


def check_service(engine: Engine, project: Project, name: str, flags: BuildFlags) -> Checked:
    """The findings of the build checks on the build of service ``name``."""
    request = BuildRequest(service_tree(project, name, flags), environment=project.environment)
    return check_image(engine, request)


def follow(
    engine: Engine,
    lines: Iterator[Line],
    ref: str,
    output: Callable[[str], None],
    events: Callable[[BuildEvent], None] | None = None,
    *,
    stored: bool = True,
) -> str:
    """Show a build's output; the id of the image, "" when none was made because the result is not ``stored``."""
    image_id = ""
    for line in lines:
        if "event" in line:
            if events is not None:
                events(cast("BuildEvent", line))
            image_id = line["image"] if line["event"] == "Finished" else image_id
        elif line.get("stream"):
            output(str(line["stream"]))
        elif line.get("status"):
            mark = f"{line['id']}: " if line.get("id") else ""
            output(f"{mark}{line['status']}\n")
        image_id = str((line.get("aux") or {}).get("ID") or image_id)
    return image_id or (str(engine.images.inspect(ref)["Id"]) if stored else "")


def _arguments(request: BuildRequest, engine: Engine) -> dict[str, str | None]:
    """Build arguments; one without a value takes that of the environment, or none. SOURCE_DATE_EPOCH is always passed on, as by
    buildx (reproducible-builds.org/specs/source-date-epoch), and so are the proxies of the docker CLI's configuration."""
    proxies = docker_config.proxies(docker_config.read(), str(engine.endpoint.address))
    environment = request.environment
    given: dict[str, str | None] = {**proxies}
    if environment.get(_EPOCH):
        given[_EPOCH] = None
    given |= request.tree.get("args", {})
    return {key: environment.get(key) if value is None else value for key, value in given.items()}


def _local_body(request: BuildRequest, arguments: Mapping[str, str | None]) -> dict[str, object]:
    """The body of our engine's POST /pycompose/build: the build section, made absolute and complete."""
    tree = request.tree
    body: dict[str, object] = {
        **tree,
        "args": {key: value for key, value in arguments.items() if value is not None},
        "tags": list(request.tags),
        "platforms": list(request.platforms),
        "extra_hosts": extra_hosts(tree),
        "labels": tree.get("labels", {}),
    }
    if request.context_tar:
        body["context_tar"] = request.context_tar
    if request.output:
        body["output"] = request.output
    if request.memory:
        body["memory"] = request.memory
    if tree.get("ssh"):
        body["ssh"] = agents(tree["ssh"])
    body.pop("secrets", None)
    if request.secrets:
        body["secrets"] = {ident: base64.b64encode(data).decode() for ident, data in request.secrets.items()}
    return body


def agents(entries: Sequence[str]) -> dict[str, str]:
    """SSH ids with the socket of their agent, of ``ID``, ``ID=SOCKET`` (flags) and ``ID: SOCKET`` (the loaded project). One without a
    socket is the caller's own agent. Raises `OperationError` when there is none."""
    parts = (one.partition(": " if ": " in one else "=") for one in entries)
    found = {ident: path or os.environ.get("SSH_AUTH_SOCK", "") for ident, _, path in parts}
    missing = [ident for ident, path in found.items() if not path]
    if missing:
        raise OperationError(f"build.ssh: no agent for {missing[0]!r}: SSH_AUTH_SOCK is not set")
    return found
