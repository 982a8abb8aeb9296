"""The operations of a deployment, as data: objects made, changed and removed, and services waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..dataclass import dataclass
from ..plan.ops import Operation

if TYPE_CHECKING:
    from .objects import Found, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateObject(Operation):
    verb: ClassVar[str] = "create"
    noun: ClassVar[str] = "object"

    wanted: Wanted

    @property
    def subject(self) -> str:
        return self.wanted.key


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateObject(Operation):
    """``again``: nothing differs, but what failed shall be tried once more."""

    verb: ClassVar[str] = "update"
    noun: ClassVar[str] = "object"

    wanted: Wanted
    found: Found
    again: bool = False

    @property
    def subject(self) -> str:
        return self.wanted.key


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveObject(Operation):
    verb: ClassVar[str] = "remove"
    noun: ClassVar[str] = "object"

    found: Found

    @property
    def subject(self) -> str:
        return self.found.key


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitService(Operation):
    """Until the object is ``how``: ready, or completed. ``optional``: only those wait that can do without."""

    verb: ClassVar[str] = "wait for"
    noun: ClassVar[str] = "service"

    wanted: Wanted
    how: str
    optional: bool = False

    @property
    def subject(self) -> str:
        return self.wanted.key
