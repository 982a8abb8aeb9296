"""POST /build, as every engine has it: a query, and the context as a tar."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from ...grammar.git import is_remote
from ..convert.resources import ulimits
from ..credentials.lookup import all_registries
from ..errors import OperationError
from .request import extra_hosts, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..client import Engine
    from ..client.bodies.builds import Line
    from ..model.build import Build
    from .request import BuildRequest

_INLINE = ".pycompose.inline.Dockerfile"


def build(engine: Engine, request: BuildRequest, arguments: Mapping[str, str | None]) -> Iterator[Line]:
    """The lines of the build. Raises `OperationError` for what this call has not."""
    tree = request.tree
    _refuse(request)
    context = tree.get("context") or os.getcwd()
    dockerfile = tree.get("dockerfile") or "Dockerfile"
    query = _query(request, arguments)
    if request.context_tar:
        return engine.images.build({**query, "dockerfile": dockerfile}, _blocks(request.context_tar), all_registries())
    if is_remote(context):
        return engine.images.build({**query, "remote": context, "dockerfile": dockerfile}, iter(()), all_registries())
    from .context import (
        tar_stream,
    )  # here: tarfile and its compressors are only for engines that cannot read the context

    dockerfile, extra = _placed_dockerfile(tree, context, dockerfile)
    return engine.images.build(
        {**query, "dockerfile": dockerfile}, tar_stream(context, dockerfile, extra), all_registries()
    )


def _refuse(request: BuildRequest) -> None:
    tree = request.tree
    given = (
        ("additional_contexts", tree.get("additional_contexts")),
        ("secrets", tree.get("secrets")),
        ("ssh", tree.get("ssh")),
        ("cache_to", tree.get("cache_to")),
        ("no_cache_filter", tree.get("no_cache_filter")),
        ("entitlements", tree.get("entitlements")),
        ("privileged", tree.get("privileged")),
        ("output", request.output),
    )
    unsupported = [key for key, value in given if value]
    if unsupported:
        where = f"services.{request.name}." if request.name else ""
        raise OperationError(f"{where}build: this engine's build call has no {', '.join(unsupported)}")


def _query(request: BuildRequest, arguments: Mapping[str, str | None]) -> dict[str, str | int | list[str] | None]:
    """The query but for the Dockerfile; what is None is not sent."""
    tree = request.tree
    return {
        "t": list(request.tags),
        "buildargs": json.dumps(dict(arguments)),
        "labels": json.dumps(tree.get("labels", {})),
        "cachefrom": json.dumps([ref for ref in map(_cached_image, tree.get("cache_from", ())) if ref]),
        "target": tree.get("target"),
        "nocache": tree.get("no_cache") or None,
        "pull": tree.get("pull") or None,
        "networkmode": tree.get("network"),
        "extrahosts": ",".join(extra_hosts(tree)) or None,
        "shmsize": int(tree["shm_size"]) if tree.get("shm_size") else None,
        "memory": request.memory,
        "platform": ",".join(request.platforms) or None,
        "ulimits": json.dumps(ulimits(tree["ulimits"])) if tree.get("ulimits") else None,
        "rm": 1,
        "forcerm": 1,
    }


def _placed_dockerfile(tree: Build, context: str, dockerfile: str) -> tuple[str, dict[str, bytes]]:
    """The Dockerfile's name in the context, and what has to be put there: one that is inline, or outside of it."""
    if tree.get("dockerfile_inline"):
        return _INLINE, {_INLINE: tree["dockerfile_inline"].encode()}
    full = os.path.normpath(os.path.join(context, dockerfile))
    content = read(full)
    if os.path.relpath(full, context).startswith(".."):
        return _INLINE, {_INLINE: content}
    return os.path.relpath(full, context), {}


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
