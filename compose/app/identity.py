"""Which project a command means, found without loading the model: name, directory and files.

The quick verbs (`ps`, `logs`, `exec`, `stop` …) need no more than this. Precedence as in the specification:
-p, COMPOSE_PROJECT_NAME, the files' top-level ``name:``, the base name of the project directory. A name that is not
plainly written (interpolated, or in a file that is not read here) is left to the loader.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from .. import files as bounded
from ..errors import FileMissing, LoadError, UsageError
from ..labels import normalize_project_name, valid_project_name
from ..remote import is_remote
from .outline import written_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?(COMPOSE_[A-Z_]+)\s*=\s*(.*?)\s*$", re.MULTILINE)


class Identity(NamedTuple):
    """``name`` None: only the loader can tell. ``explicit``: the user wrote the name on the command line or in COMPOSE_*."""

    name: str | None
    directory: str | None
    files: tuple[str, ...]
    explicit: bool


def find_identity(
    cwd: str,
    environment: Mapping[str, str],
    *,
    project_name: str | None = None,
    files: Sequence[str] = (),
    project_directory: str | None = None,
    env_files: Sequence[str] = (),
) -> Identity:
    """Raises `LoadError` when there is neither a file nor a name to go by."""
    settings = _settings(cwd, environment, project_directory, env_files)
    name = project_name or settings.get("COMPOSE_PROJECT_NAME")
    if name and not valid_project_name(name):
        message = (
            f'invalid project name "{name}": must consist only of lowercase alphanumeric characters, hyphens, and'
            " underscores as well as start with a letter or number"
        )
        raise UsageError(message) if project_name else LoadError(message)
    chosen = tuple(files) or _from_setting(settings)
    start = os.path.join(cwd, project_directory) if project_directory else cwd
    if any(is_remote(path) for path in chosen):
        return Identity(name or None, None, chosen, explicit=bool(name))
    if chosen:
        paths = tuple(path if path == "-" else os.path.normpath(os.path.join(cwd, path)) for path in chosen)
    else:
        paths = _discover(start)
    if not paths and not name:
        raise ConfigurationNotFound(
            f"no configuration file provided: no {', '.join(DEFAULT_FILES)} in {start} or above"
        )
    directory = None
    if project_directory:
        directory = os.path.normpath(os.path.join(cwd, project_directory))
    elif paths:
        directory = cwd if paths[0] == "-" else os.path.dirname(paths[0])
    if name:
        return Identity(name, directory, paths, explicit=True)
    written = written_name(paths)
    if written is None or directory is None:
        return Identity(None, directory, paths, explicit=False)
    return Identity(
        written or normalize_project_name(os.path.basename(directory)) or None, directory, paths, explicit=False
    )


class ConfigurationNotFound(FileMissing):
    """No Compose file where one was looked for."""


def _settings(
    cwd: str, environment: Mapping[str, str], project_directory: str | None, env_files: Sequence[str]
) -> dict[str, str]:
    """COMPOSE_* variables of the environment files, overruled by the environment."""
    found: dict[str, str] = {}
    names = list(env_files) or [os.path.join(project_directory or ".", ".env")]
    for name in names:
        try:
            for key, value in _ASSIGNMENT.findall(bounded.text(os.path.join(cwd, name), errors="replace")):
                found[key] = _unquote(value)
        except OSError:
            continue  # a missing .env is usual; a missing --env-file is the loader's to report
    found.update({key: value for key, value in environment.items() if key.startswith("COMPOSE_") and value})
    return found


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.split(" #", 1)[0].rstrip()


def _from_setting(settings: Mapping[str, str]) -> tuple[str, ...]:
    value = settings.get("COMPOSE_FILE", "")
    if is_remote(value):
        return (value,)
    return tuple(filter(None, value.split(settings.get("COMPOSE_PATH_SEPARATOR") or os.pathsep)))


def _discover(start: str) -> tuple[str, ...]:
    """The default file in ``start`` or the nearest directory above, with its override file."""
    directory = start
    while True:
        for name in DEFAULT_FILES:
            path = os.path.join(directory, name)
            if os.path.exists(path):
                stem = name.rsplit(".", 1)[0]
                overrides = (os.path.join(directory, f"{stem}.override.{ending}") for ending in ("yml", "yaml"))
                return (path, *(one for one in overrides if os.path.exists(one)))
        parent = os.path.dirname(directory)
        if parent == directory:
            return ()
        directory = parent
