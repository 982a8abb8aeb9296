"""Versions of everything that outlives a process: records, status and launch files, zones, and the keeper's channels.

A document has its version under ``v``; one without was written before there were versions and counts as 0. A reader
ignores what it does not know and takes the default of what is missing, so a version is raised only when an older reader
would misunderstand the document. What is newer than its reader is refused, never guessed. Standard library only, and little
of it: the keeper loads this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

KEY = "v"


class NewerFormat(Exception):
    """A document of a pycompose to come; ``str(error)`` is one line with the file, its version and what to do."""

    def __init__(self, where: str, version: int, newest: int) -> None:
        super().__init__(
            f"{where}: version {version} was written by a newer pycompose, this one reads up to {newest}: install the newer one again"
        )
        self.where = where
        self.version = version


class Incomplete(ValueError):
    """A document lacks what it cannot be without."""


def stamped(document: Mapping[str, object], version: int) -> dict[str, object]:
    """The document with its version, to be written."""
    return {KEY: version, **document}


def checked(document: Mapping[str, object], newest: int, where: str) -> dict[str, object]:
    """A document that was read from ``where``, without its version.

    Raises NewerFormat for a version above ``newest``, ValueError for one that is none.
    """
    content = dict(document)
    version = content.pop(KEY, 0)
    check(version, newest, where)
    return content


def check(version: object, newest: int, where: str) -> None:
    """Raises NewerFormat for a version above ``newest``, ValueError for what is no version."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise ValueError(f"{where}: {version!r} is no version")
    if version > newest:
        raise NewerFormat(where, version, newest)


def members(value: object) -> dict[str, object]:
    """The members of a dataclass or NamedTuple by their names, the other way from ``build``. They are not copied, which is most of
    what dataclasses.asdict takes its time for."""
    known = value.__match_args__  # type: ignore[attr-defined]  # both have it: the fields, in order
    return {name: getattr(value, name) for name in known}


def build(kind: Callable[..., T], document: Mapping[str, object], **converted: object) -> T:
    """A dataclass or NamedTuple of the members that ``document`` has and ``kind`` knows; ``converted`` replace those of the
    document. Raises Incomplete when one without a default is missing."""
    known = kind.__match_args__  # type: ignore[attr-defined]  # both have it: the fields, in order
    values = {name: document[name] for name in known if name in document} | converted
    try:
        return kind(**values)
    except TypeError as error:
        raise Incomplete(f"{kind.__name__}: {str(error).partition('() ')[2]}") from None
