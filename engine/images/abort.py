"""An event that also does something when it is set: how a pull whose client has left ends at once, wherever it waits."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Abort(threading.Event):
    """``set`` may be called from any thread, the loop's too: actions must not block."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._actions: dict[int, Callable[[], None]] = {}
        self._next = 0

    def set(self) -> None:
        with self._guard:
            super().set()
            actions, self._actions = self._actions, {}
        for action in actions.values():
            action()

    @contextmanager
    def then(self, action: Callable[[], None]) -> Iterator[None]:
        """``action`` is done when the event is set within; at once when it is set already."""
        with self._guard:
            number, self._next = self._next, self._next + 1
            late = self.is_set()
            if not late:
                self._actions[number] = action
        if late:
            action()
        try:
            yield
        finally:
            with self._guard:
                self._actions.pop(number, None)
