"""What a program or a command line has chosen about a project, and whom a session tells of its work: both as plain values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from ..dataclass import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import TypedDict

    from ..run.events import Event

    class Chosen(TypedDict, total=False):
        """The members of `Choices` but the files, as keywords."""

        project_name: str | None
        project_directory: str | None
        env_files: tuple[str, ...]
        profiles: tuple[str, ...]
        services: tuple[str, ...]
        host: str | None
        root: str | None
        ports: str | None
        parallel: int | None
        all_resources: bool
        compatibility: bool
        ephemeral: bool
        dry_run: bool
        environment: Mapping[str, str]
        directory: str
        stdin: Callable[[], str]


def _nothing() -> str:
    return ""


def _environment() -> Mapping[str, str]:
    return os.environ


@dataclass(frozen=True, slots=True)
class Choices:
    """Which project on which engine. The defaults are those of a command without options.

    ``files`` are paths ("-" is what ``stdin`` returns), relative to ``directory``; none means COMPOSE_FILE or the usual
    names, looked for from there upwards. ``services`` are those that are worked on: naming one enables its profiles.
    ``parallel`` bounds the operations at a time; None leaves it to COMPOSE_PARALLEL_LIMIT, 0 and less mean no bound.
    """

    files: tuple[str, ...] = ()
    project_name: str | None = None
    project_directory: str | None = None
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    host: str | None = None
    root: str | None = None
    ports: str | None = None
    parallel: int | None = None
    all_resources: bool = False
    compatibility: bool = False
    ephemeral: bool = False
    dry_run: bool = False
    environment: Mapping[str, str] = field(default_factory=_environment)
    directory: str = field(default_factory=os.getcwd)
    stdin: Callable[[], str] = field(default_factory=lambda: _nothing)


class Display(Protocol):
    """Where progress goes while it is open. `handle` may be called from any thread, one at a time."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def handle(self, event: Event) -> None: ...


class Listener(Protocol):
    """Whom a session tells what it does. Nothing is decided by what a listener does with it."""

    def warn(self, text: str) -> None:
        """Something that the user should know, and that stops nothing."""

    def note(self, text: str) -> None:
        """What is going on, as a line of its own."""

    def progress(self, title: str = "Running") -> Display:
        """A new display for the operations of one plan."""


class _Unseen:
    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def handle(self, event: Event) -> None:
        """Nobody looks."""


class Silent:
    """A listener that drops everything but warnings, which it keeps."""

    def __init__(self, warnings: list[str]) -> None:
        self.warnings = warnings

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def note(self, text: str) -> None:
        """Nobody reads it."""

    def progress(self, title: str = "Running") -> Display:
        return _Unseen()
