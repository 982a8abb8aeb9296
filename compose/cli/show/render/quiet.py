"""Nothing but warnings and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....run.events import WARNING, BuildStep, Output
from .plain import line

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from ....run.events import Event


class QuietRenderer:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __enter__(self) -> QuietRenderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def handle(self, event: Event) -> None:
        if not isinstance(event, Output | BuildStep) and event.state == WARNING:
            self._out.write(f"{line(event)}\n")
