"""A session on both engines at once: each step, what it answers, what it leaves, and what is told of it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from .compare import Reason, compare, differing, events, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .engines import Peer
    from .steps import Step

_LISTS = ("/containers/json?all=1", "/networks", "/volumes", "/images/json")


class Session:
    """``reasons`` are the differences that stay. ``failed`` is called with each other one."""

    def __init__(self, ours: Peer, theirs: Peer, reasons: Iterable[Reason]) -> None:
        self._ours = ours
        self._theirs = theirs
        self._reasons = tuple(reasons)
        self.seen: list[tuple[int, Step, str]] = []
        self.reasoned: dict[str, int] = {}
        self._known: set[str] = set()
        self._began = self._heard = time.time()
        self._seen: tuple[set[int], set[int]] = (set(), set())
        self._told: list[Counter[str]] = [Counter(), Counter()]
        self._late: dict[str, str] = {}

    def run(self, steps: Iterable[Step], failed: Callable[[int, Step, str], None] | None = None) -> None:
        for number, step in enumerate(steps):
            for difference in self._step(step):
                self.seen.append((number, step, difference))
                if failed is not None:
                    failed(number, step, difference)

    def _step(self, step: Step) -> list[str]:
        answers = [peer.take(step) for peer in (self._ours, self._theirs)]
        found = compare(*answers, bodies="/stats" not in step.path and "/top" not in step.path)
        if found and (answers[0].status < 300) != (answers[1].status < 300) and step.method not in ("GET", "HEAD"):
            # What only one of them has done is undone, so that the rest of the session says something.
            unexplained = self._unexplained(step, found)
            self._level(step)
            self._told, self._late = [Counter(), Counter()], {}
            self._began = self._heard = time.time()
            return unexplained
        if step.settle:
            for peer in (self._ours, self._theirs):
                peer.settle(step.settle)
        if step.method in ("GET", "HEAD"):
            return self._unexplained(step, found)
        for path in step.touches:
            found += [f"{_noun(path)} {line}" for line in self._both(path)]
        for path in _LISTS:
            found += [f"list {path} {line}" for line in self._both(path)]
        found += self._events(step)
        return self._unexplained(step, found)

    def _level(self, step: Step) -> None:
        """Take away, on both, what a step was about that went two ways."""
        paths = {
            path.removesuffix("/json")
            for path in (*step.touches, *([f"/containers/{step.settle}"] if step.settle else []))
        }
        for path in sorted(paths):
            for peer in (self._ours, self._theirs):
                if path.startswith("/containers/"):
                    peer.request("DELETE", f"{path}?force=1&v=1")
                elif path.startswith("/networks/"):
                    path = "/networks/" + path.removeprefix("/networks/").replace("/", "%2F")
                    network = peer.request("GET", path).body
                    for id in network.get("Containers") or () if isinstance(network, dict) else ():
                        peer.request("DELETE", f"/containers/{id}?force=1&v=1")
                    peer.request("DELETE", path)
                elif path.startswith(("/volumes/", "/images/")):
                    peer.request("DELETE", f"{path}?force=1")

    def _both(self, path: str) -> list[str]:
        """What differs between the two answers to a GET, once neither changes any more."""
        found: list[str] = []
        for _ in range(20):
            ours, theirs = (peer.request("GET", path) for peer in (self._ours, self._theirs))
            found = [line for line in compare(ours, theirs) if not self._explained(line)]
            # What has lasted once is not waited for again.
            if self._known.issuperset(found):
                break
            time.sleep(0.05)
        self._known.update(found)
        return found

    def _events(self, step: Step) -> list[str]:
        """Events that only one of them has told of, and has been alone with over the step after theirs as well."""
        call = f"{step.method} {step.path.partition('?')[0]} "
        for _ in range(20):
            now = time.time()
            for side, peer in enumerate((self._ours, self._theirs)):
                rows = [
                    row for row in peer.events(self._heard - 1, now) if row.get("timeNano", 0) not in self._seen[side]
                ]
                self._seen[side].update(row.get("timeNano", 0) for row in rows)
                told = events([row for row in rows if row.get("timeNano", 0) / 1e9 > self._began])
                self._told[side].update(line for line in told if not self._explained(f"{call}event {line}"))
            self._heard = now
            both = self._told[0] & self._told[1]
            self._told = [self._told[0] - both, self._told[1] - both]
            if not self._told[0] and not self._told[1]:
                break
            time.sleep(0.05)
        late: dict[str, str] = {}
        found = []
        for word, alone in zip(("extra", "missing"), self._told, strict=True):
            for line in list(alone):
                difference = f"event {word}: {line}"
                origin = self._late.get(difference, call)
                if self._explained(origin + difference):
                    del alone[line]
                elif difference in self._late:
                    found.append(f"{difference} (since {origin.strip()})")
                    del alone[line]
                else:
                    late[difference] = call
        self._late = late
        return found

    def _explained(self, difference: str) -> bool:
        for reason in self._reasons:
            if reason.covers(difference):
                self.reasoned[reason.why] = self.reasoned.get(reason.why, 0) + 1
                return True
        return False

    def _unexplained(self, step: Step, found: list[str]) -> list[str]:
        call = f"{step.method} {step.path.partition('?')[0]} "
        return [line for line in found if not self._explained(call + line)]


def _noun(path: str) -> str:
    return path.split("/")[1]


__all__ = ["Session", "differing", "plain"]
