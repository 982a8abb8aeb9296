"""Loaded projects kept by the content of everything they were made from, so that an unchanged project costs no parsing.

An entry answers one set of options. It lists its inputs: files with digests, files that were absent, variables with the
values the shell gave them, links that were followed. It counts only when all are still the same and the file belongs to
the user alone. Entries are marshalled plain values: reading one executes nothing. Loading itself is elsewhere.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import sys
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, TypedDict, cast

from .. import files
from ..errors import Diagnostic, Mark, Path
from ..model import Marks, Project
from ..model.values import Duration, Exposed, Quantity, Restart, Size, Worded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import LoadOptions
    from ..model.resources import FileObject, Model, Network, Volume
    from ..model.service import Service
    from ..model.values import Json
    from .tree import Node

FORMAT = 7
"""To be raised whenever loading gives another result for the same input."""
KEEP = 64

if TYPE_CHECKING:

    class _Entry(TypedDict):
        """What an entry holds. Warnings are (message, path, place, hint); kinds are the paths of what is no plain number or
        text, extended the paths of records with their ``x-`` keys."""

        name: str
        directory: str
        files: tuple[str, ...]
        services: dict[str, Service]
        disabled: dict[str, Service]
        networks: dict[str, Network]
        volumes: dict[str, Volume]
        configs: dict[str, FileObject]
        secrets: dict[str, FileObject]
        models: dict[str, Model]
        jobs: dict[str, Service]
        disabled_jobs: dict[str, Service]
        extensions: dict[str, Json]
        profiles: tuple[str, ...]
        additions: dict[str, str]
        forced: dict[str, str]
        marks: bytes
        warnings: list[tuple[str, Path, tuple[str, int, int] | None, str]]
        inputs: dict[str, bytes]
        absent: list[str]
        used: dict[str, str | None]
        links: dict[str, str]
        kinds: list[tuple[Path, str]]
        extended: list[tuple[Path, dict[str, Json]]]


_SECTIONS = ("networks", "volumes", "configs", "secrets", "models", "jobs", "disabled_jobs", "extensions")


def directory(environment: Mapping[str, str]) -> str | None:
    """Where entries live: in memory, for the user alone, since passwords that files interpolate are in them; on disk only where
    XDG_CACHE_HOME asks for that. None when there is no such place."""
    asked = environment.get("XDG_CACHE_HOME") or ""
    if asked.startswith("/"):
        return f"{asked}/pycompose/models"
    if _is_root():
        return "/run/pycompose-models"
    runtime = environment.get("XDG_RUNTIME_DIR") or ""
    return f"{runtime}/pycompose-models" if runtime.startswith("/") else None


def _is_root() -> bool:
    return os.geteuid() == 0


def entry_path(options: LoadOptions) -> str | None:
    """The file of the entry for these options; None when they cannot be cached."""
    where = directory(options.environment)
    if where is None or options.stdin is not None or "-" in options.files:
        return None
    own = {key: value for key, value in options.environment.items() if key.startswith("COMPOSE_") or key == "HOME"}
    question = (
        FORMAT,
        sys.version_info[:3],
        _stamp(),
        options.files,
        options.project_directory,
        options.project_name,
        options.env_files,
        options.profiles,
        options.services,
        sorted(own.items()),
        str(options.cwd),
        (options.interpolate, options.normalize, options.resolve_paths, options.resolve_environment),
        (options.consistency, options.all_resources),
    )
    return f"{where}/{hashlib.blake2b(repr(question).encode(), digest_size=20).hexdigest()}"


_CODE = ("", "../model", "../convert", "../../grammar", "../../schemas")
"""The directories, from this one, of what decides how a file is read."""


def _stamp() -> tuple[tuple[str, int, int], ...]:
    """Changes with the code and the schemas that read files, so that an upgrade reads no old entries."""
    found = []
    for directory in _CODE:
        # By the path's words: in a checkout there is a link on the way.
        for entry in os.scandir(os.path.normpath(f"{os.path.dirname(__file__)}/{directory}")):
            if entry.name.endswith((".py", ".json")):
                about = entry.stat()
                found.append((f"{directory}/{entry.name}", about.st_size, about.st_mtime_ns))
    return tuple(sorted(found))


def digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=20).digest()


def recall(options: LoadOptions) -> Project | None:
    """The project for these options, if an entry exists and all its inputs are as they were."""
    path = entry_path(options)
    if path is None:
        return None
    content = _read_own(path)
    if content is None:
        return None
    try:
        found = marshal.loads(content)
    except (ValueError, EOFError, TypeError):
        return None
    if not isinstance(found, dict):
        return None
    entry = cast("_Entry", found)
    if not _unchanged(entry, options.environment):
        return None
    warnings = tuple(
        Diagnostic(message, tuple(where), Mark(*mark) if mark else None, hint)
        for message, where, mark, hint in entry["warnings"]
    )
    for where, kind in entry["kinds"]:
        _restore(entry, where, kind)
    for where, extensions in reversed(entry["extended"]):
        _extend(entry, where, extensions)
    marks = entry["marks"]
    return Project(
        name=entry["name"],
        directory=FilePath(entry["directory"]),
        files=entry["files"],
        services=entry["services"],
        disabled_services=entry["disabled"],
        environment=MappingProxyType({**entry["additions"], **options.environment, **entry["forced"]}),
        profiles=entry["profiles"],
        marks=Marks(lambda: marshal.loads(marks)),
        warnings=warnings,
        networks=entry["networks"],
        volumes=entry["volumes"],
        configs=entry["configs"],
        secrets=entry["secrets"],
        models=entry["models"],
        jobs=entry["jobs"],
        disabled_jobs=entry["disabled_jobs"],
        extensions=entry["extensions"],
    )


def _restore(entry: object, where: Path, kind: str) -> None:
    """Make the number or text at ``where`` the value that marshal cannot keep."""
    node = _above(entry, where)
    value = node[where[-1]]
    if isinstance(value, int):
        node[where[-1]] = {"Size": Size, "Duration": Duration}[kind](value)
    else:
        node[where[-1]] = {"Restart": Restart, "Exposed": Exposed}[kind](value)


def _extend(entry: object, where: Path, extensions: Mapping[str, Json]) -> None:
    """Make the mapping at ``where`` a record that has ``x-`` keys beside its own."""
    from .tree import Placed

    node = _above(entry, where)
    record: Placed[object] = Placed(cast("dict[str, object]", node[where[-1]]))
    record.extensions = cast("dict[str, Node]", extensions)
    node[where[-1]] = record


def _above(entry: object, where: Path) -> dict[str | int, object]:
    """What holds the value at ``where``, by name or by position: a mapping and a list are the same here."""
    node = cast("dict[str | int, object]", entry)
    for part in where[:-1]:
        node = cast("dict[str | int, object]", node[part])
    return node


def _unchanged(entry: _Entry, environment: Mapping[str, str]) -> bool:
    for name, value in entry["used"].items():
        if environment.get(name) != value:
            return False
    if any(os.path.exists(path) for path in entry["absent"]):
        return False
    for path, known in entry["inputs"].items():
        try:
            if digest(files.read(path)) != known:
                return False
        except OSError:
            return False
    if entry["links"]:
        from .paths import resolve_link

        return all(resolve_link(path) == target for path, target in entry["links"].items())
    return True


def _read_own(path: str) -> bytes | None:
    """The content of a file that belongs to the user and that no one else may write."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(handle, "rb") as stream:
        about = os.fstat(stream.fileno())
        if about.st_uid != os.geteuid() or not stat.S_ISREG(about.st_mode) or about.st_mode & 0o022:
            return None
        return stream.read()


def remember(
    options: LoadOptions,
    project: Project,
    inputs: Mapping[str, bytes],
    absent: set[str],
    used: set[str],
    links: Mapping[str, str],
) -> None:
    """Write the entry; where that is impossible nothing is kept and nothing is said, since only speed is lost."""
    path = entry_path(options)
    if path is None:
        return
    shell = options.environment
    forced = {key: value for key, value in project.environment.items() if key in shell and shell[key] != value}
    kept = _Kept()
    trees = {
        "services": project.services,
        "disabled": project.disabled_services,
        **{key: getattr(project, key) for key in _SECTIONS},
    }
    entry = {
        "name": project.name,
        "directory": str(project.directory),
        "files": project.files,
        "profiles": project.profiles,
        "additions": {key: value for key, value in project.environment.items() if key not in shell},
        "forced": forced,
        "marks": marshal.dumps(_marks(project.marks)),
        "warnings": [
            (
                item.message,
                item.path,
                (item.mark.file, item.mark.line, item.mark.column) if item.mark else None,
                item.hint,
            )
            for item in project.warnings
        ],
        "inputs": {name: digest(content) for name, content in inputs.items()},
        "absent": sorted(absent),
        "used": {name: shell.get(name) for name in used},
        "links": dict(links),
        **{key: _plain(tree, (key,), kept) for key, tree in trees.items()},
        "kinds": kept.kinds,
        "extended": kept.extended,
    }
    where = os.path.dirname(path)
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(where, mode=0o700, exist_ok=True)
        about = os.stat(where)
        if about.st_uid != os.geteuid():
            return
        if about.st_mode & 0o077:
            os.chmod(where, 0o700)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as stream:
            stream.write(marshal.dumps(entry))
        os.replace(temporary, path)
        _prune(where)
        _forget_earlier(shell)
    except (OSError, ValueError):
        return


def _prune(where: str) -> None:
    entries = sorted(os.scandir(where), key=lambda item: item.stat().st_mtime)
    for item in entries[:-KEEP]:
        os.unlink(item.path)


def _forget_earlier(environment: Mapping[str, str]) -> None:
    """Remove what earlier releases have left on disk."""
    earlier = f"{environment.get('HOME') or ''}/.cache/pycompose/models"
    if os.path.isabs(earlier) and os.path.isdir(earlier) and directory(environment) != earlier:
        for item in list(os.scandir(earlier)):
            os.unlink(item.path)
        os.rmdir(earlier)


def _marks(marks: Mapping[Path, Mark]) -> dict[Path, tuple[str, int, int]]:
    if isinstance(marks, Marks):
        return marks.places()
    return {path: (mark.file, mark.line, mark.column) for path, mark in marks.items()}


class _Kept:
    """What plain values do not say, by the path of each: what its type means, and the ``x-`` keys of records (an outer one first)."""

    def __init__(self) -> None:
        self.kinds: list[tuple[Path, str]] = []
        self.extended: list[tuple[Path, object]] = []


def _plain(value: object, path: Path, kept: _Kept) -> object:
    """Built-in containers and scalars only, as marshal takes them. What else there was goes to ``kept``."""
    if isinstance(value, str):
        if isinstance(value, Worded):
            kept.kinds.append((path, type(value).__name__))
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Quantity):
        kept.kinds.append((path, type(value).__name__))
        return int(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item, (*path, index), kept) for index, item in enumerate(value)]
    assert isinstance(value, dict), path
    extensions = getattr(value, "extensions", None)
    if extensions:
        kept.extended.append((path, _plain(extensions, (), _Kept())))
    return {key: _plain(item, (*path, key), kept) for key, item in value.items()}
