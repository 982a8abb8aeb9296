"""The names a container may resolve: its resolver.json and the zone.json files of its networks, as they are now.

Files are looked at (one stat each) whenever a name is asked, and read again when they changed; the engine replaces
them by rename. A file that cannot be read keeps what was known before, one that is gone holds no names.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from .. import documents
from . import dnsmessage, ownlog

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
"""Of zone.json and resolver.json."""

_Signature = tuple[int, int, int]


class Addresses(NamedTuple):
    """Packed addresses of a name."""

    v4: tuple[bytes, ...]
    v6: tuple[bytes, ...]


class Zone:
    """One zone.json: ``{"name": network, "names": {name: [addresses]}, "reverse": {address: name}}``."""

    __slots__ = ("name", "names", "path", "reverse", "signature")

    def __init__(self, path: str) -> None:
        self.path = path
        self.signature: _Signature | None = None
        self.name = ""
        self.names: dict[str, Addresses] = {}
        self.reverse: dict[bytes, str] = {}

    def refresh(self) -> None:
        signature, content = _changed(self.path, self.signature)
        if signature == self.signature:
            return
        self.signature = signature
        if content is None:
            return
        self.name = str(content.get("name", "")).lower()
        self.names = read_names(content.get("names"))
        self.reverse = {}
        for text, name in _mapping(content.get("reverse")).items():
            address = dnsmessage.pack_address(text)
            if address is not None:
                self.reverse[address] = str(name)

    def find(self, name: str) -> Addresses | None:
        """The addresses of ``name`` or of ``name.network``; None when this network has no such name."""
        found = self.names.get(name)
        if found is None and self.name and name.endswith("." + self.name):
            found = self.names.get(name[: -len(self.name) - 1])
        return found


class Names:
    """All a container can resolve without asking further, and whom to ask for the rest."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._signature: _Signature | None = None
        self._private: dict[str, Addresses] = {}
        self._zones: list[Zone] = []
        self.servers: tuple[str, ...] = ()
        self.ndots = False
        """Whether the container has an ndots option: names without a dot are then the search list's, not upstream's."""

    def refresh(self) -> None:
        """Take in what changed on disk; before each query."""
        signature, content = _changed(self._path, self._signature)
        if signature != self._signature:
            self._signature = signature
            if content is not None:
                self._load(content)
        for zone in self._zones:
            zone.refresh()

    def _load(self, content: Mapping[str, object]) -> None:
        self._private = read_names(content.get("names"))
        self.servers = tuple(str(server) for server in _sequence(content.get("servers")))
        options = [str(option) for option in _sequence(content.get("options"))]
        self.ndots = any(option.startswith("ndots:") and option != "ndots:0" for option in options)
        known = {zone.path: zone for zone in self._zones}
        paths = dict.fromkeys(str(path) for path in _sequence(content.get("networks")))
        self._zones = [known.get(path) or Zone(path) for path in paths]

    def find(self, name: str) -> Addresses | None:
        """Addresses of a lower-case name: the container's own links first, then its networks in order."""
        if (found := self._private.get(name)) is not None:
            return found
        for zone in self._zones:
            if (found := zone.find(name)) is not None:
                return found
        return None

    def find_reverse(self, address: bytes) -> str | None:
        for zone in self._zones:
            if name := zone.reverse.get(address):
                return name
        return None


def read_names(content: object) -> dict[str, Addresses]:
    """``{name: [address…]}`` with names in lower case; what is no address is left out."""
    names: dict[str, Addresses] = {}
    for name, texts in _mapping(content).items():
        texts = [texts] if isinstance(texts, str) else _sequence(texts)
        packed = [address for text in texts if (address := dnsmessage.pack_address(str(text)))]
        v4 = tuple(address for address in packed if len(address) == 4)
        v6 = tuple(address for address in packed if len(address) == 16)
        names[name.lower().rstrip(".")] = Addresses(v4, v6)
    return names


def _changed(path: str, known: _Signature | None) -> tuple[_Signature | None, Mapping[str, object] | None]:
    """The file's signature now and, when that is another than ``known``, its content (None: unreadable, keep)."""
    try:
        status = os.stat(path)
    except OSError:
        return None, {}
    signature = (status.st_ino, status.st_mtime_ns, status.st_size)
    if signature == known:
        return known, None
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        return signature, documents.checked(content, VERSION, path) if isinstance(content, dict) else None
    except (OSError, ValueError):
        return signature, None
    except documents.NewerFormat as error:
        ownlog.say("shim", str(error))
        return signature, None


def _mapping(content: object) -> Mapping[str, object]:
    return content if isinstance(content, dict) else {}


def _sequence(content: object) -> list[object]:
    return content if isinstance(content, list) else []
