"""The rules of ``develop.watch``: which rule a changed path falls under, and where a synced file goes. Pure."""

from __future__ import annotations

import os.path
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...grammar.ignore import Ignore, PatternError, read_patterns
from ..errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..model.service import Hook, Service
    from .tree import Change

SYNC, REBUILD, RESTART, SYNC_RESTART, SYNC_EXEC = "sync", "rebuild", "restart", "sync+restart", "sync+exec"
SYNCING = frozenset({SYNC, SYNC_RESTART, SYNC_EXEC})

ALWAYS_IGNORED = (".git", "**/.git", "**/*~", "**/.*.swp", "**/.*.swx", "**/.#*", "**/4913")
"""What editors and version control write on their own."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Patterns of paths below ``base`` that are left out. Nothing outside of it is."""

    base: str
    patterns: Ignore

    def covers(self, path: str) -> bool:
        relative = _below(path, self.base)
        return relative is not None and relative != "" and self.patterns.ignores(relative)

    def prunes(self, path: str) -> bool:
        """Whether nothing below the directory can be of interest."""
        relative = _below(path, self.base)
        return bool(relative) and self.patterns.ignores(str(relative)) and not self.patterns.may_return(str(relative))


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``develop.watch`` entry of one service. ``path`` is absolute; ``target`` is in the container."""

    service: str
    action: str
    path: str
    target: str = ""
    ignore: tuple[Ignored, ...] = ()
    include: Ignore | None = None
    command: tuple[str, ...] = ()
    hook: Hook | None = field(default=None, hash=False)
    initial_sync: bool = False

    def matches(self, path: str) -> bool:
        """Whether the rule is about ``path`` (absolute)."""
        if any(one.covers(path) for one in self.ignore):
            return False
        relative = _below(path, self.path)
        if relative is None:
            return False
        return not relative or not self.include or self.include.ignores(relative)

    def prunes(self, path: str) -> bool:
        """Whether the rule has no interest in anything in the directory ``path``."""
        return _below(path, self.path) is None or any(one.prunes(path) for one in self.ignore)

    def destination(self, path: str) -> str:
        """Where ``path`` goes in the container."""
        relative = os.path.relpath(path, self.path)
        return self.target if relative == "." else posixpath.join(self.target, relative)


@dataclass(frozen=True, slots=True)
class Work:
    """What to do for one service after a burst of changes: the files to copy or delete, then one action."""

    service: str
    rules: tuple[Rule, ...]
    changed: tuple[tuple[str, str], ...] = ()
    deleted: tuple[str, ...] = ()
    """Places in the container; they go before anything is copied."""
    rebuild: bool = False
    restart: bool = False
    hooks: tuple[Rule, ...] = ()


def rules_of(services: Mapping[str, Service], names: Sequence[str]) -> list[Rule]:
    """Every rule of the services ``names``, in the order of the file. Raises `OperationError` for a pattern without sense."""
    found: list[Rule] = []
    for name in names:
        service = services[name]
        for entry in (service.get("develop") or {}).get("watch") or ():
            path = os.path.normpath(str(entry["path"]))
            hook = entry.get("exec")
            command = hook.get("command") if hook else None
            found.append(
                Rule(
                    service=name,
                    action=str(entry["action"]),
                    path=path,
                    target=str(entry.get("target") or ""),
                    ignore=(
                        *_context_ignore(service),
                        Ignored(path, Ignore(ALWAYS_IGNORED)),
                        Ignored(path, _patterns(name, entry.get("ignore", ()))),
                    ),
                    include=_patterns(name, entry.get("include", ())),
                    command=tuple(command or ()),
                    hook=hook if command else None,
                    initial_sync=bool(entry.get("initial_sync")),
                )
            )
    return found


def _below(path: str, base: str) -> str | None:
    """``path`` relative to ``base``: "" for the same, None for what does not lie below."""
    if path == base:
        return ""
    prefix = base.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def _patterns(service: str, words: Iterable[str]) -> Ignore:
    try:
        return Ignore(read_patterns("\n".join(map(_anywhere, words))))
    except PatternError as error:
        raise OperationError(f"services.{service}.develop.watch: {error}") from None


def _anywhere(pattern: str) -> str:
    """A bare name means it wherever it lies beneath the path."""
    negation = "!" if pattern.startswith("!") else ""
    name = pattern.removeprefix("!")
    return pattern if "/" in name.rstrip("/") else f"{negation}**/{name}"


def _context_ignore(service: Service) -> list[Ignored]:
    """What the ignore file of the build context keeps out of the image, wherever in the context the rule's path is."""
    build = service.get("build") or {}
    context = str(build.get("context") or "")
    if not context.startswith("/"):
        return []
    from ..build.context import ignore_patterns

    patterns = ignore_patterns(context, str(build.get("dockerfile") or "Dockerfile"))
    return [Ignored(os.path.normpath(context), patterns)] if patterns else []


def plan_work(rules: Sequence[Rule], changes: Mapping[str, Change]) -> list[Work]:
    """One `Work` per service touched."""
    touched: dict[str, list[tuple[Rule, str]]] = {}
    for path in sorted(changes):
        for rule in rules:
            if rule.matches(path):
                touched.setdefault(rule.service, []).append((rule, path))
    return [_work(service, pairs, changes) for service, pairs in touched.items()]


def _work(service: str, pairs: Sequence[tuple[Rule, str]], changes: Mapping[str, Change]) -> Work:
    rules = tuple(dict.fromkeys(rule for rule, _ in pairs))
    if any(rule.action == REBUILD for rule in rules):
        # a new image has every change in it
        return Work(service, rules, rebuild=True)
    syncs = [(rule, path) for rule, path in pairs if rule.action in SYNCING]
    gone = [rule.destination(path) for rule, path in syncs if _goes(rule, path, changes[path])]
    return Work(
        service,
        rules,
        changed=tuple((path, rule.destination(path)) for rule, path in syncs if _comes(rule, path, changes[path])),
        deleted=tuple(_topmost(gone)),
        restart=any(rule.action in (RESTART, SYNC_RESTART) for rule in rules),
        hooks=tuple(rule for rule in rules if rule.action == SYNC_EXEC and rule.hook),
    )


def _comes(rule: Rule, path: str, change: Change) -> bool:
    """Whether it is copied. The target of a watched directory is left as the image has it: only what is in it comes."""
    return change.after is not None and not (path == rule.path and change.after.is_directory)


def _goes(rule: Rule, path: str, change: Change) -> bool:
    """Whether what the container has must go: it is not there any more, or is of another kind. Of a watched directory only
    what is in it goes: its target may be a mount, or have files of the image beside."""
    if change.before is not None and change.before.is_directory and path == rule.path:
        return False
    if change.after is None:
        return True
    return change.before is not None and change.before.kind != change.after.kind


def _topmost(places: Iterable[str]) -> list[str]:
    """Without those that lie below others."""
    found: list[str] = []
    for place in sorted(set(places), key=lambda place: place.split("/")):
        if not found or _below(place, found[-1]) is None:
            found.append(place)
    return found
