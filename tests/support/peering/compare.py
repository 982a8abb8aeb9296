"""What of two answers counts as the same, and a list of the differences that stay, each with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .engines import Answer

_PLAIN = [
    (re.compile(r"sha256:[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<short>"),
    (re.compile(r"\b(?!0001-)\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)"), "<time>"),
    (re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "<mac>"),
    (re.compile(r"\b1(72\.\d+|92\.168|0\.(2\d\d|\d\d?))\.\d+\.\d+\b"), "<address>"),
    # A host with many networks gives slices of another size.
    (re.compile(r"(?<=<address>/)(16|20)\b"), "<size>"),
]
_NAMING = ("Names", "Name", "Destination", "PrivatePort", "RepoTags", "Path")  # what tells the members of a list apart
_PRIVATE = {
    "Pid",
    "Created",
    "created",
    "SandboxID",
    "SandboxKey",
    "EndpointID",
    "GraphDriver",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "Mountpoint",
    "time",
    "timeNano",
    "CreatedAt",
    "Size",
    "SizeRw",
    "SizeRootFs",
    "VirtualSize",
    "RootFS",
    "GlobalIPv6Address",
    "HostPort",
    "PublicPort",
    "LastTagTime",
}
"""Members that each engine has values of its own for: their presence is compared, and whether they are empty."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A difference that stays: where (a pattern over ``call place``), and why."""

    where: str
    why: str

    def covers(self, place: str) -> bool:
        return re.search(self.where, place) is not None


def plain(value: Any, key: str = "") -> Any:
    """``value`` without what cannot be the same on two engines."""
    if key == "Source" and isinstance(value, str) and value.endswith("/_data"):
        value = value.split("/volumes/")[-1]
    if key == "IPPrefixLen" and value in (16, 20):
        return "<size>"
    if key == "Status" and isinstance(value, str):
        return re.sub(r"(Less than )?\b(an?|\d+) (second|minute|hour)s?( ago)?", "<while>", value)
    if key in _PRIVATE and not isinstance(value, dict | list):
        return "<set>" if value else value
    if isinstance(value, dict):
        return {plain(name): plain(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member, key) for member in value]
    if isinstance(value, str):
        for pattern, word in _PLAIN:
            value = pattern.sub(word, value)
    return value


def differing(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Each place where the two are not the same, with both values."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            yield from differing(ours.get(key, "<missing>"), theirs.get(key, "<missing>"), f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differing(one, other, f"{place}[{index}]")
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield f"{place}: {len(ours)} / {len(theirs)}: {_short(_names(ours))} / {_short(_names(theirs))}"
    elif ours != theirs and (ours or theirs or isinstance(ours, int | str) or isinstance(theirs, int | str)):
        # An empty list, an empty object and null are one to every Go client; the published documents know no null.
        yield f"{place}: {_short(ours)} / {_short(theirs)}"


def compare(ours: Answer, theirs: Answer, *, bodies: bool = True) -> list[str]:
    """What differs between two answers. Of what is no JSON only the kind is compared, for those are streams and archives."""
    found = []
    if ours.status != theirs.status:
        found.append(f"status: {ours.status} {_short(ours.body)} / {theirs.status} {_short(theirs.body)}")
    elif bodies:
        one, other = ours.body, theirs.body
        if isinstance(one, bytes) or isinstance(other, bytes):
            one, other = type(one).__name__, type(other).__name__
        found += differing(plain(_sorted(one)), plain(_sorted(other)), "body")
    return found


def _sorted(value: Any) -> Any:
    """Lists whose order neither engine promises, in one order: those of objects with names."""
    if isinstance(value, dict):
        found = {key: _sorted(member) for key, member in value.items()}
        if isinstance(found.get("Containers"), dict):  # those of a network, by their identifiers
            found["Containers"] = _sorted(list(found["Containers"].values()))
        return found
    if isinstance(value, list):
        members = [_sorted(member) for member in value]
        named = [member for member in members if isinstance(member, dict)]
        if named and len(named) == len(members):
            return sorted(
                members,
                key=lambda member: str(next((member[key] for key in _NAMING if key in member), "")),
            )
        return members
    return value


def events(rows: list[Any]) -> list[str]:
    """Events as lines that can be compared, in one order: what happens at once may be told in either."""
    # The processes are looked at while waiting for a container, as often as that takes.
    return sorted(_event(row) for row in rows if isinstance(row, dict) and row.get("Action") != "top")


def _event(row: dict[str, Any]) -> str:
    attributes = {
        key: value
        for key, value in row.get("Actor", {}).get("Attributes", {}).items()
        if key not in ("execID", "execDuration")
    }
    return f"{row.get('Type')} {row.get('Action')} {row.get('scope')} {sorted(plain(attributes).items())}"


def _names(rows: list[Any]) -> list[Any]:
    """What each row of a list is called, for one reads names more easily than rows."""
    keys = ("Names", "RepoTags", "Name")
    return [next((row[key] for key in keys if key in row), row) if isinstance(row, dict) else row for row in rows]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 300 else text[:300] + "…"
