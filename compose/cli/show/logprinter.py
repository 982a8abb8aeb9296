"""Printing the output of several containers at once: a stable prefix and colour per container, whole lines only."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

_COLORS = ("36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1")


class LogPrinter:
    """Thread-safe. ``register`` names in the order that shall decide their colours."""

    def __init__(self, *, color: bool, prefix: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._color = color
        self._prefix = prefix
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._width = 0

    def register(self, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                if name not in self._names:
                    self._names[name] = _COLORS[len(self._names) % len(_COLORS)]
                    self._width = max(self._width, len(name))

    def line(self, name: str, text: str, *, error: bool = False) -> None:
        """One line of a container's output, without its end."""
        self.lines(name, (text,), error=error)

    def lines(self, name: str, texts: Iterable[str], *, error: bool = False) -> None:
        """Lines of a container's output that have come together, without their ends; in one piece, for a write of its own for each
        is most of what a long log takes."""
        with self._lock:
            label = self._label(name)
            self._write(self._err if error else self._out, "".join([f"{label}{text}\n" for text in texts]))

    def message(self, name: str, text: str) -> None:
        """A remark about a container, such as its exit."""
        with self._lock:
            self._write(self._out, f"{self._paint(f'{name} {text}', self._names.get(name, '0'))}\n")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Somebody else has the terminal: what is to be printed waits, and what writes it with it."""
        with self._lock:
            yield

    def _label(self, name: str) -> str:
        if not self._prefix:
            return ""
        return self._paint(f"{name:<{self._width}}  | ", self._names.get(name, "0"))

    def _paint(self, text: str, color: str) -> str:
        return f"\033[{color}m{text}\033[0m" if self._color else text

    @staticmethod
    def _write(out: TextIO, text: str) -> None:
        out.write(text)
        out.flush()


def want_color(no_color: bool, ansi: str | None) -> bool:
    """Colours are for terminals, unless ``--ansi`` says otherwise."""
    ansi = ansi or os.environ.get("COMPOSE_ANSI") or "auto"
    if no_color or ansi == "never" or "NO_COLOR" in os.environ:
        return False
    return ansi == "always" or sys.stdout.isatty()
