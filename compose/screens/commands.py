"""What a screen lets people do, as command lines of pycompose itself: so plans and errors have the words of the command. Pure.

Each action has a preview, which changes nothing, and is carried out only after that was seen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from .store.state import Place

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
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        found = ["--project-name", self.project]
        if self.files:
            found += ["--project-directory", self.directory] if self.directory else []
            found += [word for name in self.files for word in ("--file", name)]
            found += [word for name in self.env_files for word in ("--env-file", name)]
            found += [word for name in self.profiles for word in ("--profile", name)]
        return found


@dataclass(frozen=True, slots=True)
class Action:
    """Command lines with ``{service}``, ``{value}`` (what the user types or chooses: a number of replicas, a name) and ``{to}`` (what
    is typed beside a value that was chosen: where to send it). A word that is ``{service}`` alone is left out without one. ``needs_files``: works only where the Compose file is; ``of_engine``: of no
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
    def has_goal(self) -> bool:
        return any("{to}" in word for word in self.run)

    @property
    def shows_value(self) -> bool:
        """Whether the preview depends on the value."""
        return any("{value}" in word for word in self.preview)


_DRY = "--dry-run"
_OF = "{service}"


def _kept(*words: str, of_engine: bool = False) -> Action:
    """What the engine keeps is known to it without the Compose file; --dry-run tells what would be done."""
    return Action(words, (_DRY, *words), needs_files=False, of_engine=of_engine)


ACTIONS = {
    "up": Action(("up", "--detach", "--yes", _OF), ("plan", _OF)),
    "rebuild": Action(("up", "--detach", "--yes", "--build", _OF), ("plan", "--build", _OF)),
    "start": Action(("start", _OF), (_DRY, "start", _OF)),
    "stop": Action(("stop", _OF), (_DRY, "stop", _OF), needs_files=False),
    "restart": Action(("restart", _OF), (_DRY, "restart", _OF), needs_files=False),
    "scale": Action(("scale", "{service}={value}"), (_DRY, "scale", "{service}={value}")),
    "run": Action(("run", "--rm", "--no-TTY", _OF), ("config", "--no-interpolate", "--quiet")),
    "down": Action(("down",), (_DRY, "down"), needs_files=False),
    "snapshot save": _kept("snapshot", "save", "{value}"),
    "snapshot restore": _kept("snapshot", "restore", "{value}"),
    "snapshot push": _kept("snapshot", "push", "{value}", "{to}"),
    "snapshot rm": _kept("snapshot", "rm", "{value}"),
    "job trigger": _kept("jobs", "trigger", "{value}"),
    "job cancel": _kept("jobs", "cancel", "{value}"),
    "job pause": _kept("jobs", "pause", "{value}"),
    "job resume": _kept("jobs", "resume", "{value}"),
    "job logs": Action(("jobs", "logs", "{value}"), ("jobs", "logs", "{value}"), needs_files=False),
    "lease end": _kept("lease", "end", "{value}", of_engine=True),
    "lease release": _kept("lease", "release", "{value}", of_engine=True),
    "prune": _kept("system", "prune", "--force", of_engine=True),
}
"""By the name that a screen sends."""


def command(
    name: str, target: Target | None, service: str = "", value: str = "", to: str = "", *, preview: bool = False
) -> list[str]:
    """The words after ``pycompose`` and its engine. Raises `UsageError` for what makes no sense."""
    action = ACTIONS.get(name)
    if action is None:
        raise UsageError(f"no such action: {name}")
    if target is None and not action.of_engine:
        raise UsageError(f"{name} needs a project")
    if target is not None and action.needs_files and not target.files:
        raise UsageError(f"{name} needs the Compose file of {target.project}, which is not on this machine")
    for word in (service, value, to):
        if word.startswith("-") or len(word) > VALUE_LIMIT or "\0" in word:
            raise UsageError(f"{word[:40]!r} is no value for {name}")
    words = action.preview if preview else action.run
    for place, said in (("{value}", value), ("{to}", to)):
        if not said and any(place in one for one in words):
            raise UsageError(f"{name} needs a value")
    if not service and any("{service}" in word and word != _OF for word in words):
        raise UsageError(f"{name} needs a service")
    given = {"service": service, "value": value, "to": to}
    filled = [word.format_map(given) for word in words if service or word != _OF]
    return filled if action.of_engine or target is None else [*target.options, *filled]


def of_state(state: State, project: str, here: Target | None = None) -> Target | None:
    """The target of a project's name: ``here``, or what the labels of its containers and jobs say or have said; None for an
    unknown one. Looks whether the files that they name are on this machine."""
    if here is not None and here.project == project:
        return here
    place = state.places.get(project)
    if place is None and not any(one.project == project for one in state.containers.values()):
        return None
    place = place or Place("", "")
    named = (*place.files.split(","), *place.env_files.split(","))
    return target(project, place, [name for name in named if os.path.isfile(name)])


def target(project: str, place: Place, existing: Sequence[str]) -> Target:
    """``existing`` are those of the place's files that are on this machine. With one missing there are none."""
    names, settings = (tuple(filter(None, text.split(","))) for text in (place.files, place.env_files))
    if not names or not {*names, *settings} <= set(existing):
        return Target(project, place.directory)
    return Target(project, place.directory, names, settings)
