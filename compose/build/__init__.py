"""Building a service's image: by our engine's own call when it can read the context, else by the classic POST /build."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any, cast

from ...grammar.git import is_remote
from .. import files
from ..convert.values import byte_count, pairs
from ..credentials import docker_config
from ..credentials.lookup import all_registries
from ..errors import OperationError
from ..labels import COMPATIBLE_VERSION, PROJECT, SERVICE, VERSION, image_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..client import Engine
    from ..client.bodies.builds import Checked, Line
    from ..client.bodies.builds import Event as BuildEvent
    from ..convert.bodies import Ulimit
    from ..model import Project

_EPOCH = "SOURCE_DATE_EPOCH"
_INLINE = ".pycompose.inline.Dockerfile"
_BUILDKIT_ONLY = (
    "additional_contexts",
    "secrets",
    "ssh",
    "cache_to",
    "no_cache_filter",
    "entitlements",
    "privileged",
    "output",
)


def build_service(
    engine: Engine,
    project: Project,
    name: str,
    overrides: Mapping[str, Any],
    output: Callable[[str], None],
    events: Callable[[BuildEvent], None] | None = None,
) -> str:
    """Build and tag the image of service ``name``; its id. ``overrides`` are build flags: no_cache, pull, args, memory.

    ``output`` and ``events`` as in `build_image`.

    Raises `EngineError` with the engine's message when the build fails.
    """
    service = project.services[name]
    tree = _tree(project, name, overrides)
    ref = image_name(project, name)
    wanted = [str(one) for one in tree.get("platforms") or ()]
    default = str(service.get("platform") or project.environment.get("DOCKER_DEFAULT_PLATFORM") or "")
    platforms = one_platform(wanted, default, lambda: _host_platform(engine))
    left_out = [one for one in wanted if one not in platforms]
    if left_out:
        output(f"one build makes an image for one platform: {platforms[0]}, without {', '.join(left_out)}\n")
    for key, side in (("cache_from", "src"), ("cache_to", "dest")):
        if tree.get(key):
            tree[key] = [absolute_cache(str(one), side, str(project.directory)) for one in tree[key]]
    tags = [ref, *(tag for tag in tree.get("tags") or () if tag != ref)]
    secrets = _secrets(project, tree) if tree.get("secrets") else {}
    return build_image(
        engine,
        tree,
        tags,
        platforms,
        output,
        secrets=secrets,
        environment=project.environment,
        memory=overrides.get("memory"),
        name=name,
        events=events,
    )


def _tree(project: Project, name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The service's build section with what flags say, its context absolute, and labels that say whose image it is."""
    tree: dict[str, Any] = {"context": str(project.directory), **project.services[name]["build"]}
    tree["args"] = {**pairs(tree.get("args")), **(overrides.get("args") or {})}
    own = {PROJECT: project.name, SERVICE: name, VERSION: COMPATIBLE_VERSION}
    tree["labels"] = {**pairs(tree.get("labels")), **own}
    for key in ("no_cache", "pull"):
        tree[key] = bool(tree.get(key) or overrides.get(key))
    if overrides.get("ssh"):
        tree["ssh"] = overrides["ssh"]
    contexts = pairs(tree.get("additional_contexts"))
    if contexts:
        tree["additional_contexts"] = {key: _context(project, str(value)) for key, value in contexts.items()}
    return tree


def one_platform(wanted: Sequence[str], default: str, host: Callable[[], str]) -> list[str]:
    """The platform to build for, of those that ``build.platforms`` names: the service's own or the environment's
    (``default``), else that of the engine's machine, else the only one. Empty for the engine's choice. Raises
    `OperationError`."""
    if not wanted:
        return [default] if default else []
    if default in wanted:
        return [default]
    if len(wanted) == 1:
        return list(wanted)
    own = host()
    found = next((one for one in wanted if one == own or one.startswith(f"{own}/")), None)
    if found is None:
        raise OperationError(
            f"one build makes an image for one platform, and none of {', '.join(wanted)} is this machine's ({own}):"
            " choose one with platform"
        )
    return [found]


def _host_platform(engine: Engine) -> str:
    tree = engine.system.version()
    return f"{tree.get('Os') or 'linux'}/{tree.get('Arch') or ''}"


def absolute_cache(text: str, key: str, directory: str) -> str:
    """A cache source or target with its directory below ``directory`` made absolute: the engine runs elsewhere."""
    if not text.startswith("type=local"):
        return text
    parts = [item.partition("=") for item in text.split(",")]
    return ",".join(
        f"{name}={os.path.abspath(os.path.join(directory, value)) if name == key else value}"
        for name, _, value in parts
    )


def _context(project: Project, value: str) -> str:
    """A named context; another service stands for the image it runs."""
    if value.startswith("service:"):
        return f"docker-image://{image_name(project, value.removeprefix('service:'))}"
    return value


def build_image(
    engine: Engine,
    tree: Mapping[str, Any],
    tags: list[str],
    platforms: list[str],
    output: Callable[[str], None],
    *,
    secrets: Mapping[str, bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    memory: int | None = None,
    name: str = "",
    events: Callable[[BuildEvent], None] | None = None,
) -> str:
    """Build from a ``build`` section whose paths are absolute; the id of the image. ``secrets`` are bytes by id.

    ``events`` gets the events of our own engine's build; another engine's build, and one without it, speaks to ``output``.
    """
    arguments = _arguments(tree, environment or {}, engine)
    if engine.endpoint.address.path is not None and engine.is_pycompose:
        lines = engine.images.build_local(
            _local_body(tree, arguments, tags, platforms, secrets or {}, memory),
            all_registries(),
            events=events is not None,
        )
    else:
        lines = _classic(engine, name, tree, arguments, tags, platforms, memory)
    return follow(engine, lines, tags[0] if tags else "", output, events, stored=not tree.get("output"))


def check_image(engine: Engine, tree: Mapping[str, Any], environment: Mapping[str, str]) -> Checked:
    """The findings of the build checks on a ``build`` section whose paths are absolute: ``{"fails": …, "warnings": […], "buildError": {…}}``."""
    if not engine.is_pycompose:
        raise OperationError("this engine's build call has no --check")
    return engine.images.check_local(_local_body(tree, _arguments(tree, environment, engine), [], [], {}, None))


def check_service(engine: Engine, project: Project, name: str, overrides: Mapping[str, Any]) -> Checked:
    """The findings of the build checks on the build of service ``name``."""
    return check_image(engine, _tree(project, name, overrides), project.environment)


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


def _arguments(tree: Mapping[str, Any], environment: Mapping[str, str], engine: Engine) -> dict[str, str | None]:
    """Build arguments; one without a value takes that of the environment, or none. SOURCE_DATE_EPOCH is always passed on, as by
    buildx (reproducible-builds.org/specs/source-date-epoch), and so are the proxies of the docker CLI's configuration."""
    proxies = docker_config.proxies(docker_config.read(), str(engine.endpoint.address))
    epoch = {key: None for key in (_EPOCH,) if environment.get(key)}
    given: dict[str, Any] = {**proxies, **epoch, **tree["args"]}
    return {key: environment.get(key) if value is None else str(value) for key, value in given.items()}


def _classic(
    engine: Engine,
    name: str,
    tree: Mapping[str, Any],
    arguments: Mapping[str, str | None],
    tags: list[str],
    platforms: list[str],
    memory: int | None,
) -> Iterator[Line]:
    unsupported = [key for key in _BUILDKIT_ONLY if tree.get(key)]
    if unsupported:
        raise OperationError(
            f"{f'services.{name}.' if name else ''}build: this engine's build call has no {', '.join(unsupported)}"
        )
    context = str(tree.get("context") or os.getcwd())
    dockerfile = str(tree.get("dockerfile") or "Dockerfile")
    from .context import (
        tar_stream,
    )  # here: tarfile and its compressors are only for engines that cannot read the context

    query: dict[str, str | int | list[str] | None] = {
        "t": tags,
        "buildargs": json.dumps(arguments),
        "labels": json.dumps({**pairs(tree.get("labels"))}),
        "cachefrom": json.dumps([ref for ref in map(_cached_image, tree.get("cache_from") or ()) if ref]),
        "target": tree.get("target"),
        "nocache": tree["no_cache"] or None,
        "pull": tree["pull"] or None,
        "networkmode": tree.get("network"),
        "extrahosts": ",".join(_extra_hosts(tree)) or None,
        "shmsize": byte_count(tree["shm_size"]) if tree.get("shm_size") else None,
        "memory": memory,
        "platform": ",".join(platforms) or None,
        "ulimits": json.dumps(_ulimits(tree)) if tree.get("ulimits") else None,
        "rm": 1,
        "forcerm": 1,
    }
    if tree.get("context_tar"):
        query["dockerfile"] = dockerfile
        return engine.images.build(query, _blocks(str(tree["context_tar"])), all_registries())
    if is_remote(context):
        query |= {"remote": context, "dockerfile": dockerfile}
        return engine.images.build(query, iter(()), all_registries())
    extra: dict[str, bytes] = {}
    if tree.get("dockerfile_inline"):
        dockerfile, extra = _INLINE, {_INLINE: str(tree["dockerfile_inline"]).encode()}
    else:
        full = os.path.normpath(os.path.join(context, dockerfile))
        if os.path.relpath(full, context).startswith(".."):
            extra = {_INLINE: _read(full)}
            dockerfile = _INLINE
        else:
            _read(full)
            dockerfile = os.path.relpath(full, context)
    query["dockerfile"] = dockerfile
    return engine.images.build(query, tar_stream(context, dockerfile, extra), all_registries())


def _cached_image(text: str) -> str:
    """The image that a ``cache_from`` names, "" for one that is none."""
    if "=" not in text:
        return text
    fields = dict(item.partition("=")[::2] for item in text.split(","))
    return fields.get("ref", "") if fields.get("type") == "registry" else ""


def _blocks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            yield block


def _read(path: str) -> bytes:
    try:
        return files.read(path)
    except OSError as error:
        raise OperationError(f"failed to read dockerfile: {path}: {error.strerror}") from error


def _extra_hosts(tree: Mapping[str, Any]) -> list[str]:
    value = tree.get("extra_hosts") or []
    if isinstance(value, list):
        return [item.replace("=", ":", 1) if "=" in item else item for item in value]
    return [f"{name}:{address}" for name, address in value.items()]


def _ulimits(tree: Mapping[str, Any]) -> list[Ulimit]:
    from ..convert.resources import ulimits

    return ulimits(tree["ulimits"])


def _local_body(
    tree: Mapping[str, Any],
    arguments: Mapping[str, str | None],
    tags: list[str],
    platforms: list[str],
    secrets: Mapping[str, bytes],
    memory: int | None,
) -> dict[str, Any]:
    """The body of our engine's POST /pycompose/build: the build section, made absolute and complete."""
    body = {key: value for key, value in tree.items() if value is not None}
    body["args"] = {key: value for key, value in arguments.items() if value is not None}
    body["tags"] = tags
    body["platforms"] = platforms
    body["extra_hosts"] = _extra_hosts(tree)
    body["labels"] = pairs(tree.get("labels"))
    if memory:
        body["memory"] = memory
    if tree.get("ssh"):
        body["ssh"] = _agents(tree["ssh"])
    if secrets:
        body["secrets"] = {ident: base64.b64encode(data).decode() for ident, data in secrets.items()}
    return body


def _agents(value: Any) -> dict[str, str]:
    """SSH ids with the socket of their agent; one without a path is the caller's own agent."""
    entries = value.items() if isinstance(value, dict) else [str(item).partition("=")[::2] for item in value]
    found = {str(ident): str(path or os.environ.get("SSH_AUTH_SOCK") or "") for ident, path in entries}
    missing = [ident for ident, path in found.items() if not path]
    if missing:
        raise OperationError(f"build.ssh: no agent for {missing[0]!r}: SSH_AUTH_SOCK is not set")
    return found


def _secrets(project: Project, tree: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of the secrets that the build uses, by id."""
    from ..contents import file_content

    result: dict[str, bytes] = {}
    for use in tree["secrets"]:
        source = str(use["source"])
        content = file_content(project, "secrets", source)
        result[str(use.get("target") or source)] = (
            content if content is not None else _read(str(project.secrets[source]["file"]))
        )
    return result


__all__ = ["absolute_cache", "build_image", "build_service", "check_image", "check_service", "follow"]
