"""Configs and secrets: who uses which, and what one contains when it is not a file (inline content, or a variable of the environment)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .errors import Diagnostic, PlanError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .model import Project
    from .model.parts import FileReference
    from .model.resources import FileObject
    from .model.service import Service


class Use(NamedTuple):
    """An entry of a service's ``configs`` or ``secrets`` (``noun``), and its place in that list."""

    noun: str
    position: int
    reference: FileReference


def uses(service: Service) -> Iterator[Use]:
    """Every config, then every secret, that the service uses."""
    for noun, references in (("configs", service.get("configs")), ("secrets", service.get("secrets"))):
        for index, reference in enumerate(references or ()):
            yield Use(noun, index, reference)


def file_objects(project: Project, noun: str) -> Mapping[str, FileObject]:
    """The project's ``configs`` or ``secrets``."""
    return project.configs if noun == "configs" else project.secrets


def file_content(project: Project, noun: str, source: str) -> bytes | None:
    """The bytes of ``source`` among ``configs`` or ``secrets``; None when it is a file.

    Raises `PlanError` for a variable that is not set.
    """
    tree = file_objects(project, noun).get(source) or {}
    if tree.get("content") is not None:
        return tree["content"].encode()
    variable = tree.get("environment")
    if variable is None:
        # The loaded project leaves an empty value out: content of length zero is content.
        return None if tree.get("file") or tree.get("external") else b""
    if variable not in project.environment:
        path = (noun, source, "environment")
        message = f'environment variable "{variable}" is not set'
        raise PlanError(str(Diagnostic(message, path, project.mark(*path))))
    return project.environment[variable].encode("utf-8", "surrogateescape")
