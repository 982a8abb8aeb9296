"""Short forms that only Compose files have: volumes, devices, commands. What the engine reads as well is in `pycompose.grammar`.

Each function takes the text a user wrote and gives a plain value or raises `ValueError` with a message for the user.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model.service import BindOptions, Mount, VolumeOptions

_PROPAGATIONS = ("rprivate", "private", "rshared", "shared", "rslave", "slave")


def parse_volume(spec: str) -> Mount:
    """The long form of a mount's short form ``[SOURCE:]TARGET[:OPTIONS]``; drive letters are not separators."""
    if not spec:
        raise ValueError("invalid empty volume spec")
    if len(spec.encode()) <= 2:
        return {"type": "volume", "target": clean_target(spec)}
    fields: list[str] = []
    buffer = ""
    for char in spec:
        if char == ":" and not (len(buffer) == 1 and buffer.isalpha()):
            fields.append(buffer)
            buffer = ""
        else:
            buffer += char
    fields.append(buffer)
    if not all(fields):
        raise ValueError(f"invalid spec: {spec}: empty section between colons")
    if len(fields) > 3:
        raise ValueError(f"invalid spec: {spec}: too many colons")
    source = fields[0] if len(fields) > 1 else ""
    volume: Mount = {"type": "volume"}
    if source:
        volume["source"] = source
    volume["target"] = clean_target(fields[1] if len(fields) > 1 else fields[0])
    bind: BindOptions = {}
    options: VolumeOptions | None = None
    for option in fields[2].split(",") if len(fields) == 3 else ():
        if option in ("ro", "rw"):
            volume["read_only"] = option == "ro"
        elif option == "nocopy":
            options = {"nocopy": True}
        elif option in _PROPAGATIONS:
            bind["propagation"] = option
        elif option in ("z", "Z"):
            bind["selinux"] = option
        elif option == "idmap" and is_file_path(source):
            bind["x-idmap"] = "match-user"
    if not volume.get("read_only"):
        volume.pop("read_only", None)
    if is_file_path(source):
        volume["type"] = "bind"
        volume["bind"] = {**bind, "create_host_path": True}
        if options:
            volume["volume"] = options
    else:
        volume["volume"] = options or {}
        if bind:
            volume["bind"] = bind
    return volume


def clean_target(target: str) -> str:
    """A container path without ``.``, ``..`` and doubled slashes."""
    if not target:
        return ""
    cleaned = posixpath.normpath(target)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def is_file_path(source: str) -> bool:
    """Whether a mount source names a path on the host rather than a volume."""
    if not source:
        return False
    return source[0] in "./~" or source.startswith("\\\\") or (source[0].isalpha() and source[1:2] == ":")


def parse_device(text: str) -> dict[str, str]:
    """The long form of a device's ``SOURCE[:TARGET[:PERMISSIONS]]``."""
    parts = text.split(":")
    if len(parts) > 3:
        raise ValueError(f"confusing device mapping, please use long syntax: {text}")
    return {
        "source": parts[0],
        "target": (parts[1] if len(parts) > 1 else "") or parts[0],
        "permissions": parts[2] if len(parts) > 2 else "rwm",
    }


def split_command(text: str) -> list[str]:
    """The words of a command line: quotes, backslashes and backquotes as in a shell, without expansion of anything.

    What follows an unquoted ``;``, ``&``, ``|``, ``<`` or ``>`` is dropped, as Docker Compose does.
    """
    words: list[str] = []
    buffer = ""
    escaped = single = double = back = dollar = got = False
    for char in text:
        if escaped:
            escaped = False
            buffer += char
            got = True
        elif char == "\\":
            if single:
                buffer += char
            else:
                escaped = True
        elif char in " \t\r\n":
            if single or double or back or dollar:
                buffer += char
            elif got:
                words.append(buffer)
                buffer = ""
                got = False
        elif char == '"' and not (single or dollar):
            got = got or double
            double = not double
        elif char == "'" and not (double or dollar):
            got = got or single
            single = not single
        elif char == "(" and not (single or double or back):
            if dollar or not buffer.endswith("$"):
                raise ValueError("invalid command line string")
            dollar = True
            buffer += char
        elif char in ";&|<>" and not (single or double or back or dollar):
            if char == ">" and buffer[:1] in tuple("0123456789"):
                got = False
            break
        else:
            if char == "`" and not (single or double or dollar):
                back = not back
            elif char == ")" and not (single or double or back):
                dollar = not dollar
            got = True
            buffer += char
    if got:
        words.append(buffer)
    if escaped or single or double or back or dollar:
        raise ValueError("invalid command line string")
    return words
