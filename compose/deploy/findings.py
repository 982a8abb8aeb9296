"""What a target cannot carry out, collected with its places, so that one run tells all of it before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Diagnostic, LoadError

if TYPE_CHECKING:
    from ..errors import Path
    from ..model import Project


class Findings:
    """``refused`` keep the project from being deployed; ``ignored`` are told and have no effect."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.refused: list[Diagnostic] = []
        self.ignored: list[Diagnostic] = []

    def refuse(self, path: Path, message: str, hint: str = "") -> None:
        self.refused.append(Diagnostic(message, path, self._project.mark(*path), hint))

    def ignore(self, path: Path, message: str) -> None:
        self.ignored.append(Diagnostic(message, path, self._project.mark(*path)))

    def check(self) -> None:
        """Raise `LoadError` with every refusal."""
        if self.refused:
            raise LoadError(self.refused)
