"""The error tree of compose/. Libraries raise these and never print or exit; compose/cli maps them to exit codes, in one place.

    ComposeError             exit 1    base; ``str(error)`` is what the user reads
    ├── UsageError           exit 1    the command line makes no sense (16 for an unknown flag or value, cli/flags.py)
    ├── LoadError            exit 15   the Compose files say something wrong; carries every Diagnostic found
    │   └── InterpolationError         a required variable is missing or the template is malformed
    ├── PlanError            exit 1    the model is sound, but no plan leads to it
    ├── OperationError       exit 1    an operation of the plan failed
    └── EngineError          exit 1    the engine refused or does not answer; carries the HTTP status

A `Diagnostic` is one finding: where (``file:line:column`` and key path), what, and a hint such as the nearest valid key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

Path = tuple["str | int", ...]

SHOWN = 20
"""How many diagnostics the text of one error holds; all are in the error itself."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def dotted(path: Path) -> str:
    """A key path as users write it: ``services.web.ports[0]``."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
        elif "." in part or part == "":
            out += f'["{part}"]'
        else:
            out += f".{part}" if out else part
    return out


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about the input: place, key path, message and, where there is one, a hint."""

    message: str
    path: Path = ()
    mark: Mark | None = None
    hint: str = ""

    def __str__(self) -> str:
        text = self.message
        if self.path and dotted(self.path) not in text:
            text = f"{dotted(self.path)}: {text}"
        if self.mark is not None:
            text = f"{self.mark}: {text}"
        if self.hint:
            text = f"{text} ({self.hint})"
        return text


class ComposeError(Exception):
    """Base of all errors that compose/ reports; ``str(error)`` is the message shown to the user."""

    exit_code = 1


class UsageError(ComposeError):
    """The command line, or an environment variable standing for it, makes no sense."""

    exit_code = 1


def _source_order(item: Diagnostic) -> tuple[str, int, int]:
    return (item.mark.file, item.mark.line, item.mark.column) if item.mark is not None else ("", 0, 0)


class LoadError(ComposeError):
    """The Compose files cannot become a project; ``diagnostics`` holds every finding, in source order."""

    exit_code = 15

    def __init__(self, diagnostics: Sequence[Diagnostic] | Diagnostic | str) -> None:
        if isinstance(diagnostics, str):
            diagnostics = (Diagnostic(diagnostics),)
        elif isinstance(diagnostics, Diagnostic):
            diagnostics = (diagnostics,)
        self.diagnostics: tuple[Diagnostic, ...] = tuple(sorted(diagnostics, key=_source_order))
        lines = [str(item) for item in self.diagnostics[:SHOWN]]
        if len(self.diagnostics) > SHOWN:
            lines.append(f"and {len(self.diagnostics) - SHOWN} more")
        super().__init__("\n".join(lines))


class FileMissing(LoadError):
    """A Compose file or env file is not there; the exit code is Docker Compose's."""

    exit_code = 14


class UnknownService(LoadError):
    """A service that was asked for is not in the project; the exit code is Docker Compose's."""

    exit_code = 1


class InterpolationError(LoadError):
    """A variable that must be set is not, or a template does not follow the interpolation grammar."""


class PlanError(ComposeError):
    """The model is sound, but no plan leads to it."""


class OperationError(ComposeError):
    """An operation of the plan failed."""


class EngineError(ComposeError):
    """The engine refused a request (``status`` is its HTTP status) or cannot be reached (``status`` is 0)."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
