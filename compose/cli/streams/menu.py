"""The keys of an attached `up --menu`: v opens the terminal view, w turns watching on and off, d leaves the containers running.
Needs a terminal.

Only keys are read here; Ctrl-C stays a signal.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from typing import TYPE_CHECKING, Protocol

from ...app.session import is_set
from ...errors import ComposeError

if TYPE_CHECKING:
    from argparse import Namespace
    from contextlib import AbstractContextManager
    from types import TracebackType

    from ..session import Session
    from .watching import Watcher


def wants_menu(args: Namespace) -> bool:
    """``--menu``, else COMPOSE_MENU; never without a terminal or with plain progress."""
    wanted = is_set(os.environ.get("COMPOSE_MENU")) if args.menu is None else args.menu
    return bool(wanted) and sys.stdin.isatty() and sys.stderr.isatty() and args.progress in (None, "auto", "tty")


class Attached(Protocol):
    """What `up` is doing meanwhile."""

    def detach(self) -> None: ...

    def watch(self, on: bool) -> None: ...

    def held(self) -> AbstractContextManager[None]:
        """Nothing is printed in it; what comes meanwhile is printed behind it."""


class Menu:
    """A context manager. ``attached`` is told, from another thread, what the user asks for; ``watcher`` is one that
    watches already."""

    def __init__(self, session: Session, args: Namespace, attached: Attached, watcher: Watcher | None) -> None:
        self._session = session
        self._args = args
        self._attached = attached
        self._watcher = watcher
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Menu:
        self._keyboard = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._keyboard)
        self._ended, self._end = os.pipe()
        tty.setcbreak(self._keyboard)
        self._show()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._end)
        self._thread.join()
        os.close(self._ended)
        termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._before)
        if self._watcher is not None:
            self._watcher.close()

    def _show(self) -> None:
        state = "Enable" if self._watcher is None else "Disable"
        print(
            f"\033[1mv\033[0m View   \033[1mw\033[0m {state} Watch   \033[1md\033[0m Detach",
            file=sys.stderr,
            flush=True,
        )

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._keyboard, self._ended], [], [])
            if self._ended in ready:
                return
            key = os.read(self._keyboard, 1)
            if key in (b"d", b""):
                self._attached.detach()
                return
            if key == b"w":
                self._toggle()
                self._show()
            elif key == b"v":
                self._view()
                self._show()
            elif key in (b"\n", b"\r"):
                print(file=sys.stderr)
                self._show()

    def _view(self) -> None:
        from .viewing import open_view

        termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._before)
        try:
            with self._attached.held():
                open_view(self._session, self._args)
        finally:
            tty.setcbreak(self._keyboard)

    def _toggle(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
            self._attached.watch(False)
            return
        from .watching import Watcher

        try:
            self._watcher = Watcher(self._session, self._args)
        except ComposeError as error:
            print(f"Watch: {error}", file=sys.stderr)
            return
        self._watcher.start()
        self._attached.watch(True)
