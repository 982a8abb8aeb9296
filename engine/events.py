"""The event stream of the engine: what happened to which object, as ``GET /events`` tells it.

Holds a bounded history (for ``since``) and fans events out to subscribers. It is not a log: a restart of the engine
begins a new history, as it does in Docker. ``publish`` may be called from any thread; subscribing belongs to the loop.
A subscriber that does not keep up is cut off rather than allowed to grow.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from . import journal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

log = logging.getLogger(__name__)

OWN_TYPES = frozenset(("build", "failure", "job", "lease", "snapshot"))
"""What Docker has no events for. Clients that know Docker's types alone may fail on another, so only who asks for ours is told."""

HISTORY = 4096
BACKLOG = 4096


class Actor(TypedDict):
    ID: str
    Attributes: dict[str, str]


OlderEvent = TypedDict("OlderEvent", {"status": str, "id": str, "from": str}, total=False)
"""What events of containers and images said before API 1.22 and go on saying."""


class EventShown(OlderEvent):
    """An event in the API; ``time`` in seconds since the epoch, ``timeNano`` in nanoseconds."""

    Type: str
    Action: str
    Actor: Actor
    scope: str
    time: int
    timeNano: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``time`` is in nanoseconds since the epoch; ``attributes`` carry the object's name, image and labels."""

    type: str
    action: str
    id: str
    attributes: Mapping[str, str]
    time: int

    def to_docker(self) -> EventShown:
        """The EventMessage of the API, with the older fields status, id and from that clients still read."""
        older: OlderEvent = {}
        if self.type in ("container", "image"):
            older = {"status": self.action, "id": self.id}
            if self.type == "container" and (image := self.attributes.get("image")):
                older["from"] = image
        return {
            **older,
            "Type": self.type,
            "Action": self.action,
            "Actor": {"ID": self.id, "Attributes": dict(self.attributes)},
            "scope": "local",
            "time": self.time // 1_000_000_000,
            "timeNano": self.time,
        }


class Subscription:
    """A queue of events for one listener; ``next`` waits for the following one, None when it was cut off."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._overrun = False

    def _offer(self, event: Event) -> None:
        if len(self._queue) >= BACKLOG:
            self._overrun = True
        else:
            self._queue.append(event)
        self._loop.call_soon_threadsafe(self._wake.set)

    async def next(self) -> Event | None:
        while not self._queue:
            if self._overrun:
                return None
            self._wake.clear()
            if not self._queue:
                await self._wake.wait()
        return self._queue.popleft()


class Events:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._history: deque[Event] = deque(maxlen=HISTORY)
        self._subscriptions: set[Subscription] = set()
        self._last = 0

    def publish(self, type: str, action: str, id: str, attributes: Mapping[str, str]) -> None:
        """Record one event; times are strictly increasing so that ``since`` never repeats or loses one."""
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            event = Event(type, action, id, dict(attributes), self._last)
            self._history.append(event)
            _log(event)
            for subscription in self._subscriptions:
                subscription._offer(event)

    @contextmanager
    def subscribe(self, since: int | None = None) -> Iterator[tuple[list[Event], Subscription]]:
        """Past events at or after ``since`` (ns; None for none of them) and a subscription to what follows, without a gap."""
        subscription = Subscription(asyncio.get_running_loop())
        with self._lock:
            past = [] if since is None else [event for event in self._history if event.time >= since]
            self._subscriptions.add(subscription)
        try:
            yield past, subscription
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)


def _log(event: Event) -> None:
    if not log.isEnabledFor(logging.INFO):
        return
    about = {event.type: event.id[:12]} if event.id else {}
    if event.type == "container":
        about = journal.of_container(event.id, event.attributes)
    if name := event.attributes.get("name"):
        about["name"] = name
    # What is executed in a container may hold secrets, and is left out.
    log.info("%s %s", event.type, event.action.partition(":")[0], extra=journal.fields(**about))


def matches(event: Event, filters: Mapping[str, Sequence[str]]) -> bool:
    """Whether an event passes Docker's event filters: values of one key are alternatives, keys must all match."""
    for key, wanted in filters.items():
        if not wanted:
            continue
        if key == "type":
            passed = event.type in wanted
        elif key == "event":
            passed = any(event.action == value or event.action.startswith(value + ":") for value in wanted)
        elif key == "scope":
            passed = "local" in wanted
        elif key == "label":
            passed = all(_has_label(event.attributes, value) for value in wanted)
        elif key in ("container", "image", "network", "volume", "daemon", "plugin"):
            passed = _is_object(event, key, wanted)
        else:
            passed = True
        if not passed:
            return False
    return True


def _has_label(attributes: Mapping[str, str], wanted: str) -> bool:
    name, given, value = wanted.partition("=")
    return name in attributes and (not given or attributes[name] == value)


def _is_object(event: Event, kind: str, wanted: Sequence[str]) -> bool:
    if kind == "image" and event.type == "container":
        image = event.attributes.get("image", "")
        return any(image == value or image.partition(":")[0] == value for value in wanted)
    if event.type == kind:
        name = event.attributes.get("name", "")
        if kind == "image":
            return any(value in (event.id, name, name.partition(":")[0]) for value in wanted)
        # As in Docker the beginning of a name will do.
        return any(event.id.startswith(value) or name.startswith(value) for value in wanted)
    if kind == "container" and event.type == "network":
        return any(event.attributes.get("container", "").startswith(value) for value in wanted)
    return False
