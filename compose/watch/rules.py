"""The rules of ``develop.watch``: which rule a changed path falls under, and where a synced file goes. Pure."""

from __future__ import annotations

import os.path
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..build.ignore import Pattern, ignored, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SYNC, REBUILD, RESTART, SYNC_RESTART, SYNC_EXEC = "sync", "rebuild", "restart", "sync+restart", "sync+exec"
SYNCING = frozenset({SYNC, SYNC_RESTART, SYNC_EXEC})

ALWAYS_IGNORED = (".git", "**/.git", "**/*~", "**/.*.swp", "**/.*.swx", "**/.#*", "**/4913")
"""What editors and version control write on their own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``develop.watch`` entry of one service. ``path`` is absolute; ``target`` is in the container."""

    service: str
    action: str
    path: str
    target: str = ""
    ignore: tuple[Pattern, ...] = ()
    include: tuple[Pattern, ...] = ()
    command: tuple[str, ...] = ()
    hook: Mapping[str, Any] | None = field(default=None, hash=False)
    initial_sync: bool = False

    def matches(self, path: str) -> bool:
        """Whether the rule is about ``path`` (absolute)."""
        if path == self.path:
            return True
        if not path.startswith(self.path.rstrip("/") + "/"):
            return False
        relative = os.path.relpath(path, self.path)
        if ignored(list(self.ignore), relative):
            return False
        return not self.include or any(one.expression.match(relative) for one in self.include)

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
    rebuild: bool = False
    restart: bool = False
    hooks: tuple[Rule, ...] = ()


def rules_of(services: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> list[Rule]:
    """Every rule of the services ``names``, in the order of the file."""
    found: list[Rule] = []
    for name in names:
        service = services[name]
        for entry in (service.get("develop") or {}).get("watch") or ():
            path = os.path.normpath(str(entry["path"]))
            hook = entry.get("exec") or None
            command = (hook or {}).get("command")
            found.append(
                Rule(
                    service=name,
                    action=str(entry["action"]),
                    path=path,
                    target=str(entry.get("target") or ""),
                    ignore=(
                        *parse("\n".join(ALWAYS_IGNORED)),
                        *_context_ignore(service, path),
                        *_patterns(entry.get("ignore")),
                    ),
                    include=tuple(_patterns(entry.get("include"))),
                    command=("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command or ()),
                    hook=hook if command else None,
                    initial_sync=bool(entry.get("initial_sync")),
                )
            )
    return found


def _patterns(value: Any) -> list[Pattern]:
    words = [value] if isinstance(value, str) else list(value or ())
    # a bare name means it wherever it lies beneath the path
    text = [word if "/" in word.rstrip("/") else f"**/{word}" for word in map(str, words)]
    return parse("\n".join(text))


def _context_ignore(service: Mapping[str, Any], path: str) -> list[Pattern]:
    """The build context's ignore file, when the watched path is that context."""
    build = service.get("build") or {}
    context = str(build.get("context") or "")
    if not context.startswith("/") or os.path.normpath(context) != path:
        return []
    from ..build.context import ignore_patterns

    return ignore_patterns(context, str(build.get("dockerfile") or "Dockerfile"))


def plan_work(rules: Sequence[Rule], paths: Iterable[str], exists: Mapping[str, bool]) -> list[Work]:
    """One `Work` per service touched. ``exists`` says which changed paths are there now."""
    touched: dict[str, list[tuple[Rule, str]]] = {}
    for path in sorted(set(paths)):
        for rule in rules:
            if rule.matches(path):
                touched.setdefault(rule.service, []).append((rule, path))
    result = []
    for service, pairs in touched.items():
        if any(rule.action == REBUILD for rule, _ in pairs):
            # a new image has every change in it
            result.append(Work(service, tuple(dict.fromkeys(rule for rule, _ in pairs)), rebuild=True))
            continue
        syncs = [(rule, path) for rule, path in pairs if rule.action in SYNCING]
        result.append(
            Work(
                service,
                tuple(dict.fromkeys(rule for rule, _ in pairs)),
                changed=tuple((path, rule.destination(path)) for rule, path in syncs if exists.get(path)),
                deleted=tuple(rule.destination(path) for rule, path in syncs if not exists.get(path)),
                restart=any(rule.action in (RESTART, SYNC_RESTART) for rule, _ in pairs),
                hooks=tuple(dict.fromkeys(rule for rule, _ in pairs if rule.action == SYNC_EXEC and rule.hook)),
            )
        )
    return result
