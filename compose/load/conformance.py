"""What becomes of every key of the Compose Specification: supported, refused, or ignored for a reason.

The table is schemas/conformance.json, one line per key, which whoever builds an effect moves to ``supported``. Here it is read,
compared with the schemas, and applied to a project. Refusing happens before containers are made, not when loading: `config`
shows what a file says either way.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from ..convert.healthcheck import OWN_ENGINE_ONLY, probe_of
from ..errors import Diagnostic, Path, dotted
from . import schema
from .tree import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Project

Rule = TypeVar("Rule")

TABLE = "conformance.json"
STATUSES = ("supported", "refused", "ignored")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key: its path with ``*`` for names, its status and, unless supported, the reason.

    ``elsewhere``: the key acts on pycompose's own engine, and why it has no effect on others. ``only``: the values that a
    key which is supported may have; others are refused, and ``otherwise`` says why.
    """

    key: str
    status: str
    reason: str = ""
    elsewhere: str = ""
    only: tuple[str, ...] = ()
    otherwise: str = ""

    @property
    def note(self) -> str:
        if self.only:
            return f"{', '.join(self.only)} only: {self.otherwise}"
        return self.reason or (f"other engines: {self.elsewhere}" if self.elsewhere else "")


@cache
def table() -> tuple[Entry, ...]:
    """All entries, by key."""
    content = json.loads((schema.directory() / TABLE).read_text(encoding="utf-8"))
    return tuple(
        Entry(
            key,
            value["status"],
            value.get("reason", ""),
            value.get("elsewhere", ""),
            tuple(value.get("only", ())),
            value.get("otherwise", ""),
        )
        for key, value in sorted(content.items())
    )


def schema_keys() -> frozenset[str]:
    """Every key that the schemas name."""
    found: set[str] = set()
    _collect(schema.document("compose.json"), "compose.json", (), found, 0)
    return frozenset(found)


def _collect(node: schema.Schema, home: str, path: tuple[str, ...], found: set[str], depth: int) -> None:
    if depth > 24:
        return
    if "$ref" in node:
        target, file = schema.follow(node["$ref"], home)
        if path == ("jobs", "*"):  # the rest is a service's
            target = {"properties": {"triggers": target["properties"]["triggers"]}}
        _collect(target, file, path, found, depth + 1)
    for key, below in node.get("properties", {}).items():
        if (*path, key) == ("services", "*", "triggers"):
            continue
        found.add(".".join((*path, key)))
        _collect(below, home, (*path, key), found, depth + 1)
    for pattern, below in node.get("patternProperties", {}).items():
        if pattern != "^x-":
            _collect(below, home, (*path, "*"), found, depth + 1)
    for below in (*node.get("oneOf", ()), *([node["items"]] if "items" in node else ())):
        _collect(below, home, path, found, depth + 1)


def refused(project: Project) -> list[Diagnostic]:
    """The keys in use that cannot be carried out, each with its place; not empty means: make nothing."""
    return [
        Diagnostic(f"{dotted(path)} is not supported: {entry.reason}", path, project.mark(*path))
        for path, entry in _uses(project, "refused")
    ] + [
        Diagnostic(f"{dotted(path)}: {value!r} is not supported: {entry.otherwise}", path, project.mark(*path))
        for path, entry in _uses(project, "supported")
        if entry.only and (value := str(project.services[str(path[1])].get(str(path[2])))) not in entry.only
    ]


def ignored(project: Project, *, own_engine: bool = True) -> list[Diagnostic]:
    """The keys in use that have no effect, to be warned of; on another engine than our own, some more."""
    found = [
        Diagnostic(f"{dotted(path)} has no effect: {entry.reason}", path, project.mark(*path))
        for path, entry in _uses(project, "ignored")
    ]
    if not own_engine:
        found += [
            Diagnostic(f"{dotted(path)} has no effect on this engine: {entry.elsewhere}", path, project.mark(*path))
            for path, entry in _uses(project, "supported", elsewhere=True)
            if not _engines_know(project, path)
        ]
    return found


def own_probes(project: Project) -> list[Diagnostic]:
    """The health checks that only our own engine makes, each with its place: others would take them for a command."""
    found = []
    for name, service in project.services.items():
        probe = probe_of(service.get("healthcheck") or {})
        if probe is not None:
            path: Path = ("services", name, "healthcheck", probe[0])
            found.append(Diagnostic(f"{dotted(path)}: {OWN_ENGINE_ONLY}", path, project.mark(*path)))
    return found


def own_jobs(project: Project) -> list[Diagnostic]:
    """The scheduled jobs, each with its place: another engine would not fire them."""
    return [
        Diagnostic(
            f"jobs.{name}: only pycompose's own engine fires scheduled jobs", ("jobs", name), project.mark("jobs", name)
        )
        for name, job in project.jobs.items()
        if (job.get("triggers") or {}).get("schedule")
    ]


def own_maps(project: Project) -> list[Diagnostic]:
    """The bind mounts whose owners are to be matched, each with its place: on another engine files would get other owners."""
    found = []
    for name, service in project.services.items():
        for index, volume in enumerate(service.get("volumes") or ()):
            if (volume.get("bind") or {}).get("x-idmap"):
                path: Path = ("services", name, "volumes", index, "bind", "x-idmap")
                words = f"{dotted(path)}: only pycompose's own engine matches owners"
                found.append(Diagnostic(words, path, project.mark(*path)))
    return found


def _engines_know(project: Project, path: Path) -> bool:
    """The Engine API counts attempts, but for one condition only."""
    if path[-1] != "max_attempts":
        return False
    return bool(project.services[str(path[1])]["deploy"]["restart_policy"].get("condition") == "on-failure")


_QUIET = frozenset(
    {
        "configs.*.name",
        "networks.*.ipam.driver",
        "secrets.*.name",
        "services.*.expose",
        "services.*.ports.app_protocol",
        "services.*.ports.mode",
        "services.*.ports.name",
        "services.*.volumes.consistency",
    }
)
"""Ignored keys that canonical files always hold, or that mean nothing by themselves."""


def _uses(project: Project, status: str, *, elsewhere: bool = False) -> Iterator[tuple[Path, Entry]]:
    rules = _rules(status, elsewhere)
    for section in ("services", "networks", "volumes", "configs", "secrets", "models"):
        below = rules.step(section)
        if below is not None:
            yield from walk(getattr(project, section), below, (section,))


@cache
def _rules(status: str, elsewhere: bool) -> Rules[Entry]:
    return Rules(
        {
            tuple(entry.key.split(".")): entry
            for entry in table()
            if entry.status == status
            and entry.key not in _QUIET
            and bool(entry.elsewhere) == elsewhere
            and (entry.status != "supported" or elsewhere or entry.only)
        }
    )


def walk(value: object, rules: Rules[Rule], path: Path) -> Iterator[tuple[Path, Rule]]:
    """The places in ``value`` that have a rule, outermost first; nothing below one is looked at."""
    if isinstance(value, dict):
        for key, item in value.items():
            below = rules.step(key)
            if below is None or item is None or item is False or item == {}:
                continue
            if below.rule is not None:
                yield (*path, key), below.rule
            else:
                yield from walk(item, below, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, rules, (*path, index))
