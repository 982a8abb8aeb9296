"""What stands over the view for a while: the list of actions, a question for a value, the plan of an action, its output."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from ...errors import ComposeError
from .. import commands
from ..loglines import plain
from ..profiles import with_profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from ...client import Engine
    from ..runner import Runner
    from ..store.feed import Store
    from .menu import Choice


@dataclass(frozen=True, slots=True)
class Context:
    """``target`` gives what a project's commands need, None for one that is not known."""

    engine: Engine
    store: Store
    runner: Runner
    target: Callable[[str], commands.Target | None]
    project: str = ""
    """The project that the cursor is on at first."""


class Wish(NamedTuple):
    """An action with all that it needs, as `commands.command` takes it."""

    name: str
    project: str
    service: str = ""
    value: str = ""
    to: str = ""

    @property
    def title(self) -> str:
        about = self.service if self.service and commands.ACTIONS[self.name].of_service else self.project
        if commands.ACTIONS[self.name].of_engine:
            about = ""
        return " ".join(filter(None, (self.name, about, self.value, self.to)))


_FRAME = """
    NAME { align: center middle; }
    NAME VerticalScroll { width: 90%; height: 80%; border: solid $accent; padding: 0 1; background: $surface; }
    """


class Confirm(ModalScreen[bool]):
    """The plan of an action, and whether to carry it out."""

    BINDINGS: ClassVar = [
        Binding("y", "answer(True)", "Do it"),
        Binding("n,escape,q", "answer(False)", "Leave it"),
    ]
    CSS = _FRAME.replace("NAME", "Confirm")

    def __init__(self, context: Context, wish: Wish) -> None:
        super().__init__()
        self.shared, self.wish = context, wish

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(Text(f"{self.wish.title}\n", style="bold"))
            yield Static(Text("Asking what would be done…"), id="plan")
            yield Static(Text("\n[y] do it   [n] leave it"), id="keys")

    def on_mount(self) -> None:
        self.run_worker(_show(self.shared, self.wish, self.query_one("#plan", Static), preview=True))

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


async def _show(context: Context, wish: Wish, place: Static, *, preview: bool) -> None:
    try:
        target = context.target(wish.project)
        if target is not None:
            target = await asyncio.to_thread(with_profiles, context.runner, target, context.store.latest[1])
        words = commands.command(wish.name, target, wish.service, wish.value, wish.to, preview=preview)
    except ComposeError as error:
        place.update(Text(str(error)))
        return
    output = ""
    async for part in context.runner.run(words):
        output = (output + part.decode("utf-8", "replace"))[-20_000:]
        place.update(Text(plain_lines(output)))


def plain_lines(text: str) -> str:
    return "\n".join(plain(line) for line in text.splitlines())


class Output(ModalScreen[None]):
    """An action under way: its output as it comes."""

    BINDINGS: ClassVar = [Binding("escape,q,enter", "app.pop_screen", "Close")]
    CSS = _FRAME.replace("NAME", "Output")

    def __init__(self, context: Context, wish: Wish, title: str = "", *, preview: bool = False) -> None:
        super().__init__()
        self.shared, self.wish, self.heading, self.preview = context, wish, title or wish.title, preview

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(Text(f"{self.heading}\n", style="bold"))
            yield Static(Text("Running…"), id="output")
            yield Static(Text("\n[escape] close" + ("" if self.preview else "; it goes on")), id="keys")

    def on_mount(self) -> None:
        work = _show(self.shared, self.wish, self.query_one("#output", Static), preview=self.preview)
        # An action is the view's and not this screen's: closed at once, it begins all the same.
        (self if self.preview else self.app).run_worker(work)


class Menu(ModalScreen["Choice | None"]):
    """Everything that can be done with what is under the cursor."""

    BINDINGS: ClassVar = [Binding("escape,q", "dismiss(None)", "Close")]
    CSS = """
    Menu { align: center middle; }
    Menu OptionList { width: 60; max-width: 90%; max-height: 80%; border: solid $accent; background: $surface; }
    """

    def __init__(self, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self.heading, self.choices = title, choices

    def compose(self) -> ComposeResult:
        listed = OptionList(*(Option(Text(one.label)) for one in self.choices))
        listed.border_title = Text(f"{self.heading}: [enter] choose, [escape] close").markup
        yield listed

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.choices[event.option_index])


class Ask(ModalScreen[str]):
    """One line of text; "" when there was no answer."""

    BINDINGS: ClassVar = [Binding("escape", "dismiss('')", "Close")]
    CSS = """
    Ask { align: center middle; }
    Ask VerticalScroll { width: 70; max-width: 90%; height: 7; border: solid $accent; padding: 0 1; background: $surface; }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(Text(self.question))
            yield Input(max_length=commands.VALUE_LIMIT)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip())
