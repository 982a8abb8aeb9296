"""What manifests depend on besides the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dataclass import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

NEWEST = 37
"""The minor version that files are written for when no server is asked."""


@dataclass(frozen=True, slots=True)
class Facts:
    """``images`` by service; ``minor`` is the server's version 1.x; ``users`` numeric user and group by service, for users by name."""

    namespace: str
    images: Mapping[str, str] = field(default_factory=dict)
    minor: int = NEWEST
    users: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    allow_binds: bool = False
