"""Service volumes, tmpfs, configs and secrets as Binds, Mounts, Tmpfs, and files to put into the container.

A bind whose host path may be created is a *bind* string (engines create the source then), any other a *mount* (they
refuse then). A config or secret that is a plain file is bound read-only, as Docker Compose does; with an owner, a mode
or a value from elsewhere it becomes a `PlacedFile`.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from ..contents import file_content
from ..dataclass import dataclass
from ..errors import Diagnostic, PlanError
from ..labels import volume_name
from .values import byte_count, file_mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Project

CREDENTIALS = "/run/secrets/docker"
"""Where a service that uses the engine's socket finds registry credentials, as with Docker Compose."""
CONFIG_MODE = 0o444


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """A config or secret to be put into the container before it starts. ``source`` is a host path, or ``content`` the bytes.
    Without a ``uid`` or ``gid`` it is the container's user who owns it."""

    target: str
    uid: int | None
    gid: int | None
    mode: int
    content: bytes | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class MountPlan:
    binds: tuple[str, ...]
    mounts: tuple[dict[str, Any], ...]
    tmpfs: dict[str, str]
    files: tuple[PlacedFile, ...]


def plan_mounts(
    project: Project,
    name: str,
    service: Mapping[str, Any],
    kept: Mapping[str, str],
    socket: str | None,
) -> MountPlan:
    """``kept`` maps targets to the anonymous volumes that are carried over; ``socket`` is the engine's, for use_api_socket."""
    binds: list[str] = []
    mounts: list[dict[str, Any]] = []
    covered: set[str] = set()
    for index, volume in enumerate(service.get("volumes") or ()):
        target = str(volume["target"])
        covered.add(_clean(target))
        kind = volume.get("type") or "volume"
        if kind == "bind" and _is_plain_bind(volume):
            binds.append(_bind_string(volume))
        elif kind in ("bind", "volume", "tmpfs", "image"):
            mounts.append(_mount(project, volume, kept))
        else:
            raise _refusal(
                project, ("services", name, "volumes", index), f"volumes of type {kind!r} do not exist on Linux"
            )
    for target, source in kept.items():
        if _clean(target) not in covered:
            mounts.append({"Type": "volume", "Source": source, "Target": target, "VolumeOptions": {}})
    if service.get("use_api_socket"):
        if socket is None:
            raise _refusal(
                project, ("services", name, "use_api_socket"), "use_api_socket needs an engine on a unix socket"
            )
        binds.append(f"{socket}:/var/run/docker.sock:rw")
    files: list[PlacedFile] = []
    for noun, default in (("configs", "/{}"), ("secrets", "/run/secrets/{}")):
        for index, use in enumerate(service.get(noun) or ()):
            placed = _file(project, name, noun, default, use, index)
            if isinstance(placed, PlacedFile):
                files.append(placed)
            else:
                mounts.append(placed)
    tmpfs: dict[str, str] = {}
    for item in service.get("tmpfs") or ():
        path, _, options = str(item).partition(":")
        tmpfs[path] = options
    return MountPlan(tuple(binds), tuple(mounts), tmpfs, tuple(files))


def _clean(path: str) -> str:
    return posixpath.normpath(path)


def _is_plain_bind(volume: Mapping[str, Any]) -> bool:
    options = volume.get("bind") or {}
    if options.get("recursive") or (volume.get("consistency") and not options):
        return False
    return bool(options.get("create_host_path", False)) or bool(options.get("selinux"))


def _bind_string(volume: Mapping[str, Any]) -> str:
    options = volume.get("bind") or {}
    modes = ["ro" if volume.get("read_only") else "rw"]
    modes += [str(options[key]) for key in ("selinux", "propagation") if options.get(key)]
    return f"{volume['source']}:{volume['target']}:{','.join(modes)}"


def _mount(project: Project, volume: Mapping[str, Any], kept: Mapping[str, str]) -> dict[str, Any]:
    kind = volume.get("type") or "volume"
    mount: dict[str, Any] = {"Type": kind, "Target": volume["target"]}
    if volume.get("read_only"):
        mount["ReadOnly"] = True
    if volume.get("consistency"):
        mount["Consistency"] = volume["consistency"]
    source = volume.get("source")
    options = volume.get(kind) or {}
    if kind == "bind":
        mount["Source"] = source
        bind: dict[str, Any] = {}
        if options.get("propagation"):
            bind["Propagation"] = options["propagation"]
        if options.get("create_host_path"):
            bind["CreateMountpoint"] = True
        recursive = options.get("recursive")
        if recursive == "disabled":
            bind["NonRecursive"] = True
        elif recursive == "writable":
            bind["ReadOnlyNonRecursive"] = True
        elif recursive == "readonly":
            bind["ReadOnlyForceRecursive"] = True
        if bind:
            mount["BindOptions"] = bind
    elif kind == "volume":
        if source:
            mount["Source"] = volume_name(project, source) if source in project.volumes else source
        elif kept.get(str(volume["target"])):
            mount["Source"] = kept[str(volume["target"])]
        detail: dict[str, Any] = {}
        if options.get("nocopy"):
            detail["NoCopy"] = True
        if options.get("subpath"):
            detail["Subpath"] = options["subpath"]
        if options.get("labels"):
            detail["Labels"] = dict(options["labels"])
        mount["VolumeOptions"] = detail
    elif kind == "tmpfs":
        detail = {}
        if options.get("size"):
            detail["SizeBytes"] = byte_count(options["size"])
        if options.get("mode") is not None:
            detail["Mode"] = file_mode(options["mode"], 0)
        if detail:
            mount["TmpfsOptions"] = detail
    else:
        mount["Source"] = source
        if options.get("subpath"):
            mount["ImageOptions"] = {"Subpath": options["subpath"]}
    return mount


def _file(
    project: Project, service: str, noun: str, default: str, use: Mapping[str, Any], index: int
) -> PlacedFile | dict[str, Any]:
    where = ("services", service, noun, index)
    source = str(use["source"])
    tree: Mapping[str, Any] = (project.configs if noun == "configs" else project.secrets).get(source) or {}
    singular = noun.removesuffix("s")
    if tree.get("external"):
        raise _refusal(project, where, f"external {singular} {source!r}: this engine keeps no {noun} of its own")
    for key in ("driver", "template_driver"):
        if tree.get(key):
            raise _refusal(project, (noun, source, key), f"{singular} {source!r}: {key} is a feature of Swarm")
    target = str(use.get("target") or default.format(source))
    if not target.startswith("/"):
        target = default.format(target)
    content = file_content(project, noun, source)
    owned = any(use.get(key) is not None for key in ("uid", "gid", "mode"))
    if content is None and not owned:
        return {"Type": "bind", "Source": tree["file"], "Target": target, "ReadOnly": True}
    return PlacedFile(
        target=_clean(target),
        uid=_number(project, use, "uid", where),
        gid=_number(project, use, "gid", where),
        mode=file_mode(use.get("mode"), CONFIG_MODE),
        content=content,
        source=None if content is not None else str(tree["file"]),
    )


def _number(project: Project, use: Mapping[str, Any], key: str, where: tuple[str | int, ...]) -> int | None:
    value = use.get(key)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", str(value)):
        raise _refusal(project, (*where, key), f"{key} must be a number, not {value!r}")
    return int(value)


def _refusal(project: Project, path: tuple[str | int, ...], message: str) -> PlanError:
    return PlanError(str(Diagnostic(message, path, project.mark(*path))))


def credential_files(service: Mapping[str, Any], credentials: bytes | None) -> tuple[PlacedFile, ...]:
    """The credentials of a service that uses the engine's socket, unless it says itself where they are."""
    if (
        not service.get("use_api_socket")
        or credentials is None
        or "DOCKER_CONFIG" in (service.get("environment") or {})
    ):
        return ()
    return (PlacedFile(f"{CREDENTIALS}/config.json", 0, 0, CONFIG_MODE, content=credentials),)
