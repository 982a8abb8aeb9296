"""The lines of a stack's containers as they are written, for programs: an iteration that ends with the containers, or when
whoever iterates has had enough."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from ..client.containers import LogWindow
from ..dataclass import dataclass
from ..errors import ComposeError
from .following import Following

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from .session import Session


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a container has written, without its end; ``is_error``: to its standard error."""

    container: str
    service: str
    text: str
    is_error: bool


class _Lines:
    """The lines of one feed, in the order in which they came: a Sink. None stands for the end."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[LogLine | ComposeError | None] = queue.SimpleQueue()
        self.service_of: Mapping[str, str] = {}

    def register(self, names: Iterable[str]) -> None:
        """A line says whose it is."""

    def lines(self, name: str, texts: Iterable[str], *, error: bool = False) -> None:
        for text in texts:
            self.queue.put(LogLine(name, self.service_of.get(name, ""), text, error))

    def message(self, name: str, text: str) -> None:
        """Not a container's own words."""


class LogFeed:
    """Iterate for lines. It ends when every container has ended and none is to start again; `close` ends it from any thread.

    ``with`` closes it. Raises `NoSuchService` for a name that is no service, and in the iteration what kept it from going on.
    """

    def __init__(self, session: Session, services: Sequence[str], *, tail: int | None, since: str | None) -> None:
        from ..labels import SERVICE

        rows = session.containers(services)
        session.require_declared(services, [row["Labels"].get(SERVICE) for row in rows])
        lines = _Lines()
        self._queue = lines.queue
        self._is_closed = False
        wanted = LogWindow(follow=True, since=since, tail=None if tail is None else str(tail))
        self._following = Following(session, services, rows, lines, wanted, str)
        lines.service_of = self._following.service_of
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._following.run()
        except ComposeError as error:
            self._queue.put(error)
        finally:
            self._queue.put(None)

    def __iter__(self) -> LogFeed:
        return self

    def __next__(self) -> LogLine:
        line = None if self._is_closed else self._queue.get()
        if isinstance(line, LogLine):
            return line
        self._queue.put(None)  # for whoever asks again
        if line is not None and not self._is_closed:
            raise line
        raise StopIteration

    def next_or_none(self) -> LogLine | None:
        """The next line; None at the end."""
        return next(self, None)

    def __enter__(self) -> LogFeed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """No more lines. Once more does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
            self._following.close()
