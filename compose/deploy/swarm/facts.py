"""What the objects of a stack depend on besides the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dataclass import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Facts:
    """What a spec depends on besides the file: image references by service, names of secrets and configs by key, jobs."""

    images: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    jobs: frozenset[str] = frozenset()
    allow_binds: bool = False
