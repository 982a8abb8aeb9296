"""What to bring up, what a command left, and the one error: the values of the plugin's interface."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class StackError(Exception):
    """The stack did not come up, or a command on it failed; ``str(error)`` is what `pycompose` said."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command in a container left: its exit code and its output."""

    exit_code: int
    stdout: str
    stderr: str

    def check(self) -> CommandResult:
        """Itself, when the exit code is 0. Raises `StackError`."""
        __tracebackhide__ = True
        if self.exit_code != 0:
            raise StackError(f"exit code {self.exit_code}\n{self.stdout}{self.stderr}")
        return self


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What to bring up. Override the fixture ``stack_options`` to choose it in code instead of the ini file.

    ``files`` are relative to ``directory``; none means the usual names. ``environment`` is added to that of `pycompose`
    (for interpolation). ``arguments`` go before the verb (``--root``, ``--profile``…). Times in seconds.
    """

    directory: Path
    files: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    snapshot: str = ""
    build: bool = False
    ports: str = "auto"
    wait_timeout: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
