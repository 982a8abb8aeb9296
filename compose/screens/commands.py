"""What a screen lets people do, as command lines of pycompose itself: so plans and errors have the words of the command. Pure.

Each action has a preview, which changes nothing, and is carried out only after that was seen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .store.state import State

VALUE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A project as the engine's labels tell it. Without ``files`` only what needs no Compose file can be done."""

    project: str
    directory: str = ""
    files: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        found = ["--project-name", self.project]
        if self.files:
            found += ["--project-directory", self.directory] if self.directory else []
            found += [word for name in self.files for word in ("--file", name)]
        return found


@dataclass(frozen=True, slots=True)
class Action:
    """Command lines with ``{service}`` and ``{value}`` (what the user types or chooses: a number of replicas, a name). A word that
    is ``{service}`` alone is left out without one. ``needs_files``: works only where the Compose file is; ``of_engine``: of no
    project."""

    run: tuple[str, ...]
    preview: tuple[str, ...]
    needs_files: bool = True
    of_engine: bool = False

    @property
    def of_service(self) -> bool:
        return any("{service}" in word for word in self.run)

    @property
    def has_value(self) -> bool:
        return any("{value}" in word for word in self.run)

    @property
    def shows_value(self) -> bool:
        """Whether the preview depends on the value."""
        return any("{value}" in word for word in self.preview)


_DRY = "--dry-run"
_OF = "{service}"

ACTIONS = {
    "up": Action(("up", "--detach", "--yes", _OF), ("plan", _OF)),
    "rebuild": Action(("up", "--detach", "--yes", "--build", _OF), ("plan", "--build", _OF)),
    "start": Action(("start", _OF), (_DRY, "start", _OF)),
    "stop": Action(("stop", _OF), (_DRY, "stop", _OF), needs_files=False),
    "restart": Action(("restart", _OF), (_DRY, "restart", _OF), needs_files=False),
    "scale": Action(("scale", "{service}={value}"), (_DRY, "scale", "{service}={value}")),
    "run": Action(("run", "--rm", "--no-TTY", _OF), ("config", "--no-interpolate", "--quiet")),
    "down": Action(("down",), (_DRY, "down"), needs_files=False),
    "snapshot save": Action(("snapshot", "save", "{value}"), ("snapshot", "ls")),
    "snapshot restore": Action(("snapshot", "restore", "{value}"), ("snapshot", "ls")),
    "snapshot rm": Action(("snapshot", "rm", "{value}"), ("snapshot", "ls")),
    "job trigger": Action(("jobs", "trigger", "{value}"), ("jobs", "ls")),
    "job cancel": Action(("jobs", "cancel", "{value}"), ("jobs", "history", "{value}")),
    "job pause": Action(("jobs", "pause", "{value}"), ("jobs", "ls")),
    "job resume": Action(("jobs", "resume", "{value}"), ("jobs", "ls")),
    "job logs": Action(("jobs", "logs", "{value}"), ("jobs", "logs", "{value}")),
    "lease end": Action(("lease", "end", "{value}"), ("lease", "ls"), needs_files=False, of_engine=True),
    "lease release": Action(("lease", "release", "{value}"), ("lease", "ls"), needs_files=False, of_engine=True),
    "prune": Action(("system", "prune", "--force"), ("system", "df"), needs_files=False, of_engine=True),
}
"""By the name that a screen sends."""


def command(
    name: str, target: Target | None, service: str = "", value: str = "", *, preview: bool = False
) -> list[str]:
    """The words after ``pycompose`` and its engine. Raises `UsageError` for what makes no sense."""
    action = ACTIONS.get(name)
    if action is None:
        raise UsageError(f"no such action: {name}")
    if target is None and not action.of_engine:
        raise UsageError(f"{name} needs a project")
    if target is not None and action.needs_files and not target.files:
        raise UsageError(f"{name} needs the Compose file of {target.project}, which is not on this machine")
    for word in (service, value):
        if word.startswith("-") or len(word) > VALUE_LIMIT or "\0" in word:
            raise UsageError(f"{word[:40]!r} is no value for {name}")
    words = action.preview if preview else action.run
    if not value and any("{value}" in word for word in words):
        raise UsageError(f"{name} needs a value")
    if not service and any("{service}" in word and word != _OF for word in words):
        raise UsageError(f"{name} needs a service")
    filled = [word.replace("{service}", service).replace("{value}", value) for word in words if service or word != _OF]
    return filled if action.of_engine or target is None else [*target.options, *filled]


def of_state(state: State, project: str, here: Target | None = None) -> Target | None:
    """The target of a project's name: ``here``, or what its containers' labels say; None for an unknown one. Looks whether
    the files that they name are on this machine."""
    if here is not None and here.project == project:
        return here
    own = [one for one in state.containers.values() if one.project == project]
    if not own:
        return None
    files = next((one.files for one in own if one.files), "")
    directory = next((one.directory for one in own if one.directory), "")
    return target(project, directory, files, [name for name in files.split(",") if os.path.isfile(name)])


def target(project: str, directory: str, files: str, existing: Sequence[str]) -> Target:
    """Of the labels; ``existing`` are those of the files that are on this machine. With one missing there are none."""
    names = tuple(filter(None, files.split(",")))
    return Target(project, directory, names if names and set(names) <= set(existing) else ())
