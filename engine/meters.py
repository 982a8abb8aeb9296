"""What the engine counts for those who watch it: operations by result, and how long things took. Any thread may count.

`Meters` are the numbers; how they are written for Prometheus is engine/api/metrics.py's.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TURNS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
REQUESTS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)


class Histogram:
    """Seconds, counted by upper bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Called by one thread only, or where a lost count does no harm."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


class Operations:
    """Operations of one kind: how many are under way, how many have succeeded and failed, and the seconds of all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.active = self.succeeded = self.failed = 0
        self.seconds = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count what is done within; whatever is raised is a failure."""
        began, succeeded = time.monotonic(), False
        with self._lock:
            self.active += 1
        try:
            yield
            succeeded = True
        finally:
            with self._lock:
                self.active -= 1
                self.succeeded += succeeded
                self.failed += not succeeded
                self.seconds += time.monotonic() - began


@dataclass(slots=True)
class Meters:
    """All that is counted. ``requests`` are answers by method and status; ``request_seconds`` leaves out streams."""

    pulls: Operations = field(default_factory=Operations)
    builds: Operations = field(default_factory=Operations)
    requests: dict[tuple[str, int], int] = field(default_factory=dict)
    request_seconds: Histogram = field(default_factory=lambda: Histogram(REQUESTS))

    def answered(self, method: str, status: int, seconds: float | None) -> None:
        """One request is done; ``seconds`` None for a stream. Called on the loop."""
        key = (method, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        if seconds is not None:
            self.request_seconds.observe(seconds)
