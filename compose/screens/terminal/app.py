"""The terminal view: a list of projects and services, and below it what belongs to the line under the cursor."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App, SuspendNotSupported
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.geometry import Size
from textual.widgets import DataTable, Footer, Input, RichLog, Static, TabbedContent, TabPane

from ...app.report import container_lines
from ...client import NotFound
from ...errors import ComposeError
from ..loglines import SEARCH_LIMIT, Filter, level, make_filter, plain
from ..logreader import Reader, Tail
from ..store import derive, read
from . import levels, menu, plots, rows
from .dialogs import Ask, Confirm, Context, Menu, Output, Wish
from .files import Files

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from ...client.bodies.stats import Hour
    from ..store.state import Container, State

PACE = 0.1
"""Seconds between two looks at the store and the logs: what changes faster is drawn once."""

OTHERS = 46
"""Columns that a name leaves to state, use and ports at least."""

MISSED = 5
"""So many looks that find another size than is drawn mean that the signal of it was missed."""

KEPT = 5000
"""Log lines that can be scrolled back to."""

SHELL = ("sh", "-c", "if command -v bash >/dev/null; then exec bash; fi; exec sh")
"""What a terminal in a container begins with: bash where it is there."""

_STYLES = {"error": "red", "warning": "yellow", "debug": "dim"}


class View(App[None]):
    """The whole view. What is drawn is what the store has when there is time to draw."""

    TITLE = "pycompose"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #trouble { color: $error; height: auto; }
    #list { height: 1fr; min-height: 6; }
    TabbedContent { height: 1fr; }
    #search { display: none; height: 3; }
    #search.shown { display: block; }
    """
    BINDINGS: ClassVar = [
        Binding("u", "act('up')", "up"),
        Binding("s", "act('stop')", "stop"),
        Binding("t", "act('start')", "start", show=False),  # the menu names it: a line of 80 columns is full
        Binding("r", "act('restart')", "restart"),
        Binding("b", "act('rebuild')", "build"),
        Binding("d", "act('down')", "down"),
        Binding("p", "plan", "plan"),
        Binding("x", "shell", "exec"),
        Binding("f", "files", "files"),
        Binding("m", "menu", "more"),
        Binding("slash", "search", "find"),
        *(
            Binding(str(number), f"tab('{name}')", show=False)
            for number, name in enumerate(("logs", "report", "events", "timeline", "use", "graph", "kept"), 1)
        ),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.shared = context
        self._version, self._wide, self._unlike = -1, 0, 0
        self._widths: list[int] = []
        self._rows: dict[str, rows.Row] = {}
        self._drawn: dict[str, tuple[Text, ...]] = {}
        self._chosen = f"{context.project}/" if context.project else ""
        self._tail: Tail | None = None
        self._readers: list[Reader] = []
        self._sources: list[str] = []
        self._reported: tuple[str, ...] = ()
        self._wanted = Filter()
        # Held by name: a query looks at the screen on top, which may be a plan that waits for an answer.
        self.trouble = Static("", id="trouble")
        self.list: DataTable[Text] = DataTable(id="list", cursor_type="row")
        self.lines = RichLog(max_lines=KEPT, markup=False, highlight=False, wrap=False, auto_scroll=True)
        self.report, self.events, self.timeline = (Static("", markup=False) for _ in range(3))
        self.use, self.graph, self.kept = (Static("", markup=False) for _ in range(3))
        self.tabs = TabbedContent(initial="logs")
        self._hours: dict[str, Hour] = {}
        self.search = Input(placeholder="search in logs, Enter to apply, empty for all", id="search")

    def compose(self) -> ComposeResult:
        yield self.trouble
        yield self.list
        with self.tabs:
            with TabPane("1 logs", id="logs"):
                yield self.lines
            with TabPane("2 report", id="report"), VerticalScroll():
                yield self.report
            with TabPane("3 events", id="events"), VerticalScroll():
                yield self.events
            with TabPane("4 start", id="timeline"), VerticalScroll():
                yield self.timeline
            with TabPane("5 use", id="use"), VerticalScroll():
                yield self.use
            with TabPane("6 graph", id="graph"), VerticalScroll():
                yield self.graph
            with TabPane("7 kept", id="kept"), VerticalScroll():
                yield self.kept
        yield self.search
        yield Footer(compact=True)

    def on_mount(self) -> None:
        for label in ("", "service", "state", "use", "ports"):
            self.list.add_column(label, key=label)
        self.list.focus()
        self.set_interval(PACE, self._look)

    def on_unmount(self) -> None:
        self._stop_reading()

    def _measure(self) -> None:
        """The signal for a new size is missed when it comes while the view starts or is busy; that it stays another one tells."""
        if self.is_headless:
            return
        size = Size(*shutil.get_terminal_size())
        if size == self.screen.size:
            self._unlike = 0
        elif (unlike := self._unlike + 1) < MISSED:
            self._unlike = unlike
        else:
            self._unlike = 0
            resized = Resize(size, size)
            self.post_message(resized)
            self.screen.post_message(resized)

    def _look(self) -> None:
        self._measure()
        version, state = self.shared.store.latest
        if (version, self.size.width) != (self._version, self._wide):
            self._version, self._wide = version, self.size.width
            self._draw_rows(state)
        # Columns get their widths once the table is idle; lines that were drawn before that would stay as they are.
        widths = [one.get_render_width(self.list) for one in self.list.ordered_columns]
        if widths != self._widths:
            self._widths = widths
            self.list.refresh()
        self._write_logs()

    def _draw_rows(self, state: State) -> None:
        trouble = "" if state.connected else f"The engine is away: {state.trouble}" if state.trouble else "Connecting…"
        self.trouble.update(Text(trouble))
        found = {one.key: one for one in rows.rows(state)}
        table, drawn = self.list, {key: self._cells(one) for key, one in found.items()}
        if list(found) != list(self._rows):
            self._rows = found
            table.clear()
            for key, cells in drawn.items():
                table.add_row(*cells, key=key)
            if self._chosen in found:
                table.move_cursor(row=list(found).index(self._chosen))
        else:
            self._rows = found
            for key, cells in drawn.items():
                for column, before, after in zip(table.columns, self._drawn[key], cells, strict=True):
                    if before != after:
                        table.update_cell(key, column, after, update_width=True)
        self._drawn = drawn
        self._details(state)

    def _cells(self, one: rows.Row) -> tuple[Text, ...]:
        style = rows.colour(one.condition)
        shown = rows.fitting(one.name, self.size.width - OTHERS)
        name = Text(shown, style="bold") if not one.service else Text(f"  {shown}")
        return (
            Text(rows.mark(one.condition), style=style),
            name,
            Text(one.state, style=style),
            Text(one.use),
            Text(one.ports),
        )

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        key = event.row_key.value if event.row_key is not None else None
        if key is not None and key != self._chosen:
            self._chosen = key
        self._details(self.shared.store.latest[1])

    def _details(self, state: State) -> None:
        project, _, service = self._chosen.partition("/")
        self.events.update("\n".join(rows.events(state, project)) or "No events yet.")
        self.timeline.update("\n".join(rows.start(state, project)))
        sources = rows.containers(state, project, service)
        if sources != self._sources:
            self._sources = sources
            self._read()
            self.run_worker(lambda: self._remember(sources), thread=True, exclusive=True, group="hours")
        if self.tabs.active == "use":
            self.use.update("\n".join(plots.plots(self._with_hours(state), sources, self.size.width - 4)))
        elif self.tabs.active == "graph":
            own = [one for one in state.containers.values() if one.project == project]
            self.graph.update("\n".join(levels.graph(derive.project(project, own))))
        elif self.tabs.active == "kept":
            self.kept.update("\n".join(menu.kept(state, project)))
        told = tuple(f"{one} {state.containers[one].state} {state.containers[one].health}" for one in sources)
        if told != self._reported:
            self._reported = told
            self.run_worker(lambda: self._report(sources), thread=True, exclusive=True, group="report")

    def _report(self, sources: list[str]) -> None:
        lines: list[str] = []
        for identity in sources[:20]:
            one = self.shared.store.latest[1].containers.get(identity)
            try:
                told = [plain(line) for line in container_lines(self.shared.engine, identity)]
            except ComposeError as error:
                told = [f"  {error}"]
            lines += [f"{one.name if one is not None else identity[:12]}", *told, ""]
        text = "\n".join(lines) or "There is no container."
        self.call_from_thread(self.report.update, text)

    def _remember(self, sources: list[str]) -> None:
        """In a thread: what the engine has kept of the last hour, so that a plot does not begin with this view."""
        if not self.shared.engine.is_pycompose:
            return
        for identity in sources[:50]:
            try:
                hour = self.shared.engine.containers.hour(identity)
            except NotFound:
                continue
            except ComposeError:
                return
            self._hours = {**self._hours, identity: hour}

    def _with_hours(self, state: State) -> State:
        usage = {**state.usage}
        for identity, hour in self._hours.items():
            usage[identity] = tuple(read.history(hour, state.usage.get(identity, ())))
        return replace(state, usage=usage)

    # logs

    def _read(self) -> None:
        self._stop_reading()
        self.lines.clear()
        self._tail = Tail(keep_all=not self._wanted.is_all)
        query = {
            "stdout": 1,
            "stderr": 1,
            "timestamps": 1,
            "follow": 1,
            "tail": "200" if self._wanted.is_all else "all",
        }
        self._readers = [Reader(self.shared.engine, one, query, self._tail, self._wanted) for one in self._sources[:50]]

    def _stop_reading(self) -> None:
        if self._tail is not None:
            self._tail.close()
        for one in self._readers:
            one.close()

    def _write_logs(self) -> None:
        if self._tail is None:
            return
        lines, skipped, _ = self._tail.take()
        if skipped:
            self.lines.write(Text(f"… {skipped} lines were faster than anybody reads", style="dim"))
        for one in sorted(lines, key=lambda line: line.at):
            own = self._chosen.partition("/")[0]
            prefix = f"{one.source.removeprefix(f'{own}-')} " if len(self._sources) > 1 else ""
            self.lines.write(Text(f"{prefix}{one.text}", style=_STYLES.get(level(one.text), "")))

    # keys

    def action_tab(self, name: str) -> None:
        self.tabs.active = name

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        self._details(self.shared.store.latest[1])

    def action_search(self) -> None:
        self.search.add_class("shown")
        self.search.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._wanted = make_filter(event.value[:SEARCH_LIMIT], "", regex=False)
        event.input.remove_class("shown")
        self.list.focus()
        self._read()

    def _under_cursor(self) -> tuple[str, str]:
        """Project and service; "" for none. The cursor itself: the message that it has moved may still be on its way."""
        keys = list(self._rows)
        chosen = keys[self.list.cursor_row] if 0 <= self.list.cursor_row < len(keys) else self._chosen
        project, _, service = chosen.partition("/")
        return project, service

    def _container(self) -> Container | None:
        """The first container of the service under the cursor; says what is missing."""
        project, service = self._under_cursor()
        if not service:
            self.notify("Choose a service first.", severity="warning")
            return None
        state = self.shared.store.latest[1]
        found = [state.containers[one] for one in rows.containers(state, project, service)]
        if not found:
            self.notify(f"{service} has no container.", severity="warning")
        return min(found, key=lambda one: (not one.running, one.number), default=None)

    def action_plan(self) -> None:
        project, service = self._under_cursor()
        if project:
            wish = Wish("up", project, service)
            self.push_screen(Output(self.shared, wish, f"plan of {service or project}", preview=True))

    def action_menu(self) -> None:
        project, service = self._under_cursor()
        offered = menu.choices(self.shared.store.latest[1], project, service)

        def chosen(one: menu.Choice | None) -> None:
            if one is None:
                return
            wish = Wish(one.action, project, service, one.value)
            if one.asks:
                self.push_screen(Ask(one.asks[0]), lambda said: self._asked(wish, said))
            else:
                self._confirm(wish)

        self.push_screen(Menu(service or project or "engine", offered), chosen)

    def _asked(self, wish: Wish, said: str | None) -> None:
        if said:
            self._confirm(wish._replace(to=said) if wish.value else wish._replace(value=said))

    def action_files(self) -> None:
        one = self._container()
        if one is not None:
            self.push_screen(Files(self.shared.engine, one.id, one.name))

    def action_shell(self) -> None:
        one = self._container()
        target = self.shared.target(one.project) if one is not None else None
        if one is None or target is None:
            return
        if not one.running:
            self.notify(f"{one.name} does not run: it has no terminal.", severity="warning")
            return
        words = [*target.options, "exec", "--index", str(one.number), one.service, *SHELL]
        try:
            with self.suspend():
                code = self.shared.runner.foreground(words)
        except SuspendNotSupported:
            self.notify("There is no terminal here that could be lent.", severity="error")
            return
        if code in (126, 127):
            self.notify(f"{one.name} has no shell: pycompose debug {one.service} brings one.", severity="error")

    def action_act(self, name: str) -> None:
        project, service = self._under_cursor()
        if project:
            self._confirm(Wish(name, project, service))

    def _confirm(self, wish: Wish) -> None:
        """The plan first, then, after a yes, the thing itself."""

        def answered(yes: bool | None) -> None:
            if yes:
                self.push_screen(Output(self.shared, wish))

        self.push_screen(Confirm(self.shared, wish), answered)
