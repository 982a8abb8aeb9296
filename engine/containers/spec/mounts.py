"""Which mounts a create body asks for: Binds, Mounts, Volumes, VolumesFrom and Tmpfs become one list of MountPoints.

Pure: volumes are named but not created, host paths are not looked at. The later source wins on one destination, in
Docker's order: the image's and the body's Volumes yield to VolumesFrom, and that to Binds and Mounts.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import InvalidParameter
from .record import MountPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .bodies import BindOptions, Config, HostConfig, Mount, TmpfsOptions

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
MATCH = "match-user"
"""BindOptions.IDMapping.Source: what belongs to the owner of the source belongs to the container's user, and the reverse."""
_OPTIONS = (
    ("BindOptions", "bind"),
    ("VolumeOptions", "volume"),
    ("TmpfsOptions", "tmpfs"),
    ("ImageOptions", "image"),
)
_IGNORED = ("consistent", "cached", "delegated", "default", "z", "Z")


def collect(
    config: Config,
    host: HostConfig,
    donor: Callable[[str], Sequence[MountPoint]],
) -> tuple[MountPoint, ...]:
    """The mount points in order of destination. ``donor`` gives those of another container (VolumesFrom).

    Raises InvalidParameter, and what ``donor`` raises.
    """
    chosen: dict[str, MountPoint] = {}
    explicit: set[str] = set()
    for entry in host["VolumesFrom"] or ():
        for point in _from_container(entry, donor):
            chosen[point.destination] = point
    given = [parse_bind(text) for text in host["Binds"] or ()]
    given += [parse_mount(body) for body in host["Mounts"] or ()]
    for point in given:
        if point.destination in explicit:
            raise InvalidParameter(f"Duplicate mount point: {point.destination}")
        explicit.add(point.destination)
        chosen[point.destination] = point
    for destination, options in (host["Tmpfs"] or {}).items():
        if not destination.startswith("/"):
            raise InvalidParameter(f"invalid mount path: '{destination}' mount path must be absolute")
        path = _destination(destination, destination, "tmpfs")
        if path in explicit:
            raise InvalidParameter(f"Duplicate mount point: {path}")
        explicit.add(path)
        chosen[path] = _tmpfs(path, options)
    for destination in config["Volumes"] or ():
        path = _destination(f"/{destination.lstrip('/')}", destination, "volume")
        if path not in chosen:
            chosen[path] = MountPoint("volume", path, anonymous=True)
    return tuple(chosen[path] for path in sorted(chosen, key=lambda path: (path.count("/"), path)))


def parse_bind(text: str) -> MountPoint:
    """One entry of HostConfig.Binds: ``source:destination[:options]``, or a destination alone (an anonymous volume)."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidParameter(f"invalid volume specification: '{text}'")
    if len(parts) == 1:
        return MountPoint("volume", _destination(parts[0], text, "volume"), anonymous=True)
    source, kind = parts[0], "bind" if parts[0].startswith("/") else "volume"
    destination = _destination(parts[1], text, kind)
    mode = parts[2] if len(parts) == 3 else ""
    if kind == "volume" and "/" in source:
        raise InvalidParameter(
            f'create {source}: "{source}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    point = MountPoint(
        "bind" if kind == "bind" else "volume",
        destination,
        source=posixpath.normpath(source) if kind == "bind" else "",
        name="" if kind == "bind" else source,
        mode=mode or ("z" if kind == "volume" else ""),
        create_source=True,
        propagation="rprivate" if kind == "bind" else "",
    )
    return _with_mode(point, mode)


def _with_mode(point: MountPoint, mode: str) -> MountPoint:
    seen: set[str] = set()
    for word in filter(None, mode.split(",")):
        group = "rw" if word in ("ro", "rw") else "propagation" if word in _PROPAGATIONS else word
        if group in seen:
            raise InvalidParameter(f"invalid mode: {mode}")
        seen.add(group)
        if word in ("ro", "rw"):
            point = replace(point, rw=word == "rw")
        elif word in _PROPAGATIONS and point.type == "bind":
            point = replace(point, propagation=word)
        elif word == "nocopy" and point.type == "volume":
            point = replace(point, no_copy=True)
        elif word == "idmap" and point.type == "bind":
            point = replace(point, matched=True)
        elif word not in _IGNORED:
            raise InvalidParameter(f"invalid mode: {mode}")
    return point


def _destination(path: str, text: str, kind: str) -> str:
    trouble = None
    if not path.startswith("/"):
        trouble = f"invalid mount path: '{path}' mount path must be absolute"
    elif posixpath.normpath("/" + path.lstrip("/")) == "/":
        trouble = "invalid specification: destination can't be '/'"
    elif "\0" in path:
        trouble = "invalid mount path"
    if trouble:
        raise InvalidParameter(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": {trouble}"
        )
    return posixpath.normpath("/" + path.lstrip("/"))


def _from_container(entry: str, donor: Callable[[str], Sequence[MountPoint]]) -> Iterable[MountPoint]:
    name, _, mode = entry.partition(":")
    if not name or mode not in ("", "ro", "rw", "z", "Z", "ro,z", "ro,Z", "rw,z", "rw,Z"):
        raise InvalidParameter(f"invalid mode: {mode}" if name else f"malformed volumes from: {entry!r}")
    read_only = mode.startswith("ro")
    for point in donor(name):
        if point.type in ("bind", "volume"):
            yield replace(
                point, rw=point.rw and not read_only, mode=mode or point.mode, no_copy=True, from_mounts=False
            )


def parse_mount(body: Mount) -> MountPoint:
    """One entry of HostConfig.Mounts."""
    kind = body.get("Type") or ""
    target, source = body.get("Target") or "", body.get("Source") or ""

    def refuse(why: str) -> InvalidParameter:
        return InvalidParameter(f'invalid mount config for type "{kind}": {why}')

    if kind not in ("bind", "volume", "tmpfs", "image"):
        raise refuse("mount type unknown")
    if not target:
        raise refuse("field Target must not be empty")
    if not target.startswith("/"):
        raise refuse(f"invalid mount path: '{target}' mount path must be absolute")
    destination = posixpath.normpath("/" + target.lstrip("/"))
    if destination == "/":
        raise refuse("invalid specification: destination can't be '/'")
    for member, owner in _OPTIONS:
        if member in body and owner != kind:
            raise refuse(f"field {member} must not be specified")
    read_only = bool(body.get("ReadOnly"))
    if kind == "bind":
        return _bind_mount(body.get("BindOptions") or {}, source, destination, read_only, refuse)
    if kind == "tmpfs":
        if source:
            raise refuse("field Source must not be specified")
        return _tmpfs_mount(body.get("TmpfsOptions") or {}, destination, read_only, refuse)
    if kind == "image":
        if not source:
            raise refuse("field Source must not be empty")
        part = (body.get("ImageOptions") or {}).get("Subpath") or ""
        return MountPoint("image", destination, name=source, rw=not read_only, subpath=part)
    options = body.get("VolumeOptions") or {}
    if not source and read_only:
        raise refuse("must not set ReadOnly mode when using anonymous volumes")
    return MountPoint(
        "volume",
        destination,
        name=source,
        mode="z",
        rw=not read_only,
        no_copy=bool(options.get("NoCopy")),
        subpath=_subpath(options.get("Subpath") or "", refuse),
        anonymous=not source,
        from_mounts=True,
    )


def _bind_mount(
    options: BindOptions, source: str, destination: str, read_only: bool, refuse: Callable[[str], Exception]
) -> MountPoint:
    if not source:
        raise refuse("field Source must not be empty")
    if not source.startswith("/"):
        raise refuse(f"invalid mount path: '{source}' mount path must be absolute")
    propagation = options.get("Propagation") or "rprivate"
    if propagation not in _PROPAGATIONS:
        raise refuse(f"invalid propagation mode: {propagation}")
    asked = options.get("IDMapping")
    mapping = asked["Source"] if asked else ""
    if mapping not in ("", MATCH):
        raise refuse(f"invalid IDMapping: Source: {mapping!r}: want {MATCH}")
    recursion = ""
    if options.get("ReadOnlyNonRecursive"):
        recursion = "off"
    if options.get("ReadOnlyForceRecursive"):
        recursion = "force"
        if not read_only:
            raise refuse("mount source must be read-only for ReadOnlyForceRecursive")
    return MountPoint(
        "bind",
        destination,
        source=posixpath.normpath(source),
        rw=not read_only,
        propagation=propagation,
        non_recursive=bool(options.get("NonRecursive")),
        read_only_recursive=recursion,
        create_source=bool(options.get("CreateMountpoint")),
        from_mounts=True,
        matched=bool(mapping),
    )


def _tmpfs_mount(
    options: TmpfsOptions, destination: str, read_only: bool, refuse: Callable[[str], Exception]
) -> MountPoint:
    words = []
    size, mode = options.get("SizeBytes") or 0, options.get("Mode") or 0
    if size < 0 or not 0 <= mode <= 0o7777:
        raise refuse("invalid tmpfs options")
    if mode:
        words.append(f"mode={mode:o}")
    if size:
        words.append(f"size={size}")
    words += ["=".join(pair) for pair in options.get("Options") or ()]
    if read_only:
        words.append("ro")
    return replace(_tmpfs(destination, ",".join(words)), mode="", from_mounts=True, rw=not read_only)


_TMPFS_FLAGS = {
    "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "sync", "async", "dirsync", "remount", "mand", "nomand",
    "atime", "noatime", "diratime", "nodiratime", "bind", "rbind", "unbindable", "runbindable", "private", "rprivate",
    "shared", "rshared", "slave", "rslave", "relatime", "norelatime", "strictatime", "nostrictatime", "defaults",
}  # fmt: skip
_TMPFS_VALUES = ("mode", "uid", "gid", "size", "nr_blocks", "nr_inodes", "mpol", "huge")


def _tmpfs(destination: str, options: str) -> MountPoint:
    words = ["noexec", "nosuid", "nodev"]
    for word in filter(None, options.split(",")):
        name = word.partition("=")[0]
        if not (word in _TMPFS_FLAGS or ("=" in word and name in _TMPFS_VALUES)):
            raise InvalidParameter(f'invalid tmpfs option ["{word}"]')
        opposite = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}.get(word)
        if opposite in words:
            words.remove(opposite)
        elif word not in words and word not in ("defaults", "bind", "rbind", "remount"):
            words.append(word)
    return MountPoint("tmpfs", destination, mode=options, rw="ro" not in words, options=tuple(words))


def _subpath(path: str, refuse: Callable[[str], Exception]) -> str:
    if path and (path.startswith("/") or ".." in path.split("/")):
        raise refuse("subpath must be a relative path within the volume")
    return path
