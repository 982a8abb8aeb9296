"""GET /events."""

from __future__ import annotations

from typing import TypedDict


class Actor(TypedDict, total=False):
    ID: str
    Attributes: dict[str, str] | None


class Event(TypedDict, total=False):
    """``time`` is in seconds, ``timeNano`` in nanoseconds since the epoch; the fields in lower case are those of old."""

    Type: str
    Action: str
    Actor: Actor
    scope: str
    time: int
    timeNano: int
    status: str
    id: str
