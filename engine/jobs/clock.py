"""The clock that schedules go by; tests have another one."""

from __future__ import annotations

import os
import time
from typing import Protocol

import anyio

from ..linux import wallclock


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""

    async def until(self, moment: float | None) -> None:
        """Wait for a moment, for ever without one; also returns when the clock has been set."""


class WallClock:
    def now(self) -> float:
        return time.time()

    async def until(self, moment: float | None) -> None:
        if moment is None:
            await anyio.sleep_forever()
            return
        timer = wallclock.create()
        try:
            wallclock.arm(timer, moment)
            await anyio.wait_readable(timer)
            wallclock.forget(timer)
        finally:
            os.close(timer)
