"""The columns of the conformance table for clusters: schemas/conformance-clusters.json, one line per key and the same keys as the first.

A value is a status, and after a colon the reason or, for what is supported, its limits.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ..load import schema
from ..load.conformance import walk
from ..load.tree import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..errors import Path
    from ..model import Project

TABLE = "conformance-clusters.json"


class Column(NamedTuple):
    status: str
    note: str

    def __str__(self) -> str:
        return f"{self.status}: {self.note}" if self.note else self.status


def columns() -> dict[str, dict[str, Column]]:
    """Key -> target -> status and note."""
    content = json.loads((schema.directory() / TABLE).read_text(encoding="utf-8"))
    return {
        key: {kind: Column(*_split(text)) for kind, text in value.items()} for key, value in sorted(content.items())
    }


def _split(text: str) -> tuple[str, str]:
    status, _, note = text.partition(": ")
    return status, note


_QUIET = frozenset(
    {
        "services.*.expose",
        "services.*.ports.app_protocol",
        "services.*.ports.name",
        "services.*.volumes.bind.selinux",
        "services.*.volumes.consistency",
    }
)
"""Ignored keys that canonical files always hold, or that mean nothing by themselves."""


def uses(project: Project, kind: str) -> Iterator[tuple[Path, str, str]]:
    """The keys in use that the target does not carry out: path, status, and why."""
    rules: Rules[Column] = Rules(
        {
            tuple(key.split(".")): one[kind]
            for key, one in columns().items()
            if one[kind].status != "supported" and key not in _QUIET and not key.startswith("services.*.build.")
        }
    )
    for section in ("services", "networks", "volumes", "configs", "secrets", "models", "jobs"):
        below = rules.step(section)
        if below is not None:
            for path, column in walk(getattr(project, section), below, (section,)):
                yield path, column.status, column.note
