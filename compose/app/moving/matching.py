"""Whether a container is what a Compose file says now: two requests of creation compared, field by field. Pure.

Docker Compose's hash of a service cannot be compared with ours. Where the container that it made was asked for with the very fields
that we would ask for, our hash is put in the place of its, so that `up` finds nothing to change; else the first difference is told
and `up` replaces the container as it does after any change of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Fields = Mapping[str, object]

_CONFIG = (
    "Hostname",
    "Domainname",
    "User",
    "WorkingDir",
    "StopSignal",
    "StopTimeout",
    "Tty",
    "OpenStdin",
    "Healthcheck",
)
_HOST_DEFAULTS: Fields = {
    "CgroupnsMode": "private",
    "IpcMode": "private",
    "LogConfig": {"Type": "json-file"},
    "NetworkMode": "default",
    "RestartPolicy": {"Name": "no"},
    "ShmSize": 64 << 20,
    "MemorySwappiness": -1,
}
"""What an engine shows where nobody asked for anything."""

_UNCOMPARED = frozenset(
    {
        *(
            "Binds",
            "Mounts",
            "MaskedPaths",
            "ReadonlyPaths",
            "ContainerIDFile",
            "ConsoleSize",
            "Runtime",
            "VolumesFrom",
        ),
        *("Isolation", "VolumeDriver", "CgroupParent", "UsernsMode", "OomKillDisable", "Links"),
    }
)
"""Compared otherwise, or set by the engine for reasons of its own."""

_TOOLS = ("com.docker.compose.", "io.pycompose.", "desktop.docker.io/")


def differences(
    asked: Fields, had: Fields, image: Fields, networks: tuple[set[str], set[str]], kept: frozenset[str]
) -> Iterator[str]:
    """Names of the fields in which ``had``, Config and HostConfig that an engine shows, is not as ``asked``, a body of creation.

    ``image`` is the image's configuration. ``networks`` are the names in the body and those the container is in; ``kept`` are volumes
    that it has by name and that were anonymous once."""
    config = cast("Fields", had["Config"])
    for key in _CONFIG:
        default = image.get(key)
        if _plain(asked.get(key)) != _plain(config.get(key)) and _plain(asked.get(key) or default) != _plain(
            config.get(key)
        ):
            yield key
    if _command(asked, image) != _command(config, image):
        yield "Cmd"
    if {**_pairs(image.get("Env")), **_pairs(asked.get("Env"))} != {
        **_pairs(image.get("Env")),
        **_pairs(config.get("Env")),
    }:
        yield "Env"
    if {*_keys(image, "ExposedPorts"), *_keys(asked, "ExposedPorts")} != {*_keys(config, "ExposedPorts")}:
        yield "ExposedPorts"
    wanted = {**_tags(image), **_tags(asked)}
    if wanted != _tags(config):
        yield "Labels"
    host, shown = cast("Fields", asked.get("HostConfig") or {}), cast("Fields", had["HostConfig"])
    for key in sorted({*host, *shown} - _UNCOMPARED):
        if not host.get(key) and shown.get(key) in _unasked(key, host):
            continue
        default = _plain(_HOST_DEFAULTS.get(key))
        if (_plain(host.get(key)) or default) != (_plain(shown.get(key)) or default):
            yield f"HostConfig.{key}"
    if _mounted(host, frozenset()) != _mounted(shown, kept):
        yield "HostConfig.Mounts"
    if networks[0] != networks[1]:
        yield "Networks"


def _unasked(key: str, host: Fields) -> tuple[object, ...]:
    """What an engine may fill in by itself, by what else was asked for."""
    if key == "CgroupnsMode":  # of the host where control groups are version 1
        return "host", "private"
    memory = cast("int | None", host.get("Memory")) or 0
    return (2 * memory,) if key == "MemorySwap" and memory else ()


def _command(config: Fields, image: Fields) -> tuple[object, object]:
    """Entrypoint and command as they run: an entrypoint of one's own takes the image's command away."""
    entry, command = config.get("Entrypoint") or None, config.get("Cmd") or None
    if entry is None:
        entry, command = image.get("Entrypoint") or None, command or image.get("Cmd") or None
    elif entry == (image.get("Entrypoint") or None):
        command = command or image.get("Cmd") or None
    return entry, command


def _pairs(entries: object) -> dict[str, str | None]:
    """Environment as a mapping; a name without a value takes the variable away, as if it had never been there."""
    words = [str(one).partition("=") for one in cast("list[str] | None", entries) or ()]
    return {name: value for name, equals, value in words if equals}


def _keys(config: Fields, key: str) -> set[str]:
    return set(cast("dict[str, object] | None", config.get(key)) or ())


def _tags(config: Fields) -> dict[str, str]:
    tags = cast("dict[str, str] | None", config.get("Labels")) or {}
    return {name: value for name, value in tags.items() if not name.startswith(_TOOLS)}


def _mounted(host: Fields, kept: frozenset[str]) -> dict[str, tuple[str, str, tuple[str, ...], object]]:
    """Target -> kind, source, words of the short form and options of the long one: a mount can be asked for in both."""
    found: dict[str, tuple[str, str, tuple[str, ...], object]] = {}
    for bind in cast("list[str] | None", host.get("Binds")) or ():
        source, _, rest = bind.partition(":")
        target, _, mode = rest.partition(":")
        words = tuple(sorted(set(mode.split(",")) - {"", "rw", "z", "Z"}))
        kind = "bind" if source.startswith("/") else "volume"
        found[target or source] = (kind, source if target else "", words, None)
    for mount in cast("list[dict[str, object]] | None", host.get("Mounts")) or ():
        others = {key: one for key, one in mount.items() if key not in ("Type", "Source", "Target", "ReadOnly")}
        source = str(mount.get("Source") or "")
        words = ("ro",) if mount.get("ReadOnly") else ()
        found[str(mount["Target"])] = (str(mount["Type"]), "" if source in kept else source, words, _plain(others))
    return found


def _plain(value: object) -> object:
    """Without what says nothing: an absent member, null, "", 0, false and an empty collection are one."""
    if isinstance(value, dict):
        members = {key: _plain(one) for key, one in sorted(value.items())}
        return {key: one for key, one in members.items() if one} or None
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value] or None
    return value or None
