"""One line per change, for pipes and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....run.events import ERROR, BuildStep, Output, Progress
from .. import legible

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from ....run.events import Event
    from ..building.plain import PlainView
    from ..building.services import Scopes


class PlainRenderer:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: dict[tuple[str, str], str] = {}
        self._partial: dict[str, str] = {}
        self._builds: PlainView | None = None
        self._scopes: Scopes

    def __enter__(self) -> PlainRenderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for text in self._partial.values():
            self._print(f"{text}\n")
        self._partial.clear()
        if self._builds is not None:
            self._builds.__exit__(kind, error, traceback)

    def handle(self, event: Event) -> None:
        if isinstance(event, Output):
            self._output(event)
            return
        if isinstance(event, BuildStep):
            self._build(event)
            return
        key = (event.parent, event.id)
        if self._last.get(key) == event.status:
            return
        self._last[key] = event.status
        self._print(f"{line(event)}\n")

    def _build(self, event: BuildStep) -> None:
        """All services' builds in one sequence of numbered steps."""
        if self._builds is None:
            from ..building.plain import PlainView
            from ..building.services import Scopes

            self._builds, self._scopes = PlainView(self._out), Scopes()
        self._builds.handle(self._scopes.scoped(event.id, event.body))

    def _output(self, event: Output) -> None:
        *lines, rest = (self._partial.get(event.id, "") + event.text).split("\n")
        self._partial[event.id] = rest
        if not rest:
            del self._partial[event.id]
        for one in lines:
            self._print(f"{one.rstrip(chr(13))}\n")

    def _print(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def line(event: Progress) -> str:
    """What went wrong is not told here: it is reported with its place when all is over."""
    words = f" {event.parent} {event.id} {event.status}" if event.parent else f" {event.id}  {event.status}"
    return legible.cell(f"{words} {event.detail}" if event.detail and event.state != ERROR else words)
