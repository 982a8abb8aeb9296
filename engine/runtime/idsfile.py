"""ids.json of a root directory: how the ids of what is in it are mapped, and whether that is being changed (changeover.py)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from .. import documents

if TYPE_CHECKING:
    from ..layout import Layout

ONE, RANGE = "one", "range"
VERSION = 2
_SETTLED = 1
"""The version of a root that is not being changed, which releases before can read as well."""


class Ids(NamedTuple):
    """``towards`` is what a change that has not been finished is to make of it; empty without one."""

    kind: str
    towards: str = ""


def read(layout: Layout) -> Ids | None:
    """None of a root that has not been used yet. Raises ValueError for a damaged file, NewerFormat, and OSError."""
    try:
        with open(layout.ids, "rb") as file:
            document = documents.checked(json.loads(file.read()), VERSION, str(layout.ids))
    except FileNotFoundError:
        return None
    towards = document.get("towards")
    return Ids(RANGE if document.get("kind") == RANGE else ONE, str(towards) if towards in (ONE, RANGE) else "")


def write(layout: Layout, ids: Ids) -> None:
    """Replace the file; it is on the disk before this returns."""
    content = {"kind": ids.kind, "towards": ids.towards} if ids.towards else {"kind": ids.kind}
    text = json.dumps(documents.stamped(content, VERSION if ids.towards else _SETTLED)) + "\n"
    temporary = layout.ids.with_name(f"{layout.ids.name}.{os.getpid()}")
    with open(temporary, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(layout.ids)
