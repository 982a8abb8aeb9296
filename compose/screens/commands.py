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
    """``needs_files``: works only where the Compose file is; ``value`` is what the user types: a number of replicas, a name."""

    run: tuple[str, ...]
    preview: tuple[str, ...]
    needs_files: bool = True
    of_service: bool = True
    value: str = ""


_DRY = "--dry-run"

ACTIONS = {
    "up": Action(("up", "--detach", "--yes"), ("plan",)),
    "rebuild": Action(("up", "--detach", "--yes", "--build"), ("plan", "--build")),
    "start": Action(("start",), (_DRY, "start")),
    "stop": Action(("stop",), (_DRY, "stop"), needs_files=False),
    "restart": Action(("restart",), (_DRY, "restart"), needs_files=False),
    "scale": Action(("scale",), (_DRY, "scale"), value="{service}={value}"),
    "run": Action(("run", "--rm", "--no-TTY"), ("config", "--no-interpolate", "--quiet")),
    "down": Action(("down",), (_DRY, "down"), needs_files=False, of_service=False),
    "snapshot save": Action(("snapshot", "save"), ("snapshot", "ls"), of_service=False, value="{value}"),
    "snapshot restore": Action(("snapshot", "restore"), ("snapshot", "ls"), of_service=False, value="{value}"),
    "prune": Action(("system", "prune", "--force"), ("system", "df"), needs_files=False, of_service=False),
}
"""By the name that a screen sends."""


def command(
    name: str, target: Target | None, service: str = "", value: str = "", *, preview: bool = False
) -> list[str]:
    """The words after ``pycompose`` and its engine. Raises `UsageError` for what makes no sense."""
    action = ACTIONS.get(name)
    if action is None:
        raise UsageError(f"no such action: {name}")
    if name == "prune":
        return list(action.preview if preview else action.run)
    if target is None:
        raise UsageError(f"{name} needs a project")
    if action.needs_files and not target.files:
        raise UsageError(f"{name} needs the Compose file of {target.project}, which is not on this machine")
    for word in (service, value):
        if word.startswith("-") or len(word) > VALUE_LIMIT or "\0" in word:
            raise UsageError(f"{word[:40]!r} is no value for {name}")
    if action.value and not value:
        raise UsageError(f"{name} needs a value")
    if "{service}" in action.value and not service:
        raise UsageError(f"{name} needs a service")
    words = list(action.preview if preview else action.run)
    if action.value:
        words += [] if preview and name.startswith("snapshot") else [action.value.format(service=service, value=value)]
    elif action.of_service and service and words[0] != "config":
        words.append(service)
    return [*target.options, *words]


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
