"""A container's files, by keyboard: a directory as a list, a file as text."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Static

from ...errors import ComposeError
from .. import containerfiles
from ..loglines import plain
from .plots import size

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ...client import Engine

_MARKS = {"directory": "/", "link": "@"}


class Files(ModalScreen[None]):
    """Enter goes into a directory or shows a file, Backspace leads up, Escape closes."""

    BINDINGS: ClassVar = [
        Binding("escape,q", "close", "Close"),
        Binding("backspace,left", "up", "Up"),
    ]
    CSS = """
    Files { align: center middle; }
    Files > VerticalScroll { width: 90%; height: 90%; border: solid $accent; padding: 0 1; background: $surface; }
    Files DataTable { height: auto; }
    """

    def __init__(self, engine: Engine, identity: str, name: str) -> None:
        super().__init__()
        self._engine, self._identity, self._container = engine, identity, name
        self.path = "/"
        self._file = False
        self._entries: tuple[containerfiles.Entry, ...] = ()
        self.heading, self.words = Static("", markup=False), Static("", markup=False)
        self.table: DataTable[Text] = DataTable(cursor_type="row", show_header=False)
        self._frame = VerticalScroll(self.heading, self.table, self.words)

    def compose(self) -> ComposeResult:
        yield self._frame

    def on_mount(self) -> None:
        self.table.add_columns("name", "size")
        self.table.focus()
        self._open("/", is_file=False)

    def _open(self, path: str, *, is_file: bool) -> None:
        self.heading.update(f"{self._container}:{plain(path)}   Asking…")
        self.run_worker(lambda: self._ask(path, is_file), thread=True, exclusive=True)

    def _ask(self, path: str, is_file: bool) -> None:
        """In a thread: a large directory takes its time."""
        try:
            if is_file:
                found = containerfiles.beginning(self._engine, self._identity, path)
                text = "This is no text." if found.binary else found.text
                more = "" if found.whole else ", its beginning"
                self.app.call_from_thread(self._show_file, path, f"{size(found.size)}{more}", text)
            else:
                listing = containerfiles.directory(self._engine, self._identity, path)
                self.app.call_from_thread(self._show_listing, path, listing)
        except ComposeError as error:
            self.app.call_from_thread(self.heading.update, str(error))

    def _show_listing(self, path: str, listing: containerfiles.Listing) -> None:
        self.path, self._file, self._entries = path, False, listing.entries
        self.heading.update(f"{self._container}:{plain(path)}   [enter] open  [backspace] up  [escape] close")
        self.table.clear()
        for one in listing.entries:
            shown = "" if one.kind == "directory" else size(one.size)
            self.table.add_row(Text(plain(one.name) + _MARKS.get(one.kind, "")), Text(shown))
        said = "" if listing.entries else "There is nothing in it."
        self.words.update(said if listing.whole or path == "/" else "There is more than is looked at.")
        self.table.display = True
        self.table.focus()

    def _show_file(self, path: str, said: str, text: str) -> None:
        self.path, self._file = path, True
        self.heading.update(f"{self._container}:{plain(path)}   {said}   [backspace] back  [escape] close")
        self.words.update(text)
        self.table.display = False
        self._frame.focus()
        self._frame.scroll_home(animate=False)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if 0 <= event.cursor_row < len(self._entries):
            one = self._entries[event.cursor_row]
            self._open(posixpath.join(self.path, one.name), is_file=one.kind == "file")

    def action_up(self) -> None:
        if self.path != "/":
            self._open(posixpath.dirname(self.path), is_file=False)

    def action_close(self) -> None:
        self.app.pop_screen()
