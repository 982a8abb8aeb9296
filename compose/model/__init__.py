"""The loaded project: frozen values that every later stage reads and none changes.

The trees below are in exactly the form of ``docker compose config --format json``. This module holds no rules: how a
file becomes a project is compose/load.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..dataclass import dataclass, field
from ..errors import Diagnostic, Mark, Path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Never

    from .resources import FileObject, Model, Network, Volume
    from .service import Service
    from .values import Json

__all__ = ["Diagnostic", "LoadOptions", "Mark", "Marks", "Project"]

_EMPTY: Mapping[str, Never] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the caller chose on the command line.

    ``files`` are paths as given ("-" is ``stdin``); empty means COMPOSE_FILE or the default names, looked for from
    ``cwd`` upwards. ``environment`` is a snapshot of the process environment: nothing below reads os.environ.
    The ``interpolate`` … ``consistency`` switches are those of ``config --no-…``.
    """

    files: tuple[str, ...] = ()
    project_directory: str | None = None
    project_name: str | None = None
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    cwd: FilePath = field(default_factory=FilePath.cwd)
    stdin: str | None = None
    interpolate: bool = True
    normalize: bool = True
    resolve_paths: bool = True
    resolve_environment: bool = True
    consistency: bool = True
    services: tuple[str, ...] = ()
    """Reduce the project to these services, whatever their profiles, and what they depend on."""
    all_resources: bool = False
    """Keep networks, volumes, configs and secrets that no active service uses."""


class Marks(Mapping[Path, Mark]):
    """The source places of canonical key paths, worked out when first asked for."""

    __slots__ = ("_find", "_places")

    def __init__(self, find: Callable[[], dict[Path, tuple[str, int, int]]]) -> None:
        self._find = find
        self._places: dict[Path, tuple[str, int, int]] | None = None

    def places(self) -> dict[Path, tuple[str, int, int]]:
        """File, line and column by path."""
        if self._places is None:
            self._places = self._find()
        return self._places

    def __getitem__(self, path: Path) -> Mark:
        return Mark(*self.places()[path])

    def __iter__(self) -> Iterator[Path]:
        return iter(self.places())

    def __len__(self) -> int:
        return len(self.places())


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project after merging, normalisation and profile selection.

    ``services`` are the active ones, ``disabled_services`` those left out by their profiles. Mappings are in the order
    of ``config --format json`` (sorted by name). ``marks`` gives the source place of canonical key paths.
    """

    name: str
    directory: FilePath
    files: tuple[str, ...]
    services: Mapping[str, Service]
    networks: Mapping[str, Network] = field(default_factory=lambda: _EMPTY)
    volumes: Mapping[str, Volume] = field(default_factory=lambda: _EMPTY)
    configs: Mapping[str, FileObject] = field(default_factory=lambda: _EMPTY)
    secrets: Mapping[str, FileObject] = field(default_factory=lambda: _EMPTY)
    models: Mapping[str, Model] = field(default_factory=lambda: _EMPTY)
    jobs: Mapping[str, Service] = field(default_factory=lambda: _EMPTY)
    """Those that profiles enable, in the form of services with triggers."""
    disabled_jobs: Mapping[str, Service] = field(default_factory=lambda: _EMPTY)
    extensions: Mapping[str, Json] = field(default_factory=lambda: _EMPTY)
    separator: str = "-"
    """Between the words of container and image names; "_" with ``--compatibility``."""
    env_files: tuple[str, ...] = ()
    """Those named by ``--env-file`` or COMPOSE_ENV_FILES, absolute."""
    disabled_services: Mapping[str, Service] = field(default_factory=lambda: _EMPTY)
    environment: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    profiles: tuple[str, ...] = ()
    marks: Mapping[Path, Mark] = field(default_factory=lambda: Marks(dict))
    warnings: tuple[Diagnostic, ...] = ()

    def with_jobs(self, *names: str) -> Project:
        """The project with these jobs among its services, which is what they are made like."""
        from dataclasses import replace

        every = {**self.disabled_jobs, **self.jobs}
        return replace(self, services={**self.services, **{name: every[name] for name in names}})

    def mark(self, *path: str | int) -> Mark | None:
        """The source place of ``path``, or of its nearest ancestor that has one."""
        for length in range(len(path), 0, -1):
            found = self.marks.get(path[:length])
            if found is None and path[0] == "services" and len(path) > 1 and path[1] in (self.jobs or ()):
                found = self.marks.get(("jobs", *path[1:length])) if length > 1 else None
            if found is not None:
                return found
        return None
