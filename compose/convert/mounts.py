"""Service volumes, tmpfs, configs and secrets as Binds, Mounts, Tmpfs, and files to put into the container.

A bind whose host path may be created is a *bind* string (engines create the source then), any other a *mount* (they
refuse then). A config or secret that is a plain file is bound read-only, as Docker Compose does; with an owner, a mode
or a value from elsewhere it becomes a `PlacedFile`.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ..contents import Use, file_content, file_objects, uses
from ..dataclass import dataclass
from ..errors import Diagnostic, PlanError
from ..labels import volume_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Project
    from ..model import service as model
    from .bodies import BindOptions, Mount, TmpfsOptions, VolumeOptions

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
    mounts: tuple[Mount, ...]
    tmpfs: dict[str, str]
    files: tuple[PlacedFile, ...]


def plan_mounts(
    project: Project,
    name: str,
    service: model.Service,
    kept: Mapping[str, str],
    socket: str | None,
) -> MountPlan:
    """``kept`` maps targets to the anonymous volumes that are carried over; ``socket`` is the engine's, for use_api_socket."""
    binds: list[str] = []
    mounts: list[Mount] = []
    covered: set[str] = set()
    for index, volume in enumerate(service.get("volumes") or ()):
        target = volume["target"]
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
    for use in uses(service):
        placed = _file(project, name, use, "/{}" if use.noun == "configs" else "/run/secrets/{}")
        if isinstance(placed, PlacedFile):
            files.append(placed)
        else:
            mounts.append(placed)
    tmpfs: dict[str, str] = {}
    for item in service.get("tmpfs") or ():
        path, _, options = item.partition(":")
        tmpfs[path] = options
    return MountPlan(tuple(binds), tuple(mounts), tmpfs, tuple(files))


def _clean(path: str) -> str:
    return posixpath.normpath(path)


def _is_plain_bind(volume: model.Mount) -> bool:
    options = volume.get("bind") or {}
    if options.get("recursive") or (volume.get("consistency") and not options):
        return False
    return bool(options.get("create_host_path", False)) or bool(options.get("selinux"))


def _bind_string(volume: model.Mount) -> str:
    options = volume.get("bind") or {}
    modes = ["ro" if volume.get("read_only") else "rw"]
    modes += [mode for mode in (options.get("selinux"), options.get("propagation")) if mode]
    modes += ["idmap"] if options.get("x-idmap") else []
    return f"{volume['source']}:{volume['target']}:{','.join(modes)}"


def _mount(project: Project, volume: model.Mount, kept: Mapping[str, str]) -> Mount:
    kind = volume.get("type") or "volume"
    mount: Mount = {"Type": kind, "Target": volume["target"]}
    if volume.get("read_only"):
        mount["ReadOnly"] = True
    if volume.get("consistency"):
        mount["Consistency"] = volume["consistency"]
    source = volume.get("source")
    if kind == "bind":
        mount["Source"] = source
        bind = _bind_options(volume.get("bind") or {})
        if bind:
            mount["BindOptions"] = bind
    elif kind == "volume":
        if source:
            mount["Source"] = volume_name(project, source) if source in project.volumes else source
        elif kept.get(volume["target"]):
            mount["Source"] = kept[volume["target"]]
        mount["VolumeOptions"] = _volume_options(volume.get("volume") or {})
    elif kind == "tmpfs":
        detail = _tmpfs_options(volume.get("tmpfs") or {})
        if detail:
            mount["TmpfsOptions"] = detail
    else:
        mount["Source"] = source
        image = volume.get("image") or {}
        if image.get("subpath"):
            mount["ImageOptions"] = {"Subpath": image["subpath"]}
    return mount


def _bind_options(options: model.BindOptions) -> BindOptions:
    found: BindOptions = {}
    if options.get("propagation"):
        found["Propagation"] = options["propagation"]
    if options.get("create_host_path"):
        found["CreateMountpoint"] = True
    recursive = options.get("recursive")
    if recursive == "disabled":
        found["NonRecursive"] = True
    elif recursive == "writable":
        found["ReadOnlyNonRecursive"] = True
    elif recursive == "readonly":
        found["ReadOnlyForceRecursive"] = True
    if options.get("x-idmap"):
        found["IDMapping"] = {"Source": options["x-idmap"]}
    return found


def _volume_options(options: model.VolumeOptions) -> VolumeOptions:
    found: VolumeOptions = {}
    if options.get("nocopy"):
        found["NoCopy"] = True
    if options.get("subpath"):
        found["Subpath"] = options["subpath"]
    if options.get("labels"):
        found["Labels"] = dict(options["labels"])
    return found


def _tmpfs_options(options: model.TmpfsOptions) -> TmpfsOptions:
    found: TmpfsOptions = {}
    if options.get("size"):
        found["SizeBytes"] = options["size"]
    if options.get("mode") is not None:
        found["Mode"] = options["mode"]
    return found


def _file(project: Project, service: str, used: Use, default: str) -> PlacedFile | Mount:
    noun, use = used.noun, used.reference
    where = ("services", service, noun, used.position)
    source = use["source"]
    tree = file_objects(project, noun).get(source) or {}
    singular = noun.removesuffix("s")
    if tree.get("external"):
        raise _refusal(project, where, f"external {singular} {source!r}: this engine keeps no {noun} of its own")
    for key, given in (("driver", tree.get("driver")), ("template_driver", tree.get("template_driver"))):
        if given:
            raise _refusal(project, (noun, source, key), f"{singular} {source!r}: {key} is a feature of Swarm")
    target = use.get("target") or default.format(source)
    if not target.startswith("/"):
        target = default.format(target)
    content = file_content(project, noun, source)
    uid, gid, mode = use.get("uid"), use.get("gid"), use.get("mode")
    if content is None and uid is None and gid is None and mode is None:
        return {"Type": "bind", "Source": tree["file"], "Target": target, "ReadOnly": True}
    return PlacedFile(
        target=_clean(target),
        uid=_number(project, uid, (*where, "uid")),
        gid=_number(project, gid, (*where, "gid")),
        mode=CONFIG_MODE if mode is None else mode,
        content=content,
        source=None if content is not None else tree["file"],
    )


def _number(project: Project, value: str | None, where: tuple[str | int, ...]) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", value):
        raise _refusal(project, where, f"{where[-1]} must be a number, not {value!r}")
    return int(value)


def _refusal(project: Project, path: tuple[str | int, ...], message: str) -> PlanError:
    return PlanError(str(Diagnostic(message, path, project.mark(*path))))


def credential_files(service: model.Service, credentials: bytes | None) -> tuple[PlacedFile, ...]:
    """The credentials of a service that uses the engine's socket, unless it says itself where they are."""
    if (
        not service.get("use_api_socket")
        or credentials is None
        or "DOCKER_CONFIG" in (service.get("environment") or {})
    ):
        return ()
    return (PlacedFile(f"{CREDENTIALS}/config.json", 0, 0, CONFIG_MODE, content=credentials),)
