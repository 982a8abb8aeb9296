"""What a config or secret contains when it is not a file: inline content, or a variable of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import Diagnostic, PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Project


def file_content(project: Project, noun: str, source: str) -> bytes | None:
    """The bytes of ``source`` among ``configs`` or ``secrets``; None when it is a file.

    Raises `PlanError` for a variable that is not set.
    """
    tree: Mapping[str, Any] = (project.configs if noun == "configs" else project.secrets).get(source) or {}
    if tree.get("content") is not None:
        return str(tree["content"]).encode()
    variable = tree.get("environment")
    if variable is None:
        # The loaded project leaves an empty value out: content of length zero is content.
        return None if tree.get("file") or tree.get("external") else b""
    if variable not in project.environment:
        path = (noun, source, "environment")
        message = f'environment variable "{variable}" is not set'
        raise PlanError(str(Diagnostic(message, path, project.mark(*path))))
    return project.environment[variable].encode("utf-8", "surrogateescape")
