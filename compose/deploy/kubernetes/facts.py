"""What manifests depend on besides the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dataclass import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...model.service import HealthCheck

WRITTEN_FOR = 25
"""The minor version that files are written for when no server is asked: newer ones take what this one does."""


@dataclass(frozen=True, slots=True)
class Login:
    """What the Secret of a registry's login holds, and the digits that stand for it. Without content: another has put it there, and
    it stays as it is."""

    digits: str
    content: bytes = b""

    def __repr__(self) -> str:
        return f"Login({self.digits})"


@dataclass(frozen=True, slots=True)
class Facts:
    """``images`` by service; ``minor`` is the server's version 1.x; ``users`` numeric user and group by service, for users by name;
    ``logins`` what registries let the nodes pull with, by host; ``checks`` by service, where the check is the image's."""

    namespace: str
    images: Mapping[str, str] = field(default_factory=dict)
    minor: int = WRITTEN_FOR
    users: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    allow_binds: bool = False
    logins: Mapping[str, Login] = field(default_factory=dict)
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
