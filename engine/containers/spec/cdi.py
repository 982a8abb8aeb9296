"""Device requests by the Container Device Interface: what names such as ``vendor.com/class=name`` change in a container.

The specifications are files of the machine's administrator in /etc/cdi and /var/run/cdi (JSON or YAML; a device found in both
comes from the latter). A request for GPUs without names means the devices of kind ``nvidia.com/gpu``, as with Docker. They
are read at creation, to refuse what cannot be had, and again at each start.
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EngineError, InvalidParameter
from ...shapes import objects, strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal, TypedDict

    from ...linux import oci
    from .bodies import DeviceRequest

    class DeviceGiven(TypedDict, total=False):
        """What a specification says of a device node."""

        type: str
        major: int
        minor: int
        fileMode: int
        uid: int
        gid: int

    class Requests(TypedDict):
        """The members of HostConfig that matter here."""

        DeviceRequests: list[DeviceRequest] | None
        Runtime: str


log = logging.getLogger(__name__)

DIRECTORIES = (Path("/etc/cdi"), Path("/var/run/cdi"))
_LARGEST = 4 << 20
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.-]*/[A-Za-z][A-Za-z0-9._-]*=[A-Za-z0-9][A-Za-z0-9._:-]*")
_GPU_KIND = "nvidia.com/gpu"
_NEEDED = {"deviceNodes": ("path",), "mounts": ("hostPath", "containerPath"), "hooks": ("hookName", "path")}
_NUMBERS: tuple[Literal["major", "minor", "fileMode", "uid", "gid"], ...] = ("major", "minor", "fileMode", "uid", "gid")
_EDITS = {"env", "deviceNodes", "mounts", "hooks", "additionalGids"}


@dataclass(frozen=True, slots=True)
class Edits:
    """What is added to a container's OCI configuration, each in its terms. ``hooks`` are stages with their hooks."""

    env: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    mounts: tuple[oci.Mount, ...] = ()
    hooks: tuple[tuple[str, oci.Hook], ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A device node to make at ``path``, like the one at ``host_path`` but for what is ``given``."""

    path: str
    host_path: str
    given: DeviceGiven
    permissions: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """The devices of one kind, by name, and what all of them add."""

    common: list[Edits] = field(default_factory=list)
    devices: dict[str, Edits] = field(default_factory=dict)


def edits(host: Requests, directories: Sequence[Path] = DIRECTORIES) -> Edits:
    """What ``DeviceRequests`` add. Raises `InvalidParameter` for devices that there are not, `EngineError` for a
    specification that cannot be read."""
    requests = host["DeviceRequests"] or ()
    if not requests:
        return Edits()
    kinds = _read(directories)
    wanted = list(dict.fromkeys(name for request in requests for name in _names(request, kinds, directories)))
    missing = [name for name in wanted if name.partition("=")[2] not in _kind(kinds, name).devices]
    if missing:
        raise InvalidParameter(
            f"CDI device injection failed: unresolvable CDI devices {', '.join(missing)}{_known(kinds, directories)}"
        )
    found: list[Edits] = []
    for name in wanted:
        kind = _kind(kinds, name)
        found += [one for one in kind.common if one not in found]
        found.append(kind.devices[name.partition("=")[2]])
    result = Edits(
        env=tuple(line for one in found for line in one.env),
        nodes=tuple(node for one in found for node in one.nodes),
        mounts=tuple(mount for one in found for mount in one.mounts),
        hooks=tuple(hook for one in found for hook in one.hooks),
        groups=tuple(group for one in found for group in one.groups),
    )
    if result.hooks and host["Runtime"] in ("", "pycompose"):
        raise InvalidParameter(
            f"CDI devices {', '.join(wanted)} bring hooks, which pycompose's own runtime does not run: use another one"
            " (--runtime runc, runtime: runc)"
        )
    return result


def devices(directories: Sequence[Path] = DIRECTORIES) -> list[str]:
    """The qualified names of all devices that this host's specifications have; none when they cannot be read."""
    try:
        kinds = _read(directories)
    except EngineError as error:
        log.warning("%s", error)
        return []
    return sorted(f"{kind}={name}" for kind, found in kinds.items() for name in found.devices)


def _kind(kinds: Mapping[str, _Kind], name: str) -> _Kind:
    return kinds.get(name.partition("=")[0]) or _Kind()


def _known(kinds: Mapping[str, _Kind], directories: Sequence[Path]) -> str:
    names = sorted(f"{kind}={name}" for kind, found in kinds.items() for name in found.devices)
    places = " or ".join(map(str, directories))
    return f" (there are {', '.join(names)})" if names else f" (there is no specification in {places})"


def _names(request: DeviceRequest, kinds: Mapping[str, _Kind], directories: Sequence[Path]) -> list[str]:
    """The qualified names that one request asks for."""
    driver = request.get("Driver") or ""
    identifiers = request.get("DeviceIDs") or []
    capabilities = [word for words in request.get("Capabilities") or () for word in words]
    if driver == "cdi" or (not driver and identifiers and all(_NAME.fullmatch(one) for one in identifiers)):
        invalid = [one for one in identifiers if not _NAME.fullmatch(one)]
        if invalid or not identifiers:
            raise InvalidParameter(f"invalid CDI device name {(invalid or [''])[0]!r}: want vendor/class=name")
        return identifiers
    kind = kinds.get(_GPU_KIND)
    if driver not in ("", "nvidia") or ("gpu" not in capabilities and driver != "nvidia") or kind is None:
        # Docker's words and no more, since scripts look for them.
        raise InvalidParameter(
            f'could not select device driver "{driver}" with capabilities: [[{" ".join(capabilities)}]]'
        )
    if identifiers:
        return [one if "=" in one else f"{_GPU_KIND}={one}" for one in identifiers]
    count = request.get("Count") or 0
    single = sorted((name for name in kind.devices if name != "all"), key=lambda name: (len(name), name))
    if count < 0:
        return [f"{_GPU_KIND}=all"] if "all" in kind.devices else [f"{_GPU_KIND}={name}" for name in single]
    numbered = [name for name in single if name.isdecimal()] or single
    if count > len(numbered):
        raise InvalidParameter(f"{count} GPUs were asked for, {len(numbered)} are there")
    return [f"{_GPU_KIND}={name}" for name in numbered[:count]]


def _read(directories: Sequence[Path]) -> dict[str, _Kind]:
    kinds: dict[str, _Kind] = {}
    for directory in directories:
        for path in _files(directory):
            tree = _document(path)
            kind = kinds.setdefault(str(tree.get("kind")), _Kind())
            if tree.get("containerEdits"):
                kind.common.append(_edits(tree["containerEdits"], path))
            for device in objects(tree.get("devices")):
                kind.devices[str(device["name"])] = _edits(device.get("containerEdits") or {}, path)
    return kinds


def _files(directory: Path) -> Iterator[Path]:
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return
    yield from (path for path in entries if path.suffix in (".json", ".yaml", ".yml") and path.is_file())


def _document(path: Path) -> Mapping[str, object]:
    import yaml

    try:
        if os.stat(path).st_size > _LARGEST:
            raise EngineError(f"CDI specification {path} is too large")
        text = path.read_text(encoding="utf-8")
        tree = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise EngineError(f"CDI specification {path}: {error}") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("kind"), str):
        raise EngineError(f"CDI specification {path} names no kind")
    devices = tree.get("devices") or []
    if not isinstance(devices, list) or not all(isinstance(one, dict) and "name" in one for one in devices):
        raise EngineError(f"CDI specification {path}: devices is no list of objects with names")
    return tree


def _edits(tree: object, path: Path) -> Edits:
    """One ``containerEdits`` of a specification, read once. Raises `EngineError`."""
    if not isinstance(tree, dict):
        raise EngineError(f"CDI specification {path}: containerEdits is no object")
    unknown = [str(name) for name, value in tree.items() if value and name not in _EDITS]
    if unknown:
        raise EngineError(
            f"CDI specification {path}: {', '.join(sorted(unknown))} cannot be carried out by this engine"
        )
    for member, needed in _NEEDED.items():
        for entry in tree.get(member) or ():
            if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in needed):
                raise EngineError(f"CDI specification {path}: {member} lacks {' or '.join(needed)}")
    return Edits(
        env=strings(tree.get("env")),
        nodes=tuple(_node(one) for one in objects(tree.get("deviceNodes"))),
        mounts=tuple(_mount(one) for one in objects(tree.get("mounts"))),
        hooks=tuple(_hook(one) for one in objects(tree.get("hooks"))),
        groups=strings(tree.get("additionalGids")),
    )


def _node(tree: Mapping[str, object]) -> Node:
    given: DeviceGiven = {}
    if tree.get("type") is not None:
        given["type"] = str(tree["type"])
    for name in _NUMBERS:
        if isinstance(number := tree.get(name), int):
            given[name] = number
    return Node(str(tree["path"]), str(tree.get("hostPath") or ""), given, str(tree.get("permissions") or "rwm"))


def _mount(tree: Mapping[str, object]) -> oci.Mount:
    options = list(strings(tree.get("options")))
    kind = str(tree.get("type") or "bind")
    if kind == "bind" and not {"bind", "rbind"} & set(options):
        options.insert(0, "rbind")
    return {
        "destination": str(tree["containerPath"]),
        "type": kind,
        "source": str(tree["hostPath"]),
        "options": options,
    }


def _hook(tree: Mapping[str, object]) -> tuple[str, oci.Hook]:
    hook: oci.Hook = {"path": str(tree["path"])}
    if tree.get("args"):
        hook["args"] = list(strings(tree["args"]))
    if tree.get("env"):
        hook["env"] = list(strings(tree["env"]))
    if isinstance(timeout := tree.get("timeout"), int):
        hook["timeout"] = timeout
    return str(tree["hookName"]), hook
