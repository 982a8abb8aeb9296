"""The one subscription of an engine: events, listings and samples arrive here and are folded into the store.

Threads, since the client is synchronous: one reads events, one lists what events say has changed, one takes samples. A reader
of the store is told that there is something new and takes the latest state when it has time, so a slow one gets fewer states
and nothing is queued for it.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from ...client import NotFound
from ...errors import ComposeError
from . import fold
from .catalogue import ALL, OWN, Catalogue
from .state import SAMPLE_PERIOD, Facts, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...client import Engine
    from ...client.system import Events

HISTORY = 3600
"""So many seconds of events are asked for at the beginning."""

RETRY_FIRST, RETRY_MOST = 0.25, 5.0
"""Seconds before the engine is tried again, at first and at most."""

SETTLE = 0.05
"""Seconds to wait for further events before everything is listed anew."""

AGES = 15.0
"""Seconds after which containers are listed anew though nothing has happened."""

LOOKS = 20
"""So many containers that do not run are looked into at a time."""

BUILD_PACE = 0.2
"""Seconds between two looks at builds, while there are any under way: what steps write makes no events."""


class Store:
    """The latest state and its version. ``listen`` names functions that are called, from any thread, after a change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = State()
        self._version = 0
        self._listeners: list[Callable[[], object]] = []

    @property
    def latest(self) -> tuple[int, State]:
        with self._lock:
            return self._version, self._state

    def apply(self, change: Callable[[State], State]) -> None:
        """Fold ``change`` in. Nobody is told of a state that is the one before."""
        with self._lock:
            after = change(self._state)
            if after is self._state:
                return
            self._state = after
            self._version += 1
            listeners = tuple(self._listeners)
        for one in listeners:
            one()

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call ``listener`` after every change; the answer ends that."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return end


class Stale:
    """Which lists are to be read anew. Threads add, and one takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: set[str] = set()
        self._some = threading.Event()

    def add(self, *kinds: str) -> None:
        with self._lock:
            self._kinds.update(kinds)
            self._some.set()

    def wait(self, timeout: float | None) -> None:
        self._some.wait(timeout)

    def take(self) -> set[str]:
        with self._lock:
            found, self._kinds = self._kinds, set()
            self._some.clear()
            return found


class Feed:
    """A context manager: while it is open the store follows the engine, also over the engine's own end and return."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store
        self._ended = threading.Event()
        self._stale = Stale()
        self._up = threading.Event()
        self._events: Events | None = None
        self._catalogue = Catalogue(engine, store.apply)
        self._threads = [
            threading.Thread(target=work, name=f"screens-{work.__name__}", daemon=True)
            for work in (self._follow, self._list, self._sample)
        ]

    def __enter__(self) -> Feed:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._stale.add()
        self._up.set()
        if self._events is not None:
            self._events.close()
        for one in self._threads:
            one.join()

    def refresh(self) -> None:
        """List everything anew, as after an event."""
        self._stale.add(*ALL)

    def _follow(self) -> None:
        since, pause = time.time() - HISTORY, RETRY_FIRST
        while not self._ended.is_set():
            try:
                self._events, tells_own = self._subscribed(f"{since:.9f}")
                self._store.apply(partial(fold.greeted, facts=self._facts()))
                self._up.set()
                self._catalogue.forget()
                self._stale.add(*ALL)
                pause = RETRY_FIRST
                for event in self._events:
                    since = max(since, float(event.get("timeNano") or 0) / 1e9 + 1e-6)
                    if fold.is_quiet(event):
                        continue
                    self._store.apply(partial(fold.happened, event=event))
                    kind = OWN.get(str(event.get("Type")), "containers")
                    self._stale.add(*((kind,) if tells_own else ALL))
                why = "the engine has ended"
            except ComposeError as error:
                why = str(error)
            self._up.clear()
            if self._ended.is_set():
                return
            self._store.apply(partial(fold.lost, why=why))
            self._ended.wait(pause)
            pause = min(pause * 2, RETRY_MOST)

    def _subscribed(self, since: str) -> tuple[Events, bool]:
        """The subscription, and whether it has events of jobs, snapshots, leases and builds: an older engine of ours has none."""
        if self._engine.is_pycompose:
            try:
                return self._engine.system.events(since=since, own=True), True
            except NotFound:
                return self._engine.system.events(since=since), False
        return self._engine.system.events(since=since), True

    def _facts(self) -> Facts:
        info = self._engine.system.info()
        return Facts(
            name=str(info.get("Name") or ""),
            version=str(info.get("ServerVersion") or ""),
            own=self._engine.is_pycompose,
            address=str(self._engine.endpoint.address),
            processors=int(info.get("NCPU") or 0),
            memory=int(info.get("MemTotal") or 0),
        )

    def _list(self) -> None:
        while True:
            building = any(one.state == "running" for one in self._store.latest[1].builds)
            self._stale.wait(BUILD_PACE if building else None)
            if self._ended.wait(SETTLE):
                return
            try:
                self._catalogue.read(self._stale.take() or {"builds"})
            except ComposeError:
                # The thread that follows events meets the same and says it; it asks for a listing once the engine is back.
                self._up.wait()

    def _sample(self) -> None:
        listed = time.monotonic()
        while not self._ended.wait(SAMPLE_PERIOD):
            self._up.wait()
            if time.monotonic() - listed > AGES:
                # "Up 5 minutes" grows old without any event.
                listed = time.monotonic()
                self._stale.add("containers")
            _, state = self._store.latest
            for one in state.containers.values():
                if self._ended.is_set() or not self._up.is_set():
                    break
                if one.state == "running":
                    self._measure(one.id)
            self._look_into(state)

    def _measure(self, identity: str) -> None:
        try:
            tree = self._engine.containers.sample(identity)
        except ComposeError:
            return  # it has ended meanwhile
        self._store.apply(partial(fold.measured, identity=identity, tree=tree, at=time.time()))

    def _look_into(self, state: State) -> None:
        """No listing says, and no event of a Docker engine, that a container could not be started."""
        old = time.time() - SAMPLE_PERIOD
        waiting = [
            one for one in state.containers.values() if one.state == "created" and not one.error and one.created < old
        ]
        for one in waiting[:LOOKS]:
            if self._ended.is_set() or not self._up.is_set():
                return
            try:
                error = str(self._engine.containers.inspect(one.id)["State"].get("Error") or "")
            except ComposeError:
                continue
            if error:
                self._store.apply(partial(fold.looked_into, identity=one.id, error=error))
