"""Names of objects that hold content: what a config or secret contains is part of its name, so that a change makes a new one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from .. import files
from ..contents import file_content, file_objects, uses
from ..errors import Diagnostic, LoadError

if TYPE_CHECKING:
    from ..model import Project

DIGITS = 12
LARGEST = 16 << 20


class Content(NamedTuple):
    """``noun`` is configs or secrets, ``key`` its name in the file."""

    noun: str
    key: str
    data: bytes

    def name(self, base: str, longest: int) -> str:
        """``base`` and the digits of the content, together at most ``longest`` characters. The base is part of what is hashed."""
        digits = hashlib.sha256(base.encode() + b"\0" + self.data).hexdigest()[:DIGITS]
        return f"{base[: longest - DIGITS - 1].rstrip('-_.')}-{digits}"


def contents(project: Project, noun: str, largest: int) -> dict[str, Content]:
    """The configs or secrets of the project that services use and that are not external. Raises `LoadError` for one that cannot be read or is
    larger than ``largest`` bytes."""
    section = file_objects(project, noun)
    used = {use.reference["source"] for tree in project.services.values() for use in uses(tree) if use.noun == noun}
    found: dict[str, Content] = {}
    for key, tree in section.items():
        if key not in used or (tree or {}).get("external"):
            continue
        path = (noun, key)
        data = file_content(project, noun, key)
        if data is None:
            try:
                data = files.read(str((tree or {}).get("file")), LARGEST)
            except OSError as error:
                reason = f"{error.filename or tree.get('file')}: {error.strerror or error}"
                raise LoadError(Diagnostic(reason, path, project.mark(*path, "file"))) from None
        if len(data) > largest:
            words = f"has {len(data)} bytes; the target takes at most {largest}"
            raise LoadError(Diagnostic(words, path, project.mark(*path)))
        found[key] = Content(noun, key, data)
    return found
