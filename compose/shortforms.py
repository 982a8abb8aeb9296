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
    fields = _fields(spec)
    source = fields[0] if len(fields) > 1 else ""
    options = fields[2].split(",") if len(fields) == 3 else []
    volume: Mount = {"type": "volume"}
    if source:
        volume["source"] = source
    volume["target"] = clean_target(fields[1] if len(fields) > 1 else fields[0])
    if [one for one in options if one in ("ro", "rw")][-1:] == ["ro"]:
        volume["read_only"] = True
    bind: BindOptions = {}
    for option in options:
        if option in _PROPAGATIONS:
            bind["propagation"] = option
        elif option in ("z", "Z"):
            bind["selinux"] = option
        elif option == "idmap" and is_file_path(source):
            bind["x-idmap"] = "match-user"
    kept: VolumeOptions = {"nocopy": True} if "nocopy" in options else {}
    if is_file_path(source):
        volume["type"] = "bind"
        volume["bind"] = {**bind, "create_host_path": True}
        if kept:
            volume["volume"] = kept
    else:
        volume["volume"] = kept
        if bind:
            volume["bind"] = bind
    return volume


def volume_target(spec: str) -> str:
    """Where a mount's short form goes, without reading the rest. Raises ValueError."""
    fields = _fields(spec)
    return clean_target(fields[1] if len(fields) > 1 else fields[0])


def _fields(spec: str) -> list[str]:
    """What stands between the colons: one to three texts, none of them empty. Raises ValueError."""
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
    return fields


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

    What follows an unquoted ``;``, ``&``, ``|``, ``<`` or ``>`` is dropped, as Docker Compose does. Raises ValueError.
    """
    splitter = _Splitter()
    for char in text:
        if not splitter.take(char):
            break
    return splitter.end()


class _Splitter:
    """The state between two characters of a command line: the quotes that are open, and whether a word has begun (``got``)."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.buffer = ""
        self.escaped = self.single = self.double = self.back = self.dollar = self.got = False

    def quoted(self) -> bool:
        return self.single or self.double or self.back or self.dollar

    def take(self, char: str) -> bool:
        """Read one character; False where the command ends."""
        if self.escaped:
            self.escaped = False
            self._keep(char)
        elif char == "\\" and not self.single:
            self.escaped = True
        elif char == "\\":
            self.buffer += char
        elif char in " \t\r\n":
            self._space(char)
        elif char == '"' and not (self.single or self.dollar):
            self.got = self.got or self.double
            self.double = not self.double
        elif char == "'" and not (self.double or self.dollar):
            self.got = self.got or self.single
            self.single = not self.single
        elif char == "(" and not (self.single or self.double or self.back):
            if self.dollar or not self.buffer.endswith("$"):
                raise ValueError("invalid command line string")
            self.dollar = True
            self.buffer += char
        elif char in ";&|<>" and not self.quoted():
            if char == ">" and self.buffer[:1] in tuple("0123456789"):
                self.got = False
            return False
        else:
            self._toggle(char)
            self._keep(char)
        return True

    def _keep(self, char: str) -> None:
        self.buffer += char
        self.got = True

    def _space(self, char: str) -> None:
        if self.quoted():
            self.buffer += char
        elif self.got:
            self.words.append(self.buffer)
            self.buffer = ""
            self.got = False

    def _toggle(self, char: str) -> None:
        if char == "`" and not (self.single or self.double or self.dollar):
            self.back = not self.back
        elif char == ")" and not (self.single or self.double or self.back):
            self.dollar = not self.dollar

    def end(self) -> list[str]:
        if self.got:
            self.words.append(self.buffer)
        if self.escaped or self.quoted():
            raise ValueError("invalid command line string")
        return self.words
