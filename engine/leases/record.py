"""A lease's record: who owns it, what belongs to it, and whether it is held. Pure data and rules.

An owner is a process (pid *and* start time, of this boot), a descriptor (held by the guard, so it cannot be had back
once guard and engine are both gone), or a time.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from .. import documents
from ..errors import InvalidParameter
from ..shapes import members, strings

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["pid", "fd", "ttl"]
LONGEST = 366 * 86400.0
"""Seconds; an owner by time that lives longer is no lease."""

_ID = re.compile(r"[0-9a-f]{16}")


class OwnerShown(TypedDict):
    """An owner in the API: a process, or seconds and their end in ns since the epoch."""

    Kind: Kind
    Text: str
    Seconds: NotRequired[float]
    Expires: NotRequired[int]
    Pid: NotRequired[int]
    StartTime: NotRequired[int]


class LeaseShown(TypedDict):
    """A lease in the API; ``Created`` in ns since the epoch."""

    Id: str
    Owner: OwnerShown
    Labels: dict[str, str]
    Images: list[str]
    Created: int
    State: Literal["ending", "held"]
    Reason: str


@dataclass(frozen=True, slots=True)
class Owner:
    """``pid``, ``started`` (clock ticks since boot) and ``boot`` name a process; with kind ``fd`` they name the process
    whose descriptor ``fd`` was taken. ``seconds`` is the time given, ``expires`` its end (ns since the epoch)."""

    kind: Kind
    pid: int = 0
    started: int = 0
    boot: str = ""
    fd: int = -1
    seconds: float = 0.0
    expires: int = 0

    @staticmethod
    def parse(body: object, *, boot: str, now: int) -> Owner:
        """From an API body: {"pid": N, "starttime": T}, {"fd": N, "pid": …, "starttime": …} or {"ttl": seconds}."""
        if not isinstance(body, dict):
            raise InvalidParameter("owner: want an object with pid and starttime, fd, or ttl")
        if "ttl" in body:
            seconds = body["ttl"]
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
                raise InvalidParameter("owner: ttl: want a number of seconds")
            if not 0 < seconds <= LONGEST:
                raise InvalidParameter(f"owner: ttl: want more than 0 and at most {LONGEST:.0f} seconds")
            return Owner("ttl", seconds=float(seconds), expires=now + int(seconds * 1e9))
        pid, started = _natural(body, "pid"), _natural(body, "starttime")
        if "fd" in body:
            return Owner("fd", pid, started, boot, fd=_natural(body, "fd", least=0))
        return Owner("pid", pid, started, boot)

    def words(self) -> str:
        """As users write it after ``--lease``."""
        if self.kind == "ttl":
            return f"ttl:{self.seconds:g}s"
        return f"pid:{self.pid}" if self.kind == "pid" else f"fd:{self.fd}"


def _natural(body: Mapping[str, object], member: str, least: int = 1) -> int:
    value = body.get(member)
    if isinstance(value, bool) or not isinstance(value, int) or value < least or value >= 1 << 62:
        raise InvalidParameter(f"owner: {member}: want a number from {least} on")
    return value


@dataclass(frozen=True, slots=True)
class Lease:
    """``labels`` select what belongs to it besides what carries its own label; ``images`` are references that are
    untagged with it. ``created`` in ns since the epoch.

    ``ending`` once set is never taken back: nothing more is created under the lease, and what there is goes.
    """

    id: str
    owner: Owner
    labels: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    created: int = 0
    ending: str = ""

    def selects(self, labels: Mapping[str, object]) -> bool:
        return bool(self.labels) and all(labels.get(name) == value for name, value in self.labels.items())

    def record(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def from_record(body: Mapping[str, object]) -> Lease:
        """Raises Incomplete."""
        owner = documents.build(Owner, members(body.get("owner")))
        return documents.build(Lease, body, owner=owner, images=strings(body.get("images")))

    def to_api(self) -> LeaseShown:
        owner = self.owner
        shown: OwnerShown = {"Kind": owner.kind, "Text": owner.words()}
        if owner.kind == "ttl":
            shown["Seconds"], shown["Expires"] = owner.seconds, owner.expires
        else:
            shown["Pid"], shown["StartTime"] = owner.pid, owner.started
        return {
            "Id": self.id,
            "Owner": shown,
            "Labels": dict(self.labels),
            "Images": list(self.images),
            "Created": self.created,
            "State": "ending" if self.ending else "held",
            "Reason": self.ending,
        }


def check_id(id: str) -> None:
    if not _ID.fullmatch(id):
        raise InvalidParameter(f"invalid lease id: {id!r}")


def check_labels(value: object) -> dict[str, str]:
    """The selector of a request. An empty one selects nothing."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise InvalidParameter("labels: want a map of strings")
    return dict(value)


def check_images(value: object) -> tuple[str, ...]:
    """The image references of a request."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise InvalidParameter("images: want a list of references")
    return tuple(value)
