"""Which files make up a project, and the environment they are read with: ``-f``, COMPOSE_FILE, default names, ``.env``,
``--env-file``, COMPOSE_PROFILES, the project directory and name.

Every file that loading reads goes through `Files`, which remembers names and contents for the cache. Order of precedence
as Docker Compose's: shell environment over ``.env``, ``-p`` over COMPOSE_PROJECT_NAME over ``name:`` over the directory.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, overload

from .. import files as bounded
from ..errors import Diagnostic, FileMissing, LoadError, Mark, UsageError
from ..remote import fetch, is_remote
from . import dotenv
from .paths import clean, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..model import LoadOptions

DEFAULT_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDE_NAMES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


T = TypeVar("T")


@dataclass(slots=True)
class Files:
    """Reads files, and remembers what was read or found absent: the inputs of a load."""

    stdin: str | None = None
    read_files: dict[str, bytes] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    fetched: dict[str, str] = field(default_factory=dict)
    """Where files from elsewhere were put; a load with such is not remembered, since it asks what they are now."""

    def local(self, name: str, base: str, environment: Mapping[str, str]) -> str:
        """The absolute path of a file that a path below ``base`` or a remote name means. Raises `OperationError`."""
        if is_remote(name):
            if name not in self.fetched:
                self.fetched[name] = fetch(name, environment)
            return self.fetched[name]
        return name if os.path.isabs(name) else join(base, name)

    def read(self, path: str) -> bytes:
        """The content of ``path`` ("-" is standard input); raises OSError."""
        if path == "-":
            return (self.stdin or "").encode()
        known = self.read_files.get(path)
        if known is not None:
            return known
        try:
            content = bounded.read(path)
        except FileNotFoundError:
            self.absent.add(path)
            raise
        self.read_files[path] = content
        return content

    def exists(self, path: str) -> bool:
        found = os.path.exists(path)
        if not found:
            self.absent.add(path)
        return found

    def is_file(self, path: str) -> bool:
        return self.exists(path) and not os.path.isdir(path)


class Environment(dict[str, str]):
    """Variables, with a note of every name that was asked for: they are inputs of a load as files are."""

    __slots__ = ("used",)

    def __init__(self, items: Mapping[str, str], used: set[str] | None = None) -> None:
        super().__init__(items)
        self.used: set[str] = used if used is not None else set()

    @overload
    def get(self, key: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, key: str, default: str, /) -> str: ...
    @overload
    def get(self, key: str, default: T, /) -> str | T: ...
    def get(self, key: str, default: object = None, /) -> object:
        self.used.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.used.add(str(key))
        return super().__contains__(key)


@dataclass(frozen=True, slots=True)
class Source:
    """The answer: absolute file names in order, the project directory, the environment and the active profiles."""

    files: tuple[str, ...]
    directory: str
    environment: Environment
    profiles: tuple[str, ...]
    name: str
    """A name chosen outside the files ("" when the files or the directory decide)."""
    env_files: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    origins: dict[str, str]
    """For each variable that an env file gave, ``file:line``."""
    shell: Environment
    """The environment without env files."""


def locate(options: LoadOptions, files: Files) -> Source:
    """Find the files and the environment; raises `LoadError` when there are none or one cannot be read."""
    cwd = str(options.cwd)
    used: set[str] = set()
    shell = Environment(options.environment, used)
    chosen_env_files = tuple(options.env_files) or tuple(
        name for name in shell.get("COMPOSE_ENV_FILES", "").split(",") if name
    )
    env_files = tuple(_absolute(cwd, name) for name in chosen_env_files)
    warnings: list[Diagnostic] = []
    origins: dict[str, str] = {}

    # Variables such as COMPOSE_FILE may themselves stand in a .env: look for one with what the shell says alone.
    paths = _config_paths(options, shell, cwd, files, warnings)
    directory = _directory(options, paths, cwd)
    environment = Environment(shell, used)
    first = _env_files(env_files, directory, environment, files)
    for key, value in read_env_files(first, shell, files, origins, warnings).items():
        environment.setdefault(key, value)

    if not options.files and "COMPOSE_FILE" not in shell and "COMPOSE_FILE" in environment:
        paths = _config_paths(options, environment, cwd, files, warnings)
        directory = _directory(options, paths, cwd)
        second = _env_files(env_files, directory, environment, files)
        if second != first:
            for key, value in read_env_files(second, environment, files, origins, warnings).items():
                environment.setdefault(key, value)
            first = second
    if not paths:
        message = "no configuration file provided: not found"
        hint = f"looked for {', '.join(DEFAULT_NAMES)} in {cwd} and above"
        raise FileMissing(Diagnostic(message, hint=hint))
    profiles = tuple(options.profiles) or tuple(
        name.strip() for name in environment.get("COMPOSE_PROFILES", "").split(",")
    )
    name = options.project_name or environment.get("COMPOSE_PROJECT_NAME", "")
    if name and normalize_name(name) != name:
        message = (
            f'invalid project name "{name}": must consist only of lowercase alphanumeric characters, hyphens, and '
            "underscores as well as start with a letter or number"
        )
        raise UsageError(message) if options.project_name else LoadError(message)
    return Source(tuple(paths), directory, environment, profiles, name, first, tuple(warnings), origins, shell)


def normalize_name(name: str) -> str:
    """What remains of ``name`` as a project name."""
    return "".join(re.findall(r"[a-z0-9_-]", name.lower())).lstrip("_-")


def read_env_files(
    names: Iterable[str],
    environment: Mapping[str, str],
    files: Files,
    origins: dict[str, str] | None = None,
    warnings: list[Diagnostic] | None = None,
) -> dict[str, str]:
    """The variables of several env files, later ones winning; ``environment`` is what they may refer to first."""
    out: dict[str, str] = {}

    def lookup(name: str) -> str | None:
        found = environment.get(name)
        return found if found is not None else out.get(name)

    for name in names:
        if os.path.isdir(name):
            raise LoadError(Diagnostic(f"{name} is a directory"))
        try:
            content = files.read(name).decode("utf-8", "replace")
        except FileNotFoundError:
            raise UsageError(f"couldn't find env file: {name}") from None
        except OSError as error:
            raise LoadError(Diagnostic(f"cannot read env file {name}: {error.strerror}")) from None

        def unset(variable: str, line: int, file: str = name) -> None:
            if warnings is not None:
                message = f'The "{variable}" variable is not set. Defaulting to a blank string.'
                warnings.append(Diagnostic(message, mark=Mark(file, line, 1)))

        try:
            found: dict[str, str] = {}
            for key, value, line in dotenv.entries(content, lookup, unset):
                found[key] = value
                if origins is not None:
                    origins[key] = f"{name}:{line}"
        except dotenv.DotenvError as error:
            raise LoadError(
                Diagnostic(f"failed to read env file: {error.message}", mark=Mark(name, error.line, 1))
            ) from None
        out.update(found)
    return out


def _absolute(cwd: str, name: str) -> str:
    return name if name == "-" else clean(name) if name.startswith("/") else join(cwd, name)


def _config_paths(
    options: LoadOptions, environment: Mapping[str, str], cwd: str, files: Files, warnings: list[Diagnostic]
) -> list[str]:
    names = list(options.files)
    if not names and "COMPOSE_FILE" in environment:
        value = environment["COMPOSE_FILE"]
        # The colon that separates names is also part of URLs: several of them need COMPOSE_PATH_SEPARATOR.
        separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        names = [value] if is_remote(value) else value.split(separator)
    if names:
        return [files.local(name, cwd, environment) if is_remote(name) else _absolute(cwd, name) for name in names]
    directory = _absolute(cwd, options.project_directory) if options.project_directory else cwd
    while True:
        found = [name for name in DEFAULT_NAMES if files.exists(join(directory, name))]
        if found:
            overrides = [name for name in OVERRIDE_NAMES if files.exists(join(directory, name))]
            for several, what in ((found, "config"), (overrides, "override")):
                if len(several) > 1:
                    listed = ", ".join(join(directory, name) for name in several)
                    message = f"Found multiple {what} files with supported names: {listed}. Using {several[0]}"
                    warnings.append(Diagnostic(message))
            return [join(directory, name) for name in (*found[:1], *overrides[:1])]
        parent = os.path.dirname(directory)
        if parent == directory:
            return []
        directory = parent


def _directory(options: LoadOptions, paths: list[str], cwd: str) -> str:
    if options.project_directory:
        return _absolute(cwd, options.project_directory)
    return next((os.path.dirname(path) for path in paths if path != "-"), cwd)


def _env_files(
    chosen: tuple[str, ...], directory: str, environment: Mapping[str, str], files: Files
) -> tuple[str, ...]:
    if chosen:
        return chosen
    if environment.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in ("1", "t", "true"):
        return ()
    default = join(directory, ".env")
    return (default,) if files.is_file(default) else ()
