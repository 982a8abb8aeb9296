"""A live view of a build. The block is redrawn in place by a timer, under one lock. When it is higher than the terminal its oldest
lines are left out; the whole list is drawn once at the end."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

from .steps import StepBlock
from .view import BuildView

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from ....client.bodies.builds import Event

_TICK = 0.1


class TtyView(BuildView):
    def __init__(self, out: TextIO, *, color: bool) -> None:
        super().__init__(out)
        self._steps = StepBlock(color=color)
        self._begin = time.monotonic()
        self._drawn = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._timer = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> TtyView:
        self.write("\x1b[?25l")
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._timer.join()
        self._steps.end(time.monotonic())
        self._steps.notices.clear()  # they follow below
        self._draw(" FINISHED" if kind is None else " FAILED", final=True)
        self.write("\x1b[?25h")
        self.warnings()
        if self._steps.failed is not None:
            self.tail(self._steps.failed, self._steps.failed_title)

    def handle(self, event: Event) -> None:
        with self._lock:
            if event["event"] == "Notice":
                self.warn(event)
            self._steps.handle(event, time.monotonic())

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            self._draw("", final=False)

    def _draw(self, state: str, *, final: bool) -> None:
        with self._lock:
            columns, height = shutil.get_terminal_size()
            now = time.monotonic()
            steps = self._steps
            lines = [f"[+] Building {now - self._begin:.1f}s ({steps.done}/{steps.total}){state}"]
            lines += steps.lines(now, columns, final=final)
            if not final and len(lines) > height - 1:
                lines = [lines[0], *lines[-(height - 2) :]]
            back = f"\x1b[{self._drawn}A\r" if self._drawn else ""
            self.write(f"{back}\x1b[J" + "".join(f"{line}\n" for line in lines))
            self._drawn = len(lines)
