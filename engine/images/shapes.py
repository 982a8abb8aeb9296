"""Images in the words of the Docker Engine API: ImageInspect, ImageSummary, history entries, list filters. Pure."""

from __future__ import annotations

import fnmatch
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import InvalidParameter
from ..shapes import truth
from ..timestamps import ZERO_TIME, parse_rfc3339, parse_time, rfc3339
from . import reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .bodies import History, HistoryEntry, ImageInspect, ImageSummary
    from .types import Image

_PROCESS: dict[str, object] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


def timestamp(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; 0 when it is none."""
    return (parse_rfc3339(text) or 0) / 1e9


def inspect(image: Image, paths: Sequence[Path], tagged: float) -> ImageInspect:
    """GET /images/{name}/json. ``paths`` are the layers' directories, top-most first."""
    config = image.config
    data = {"UpperDir": str(paths[0])} if paths else {}
    if len(paths) > 1:
        data["LowerDir"] = ":".join(map(str, paths[1:]))
    history: Sequence[History] = config.get("history") or [{}]
    last = rfc3339(int(tagged * 1e9) if tagged else None)
    result: ImageInspect = {
        "Id": image.id,
        "RepoTags": list(image.repo_tags),
        "RepoDigests": list(image.repo_digests),
        "Parent": image.parent,
        "Comment": config.get("comment") or history[-1].get("comment") or "",
        "Created": image.created or ZERO_TIME,
        "DockerVersion": config.get("docker_version") or "",
        "Author": config.get("author") or "",
        "Config": {**_PROCESS, **image.process},
        "Architecture": config.get("architecture") or "",
        "Os": config.get("os") or "",
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Name": "overlay2", "Data": data},
        "RootFS": {"Type": "layers", "Layers": [layer.diff_id for layer in image.layers]},
        "Metadata": {"LastTagTime": last},
    }
    if variant := config.get("variant"):
        result["Variant"] = variant
    if version := config.get("os.version"):
        result["OsVersion"] = version
    return result


def summary(image: Image) -> ImageSummary:
    """One element of GET /images/json."""
    return {
        "Id": image.id,
        "ParentId": image.parent,
        "RepoTags": list(image.repo_tags),
        "RepoDigests": list(image.repo_digests),
        "Created": int(timestamp(image.created)),
        "Size": image.size,
        "VirtualSize": image.size,
        "SharedSize": -1,
        "Labels": dict(image.process.get("Labels") or {}),
        "Containers": -1,
    }


def history(image: Image) -> list[HistoryEntry]:
    """GET /images/{name}/history: newest first; the sizes of layers go to entries that made one."""
    entries: list[HistoryEntry] = []
    layers = iter(image.layers)
    for item in image.config.get("history") or []:
        layer = None if item.get("empty_layer") else next(layers, None)
        entries.append(
            {
                "Id": "<missing>",
                "Created": int(timestamp(item.get("created") or "")),
                "CreatedBy": item.get("created_by") or "",
                "Tags": None,
                "Size": layer.size if layer else 0,
                "Comment": item.get("comment") or "",
            }
        )
    for layer in layers:
        entries.append(  # noqa: PERF401 - reads like the loop above
            {"Id": "<missing>", "Created": 0, "CreatedBy": "", "Tags": None, "Size": layer.size, "Comment": ""}
        )
    entries.reverse()
    if entries:
        entries[0]["Id"] = image.id
        entries[0]["Tags"] = list(image.repo_tags) or None
    return entries


_FILTERS = frozenset({"reference", "dangling", "label", "label!", "before", "since", "until"})


def selected(
    images: Sequence[Image], filters: Mapping[str, Sequence[str]], resolve: Callable[[str], Image]
) -> list[Image]:
    """The images that match all filters, in order. ``reference`` narrows an image's names as Docker does."""
    for name in filters:
        if name not in _FILTERS:
            raise InvalidParameter(f"invalid filter '{name}'")
    found = list(images)
    if filters.get("dangling"):
        wanted = truth("dangling", filters["dangling"])
        found = [image for image in found if (not image.repo_tags) == wanted]
    for value in filters.get("label", ()):
        found = [image for image in found if _labelled(image, value)]
    for value in filters.get("label!", ()):
        found = [image for image in found if not _labelled(image, value)]
    for value in filters.get("before", ()):
        limit = timestamp(resolve(value).created)
        found = [image for image in found if timestamp(image.created) < limit]
    for value in filters.get("since", ()):
        limit = timestamp(resolve(value).created)
        found = [image for image in found if timestamp(image.created) > limit]
    for value in filters.get("until", ()):
        limit = parse_time(value, time.time_ns()) / 1e9
        found = [image for image in found if timestamp(image.created) < limit]
    patterns = filters.get("reference", ())
    for pattern in patterns:
        _check_glob(pattern)
    if patterns:
        narrowed = []
        for image in found:
            tags = tuple(name for name in image.repo_tags if any(matches(name, p) for p in patterns))
            digests = tuple(name for name in image.repo_digests if any(matches(name, p) for p in patterns))
            if tags or digests:
                narrowed.append(replace(image, repo_tags=tags, repo_digests=digests))
        found = narrowed
    return found


def _labelled(image: Image, wanted: str) -> bool:
    labels = image.process.get("Labels") or {}
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def matches(name: str, pattern: str) -> bool:
    """Whether a familiar name matches a pattern of the reference filter; a "*" does not cross a slash."""
    ref = reference.parse(name)
    return any(_glob(text, pattern) for text in (ref.familiar, ref.familiar_name, str(ref), ref.name))


def _check_glob(pattern: str) -> None:
    """Raises InvalidParameter where a bracket is not closed, or nothing is left to escape."""
    if re.fullmatch(r"(?:[^\\[]|\\.|\[\^?+(?:[^\\\]]|\\.)+\])*", pattern, re.DOTALL) is None:
        raise InvalidParameter("syntax error in pattern")


def _glob(text: str, pattern: str) -> bool:
    parts, patterns = text.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))
