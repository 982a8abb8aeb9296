"""Docker's JSON progress messages, from any thread, at a rate that people can read."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ...grammar import sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bodies import ProgressMessage

_INTERVAL = 0.1


class Reporter:
    """Serialises messages to one sink; of the counters of one id and status at most ten a second get through."""

    def __init__(self, sink: Callable[[ProgressMessage], None] | None) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], float] = {}

    def __call__(self, message: ProgressMessage) -> None:
        if self._sink is None:
            return
        with self._lock:
            detail = message.get("progressDetail")
            if detail:
                key = (message.get("id", ""), message.get("status", ""))
                now = time.monotonic()
                if detail.get("current") != detail.get("total") and now - self._last.get(key, 0.0) < _INTERVAL:
                    return
                self._last[key] = now
                message = {**message, "progress": bar(detail.get("current", 0), detail.get("total", 0))}
            self._sink(message)

    def status(self, text: str, id: str = "") -> None:
        message: ProgressMessage = {"status": text}
        if id:
            message["id"] = id
        self(message)

    def counter(self, text: str, id: str, current: int, total: int) -> None:
        self({"status": text, "id": id, "progressDetail": {"current": current, "total": total}})


def bar(current: int, total: int) -> str:
    """The text form of a counter, as older clients print it: ``[=====>     ]  1.2MB/3.4MB``."""
    if total <= 0:
        return sizes.decimal(current)
    filled = min(50, current * 50 // total)
    arrow = "=" * filled + (">" if filled < 50 else "")
    return f"[{arrow:<50}]  {sizes.decimal(current):>8}/{sizes.decimal(total)}"
