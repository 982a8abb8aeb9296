"""Package indexes and the choice of the minimal base: Essential, required and apt, with what they depend on. Pure.

The set is that of ``debootstrap --variant=minbase``. Indexes hold 60,000 stanzas of which about a hundred matter, so
stanzas are split from the text but only the wanted ones are parsed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import EngineError
from . import version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_RELATION = re.compile(r"([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?")
_STANZA = re.compile(rb"(?:\A|\n\n)(Package: )")
_SEED = re.compile(rb"^(?:Priority: required|Essential: yes)$", re.MULTILINE)
_PROVIDES = re.compile(rb"^Provides: (.*)$", re.MULTILINE)
_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package in one archive. ``fields`` are the stanza's, ``mirror`` the archive's base URL."""

    name: str
    version: str
    fields: Mapping[str, str]
    mirror: str

    @property
    def filename(self) -> str:
        return self.fields["Filename"]

    @property
    def size(self) -> int:
        return int(self.fields["Size"])

    @property
    def sha256(self) -> str:
        return self.fields["SHA256"].lower()


def fields(stanza: str) -> dict[str, str]:
    """The fields of one control stanza; continuation lines stay in the value."""
    return {name: value.strip() for name, value in _FIELD.findall(stanza)}


class Index:
    """The packages of several archives; of each name the newest version counts."""

    def __init__(self) -> None:
        self._files: list[tuple[bytes, str, dict[str, int]]] = []
        self._twice: dict[str, list[tuple[bytes, str, int]]] = {}
        self._parsed: dict[str, Package] = {}
        self._providers: dict[str, list[str]] = {}
        self._seeds: set[str] = set()

    def add(self, text: bytes, mirror: str) -> None:
        """Take in one Packages file. It is kept as it is, with the offset of each package's stanza."""
        starts = [match.start(1) for match in _STANZA.finditer(text)]
        offsets: dict[str, int] = {}
        for start in starts:
            name = _name(text, start)
            if name in offsets:  # some suites keep two versions for a while
                self._twice.setdefault(name, []).append((text, mirror, start))
            else:
                offsets[name] = start
        self._files.append((text, mirror, offsets))
        self._parsed.clear()
        for match in _SEED.finditer(text):
            self._seeds.add(_name(text, starts[bisect_right(starts, match.start()) - 1]))
        for match in _PROVIDES.finditer(text):
            name = _name(text, starts[bisect_right(starts, match.start()) - 1])
            for item in match[1].decode("ascii", "replace").split(","):
                self._providers.setdefault(item.split("(")[0].strip(), []).append(name)

    def get(self, name: str) -> Package | None:
        """The newest version of a package, or None."""
        package = self._parsed.get(name)
        if package is not None:
            return package
        places = [(text, mirror, offsets[name]) for text, mirror, offsets in self._files if name in offsets]
        candidates = []
        for text, mirror, start in [*places, *self._twice.get(name, ())]:
            end = text.find(b"\n\n", start)
            values = fields(text[start : end if end >= 0 else len(text)].decode("utf-8", "replace"))
            candidates.append(Package(name, values["Version"], values, mirror))
        if not candidates:
            return None
        package = self._parsed[name] = max(candidates, key=lambda item: version.key(item.version))
        return package

    @property
    def seeds(self) -> list[str]:
        """Packages whose newest version is Essential or of priority required."""
        found = []
        for name in sorted(self._seeds):
            package = self.get(name)
            if package and (package.fields.get("Essential") == "yes" or package.fields.get("Priority") == "required"):
                found.append(name)
        return found

    def providers(self, name: str) -> list[str]:
        return sorted(set(self._providers.get(name, ())))


def _name(text: bytes, start: int) -> str:
    return text[start + 9 : text.index(b"\n", start)].decode("ascii", "replace").strip()


def minimal(index: Index, extra: Iterable[str]) -> list[Package]:
    """The base set with ``extra`` packages and all dependencies, sorted by name. Raises EngineError if one is missing."""
    chosen: dict[str, Package] = {}
    waiting: list[str] = []

    def take(name: str) -> None:
        package = index.get(name)
        if package is None:
            raise EngineError(f"package {name} is in none of the archive's indexes")
        if name not in chosen:
            chosen[name] = package
            waiting.append(name)

    for name in (*index.seeds, *extra):
        take(name)
    while waiting:
        package = chosen[waiting.pop(0)]
        for field in ("Pre-Depends", "Depends"):
            for clause in package.fields.get(field, "").split(","):
                if clause.strip():
                    _satisfy(clause, package, index, chosen, take)
    return [chosen[name] for name in sorted(chosen)]


def _satisfy(
    clause: str, package: Package, index: Index, chosen: Mapping[str, Package], take: Callable[[str], None]
) -> None:
    alternatives = _alternatives(clause)
    for name, relation, wanted in alternatives:
        have = chosen.get(name)
        if have is not None and (not relation or version.satisfies(have.version, relation, wanted)):
            return
    for name, relation, wanted in alternatives:
        if any(_provides(chosen[other], name, relation, wanted) for other in index.providers(name) if other in chosen):
            return
    for name, relation, wanted in alternatives:
        candidate = index.get(name)
        if candidate is not None and (not relation or version.satisfies(candidate.version, relation, wanted)):
            take(name)
            return
    for name, relation, wanted in alternatives:
        for other in index.providers(name):
            provider = index.get(other)
            if provider is not None and _provides(provider, name, relation, wanted):
                take(other)
                return
    raise EngineError(f"package {package.name}: nothing satisfies {clause.strip()}")


def _alternatives(clause: str) -> Sequence[tuple[str, str, str]]:
    found = []
    for alternative in clause.split("|"):
        match = _RELATION.match(alternative.strip())
        if match is not None:
            found.append((match[1], match[2] or "", match[3] or ""))
    return found


def _provides(package: Package, name: str, relation: str, wanted: str) -> bool:
    for item in package.fields.get("Provides", "").split(","):
        match = _RELATION.match(item.strip())
        if match is not None and match[1] == name:
            return not relation or (bool(match[3]) and version.satisfies(match[3], relation, wanted))
    return False
