"""The terminal view, driven by Textual's pilot over a scripted engine: keys, what is drawn, and what is not interpreted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.listings import event, row
from support.scripted_engine import Exchange, ScriptedEngine

from pycompose.compose.screens import commands
from pycompose.compose.screens.runner import Runner
from pycompose.compose.screens.store import fold
from pycompose.compose.screens.store.feed import Store
from pycompose.compose.screens.store.state import State
from pycompose.compose.screens.terminal.app import Confirm, Context, View
from pycompose.compose.screens.terminal.rows import events, rows, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.pilot import Pilot


def _answer(one: Exchange) -> None:
    if one.path.endswith("/logs"):
        line = b"2024-01-01T00:00:00Z [bold]not bold[/bold] \x1b[31mERROR\x1b[0m\n"
        one.chunked([b"\x01\0\0\0" + len(line).to_bytes(4, "big") + line])
    elif one.path.endswith("/json"):
        state = {"Status": "exited", "ExitCode": 3}
        one.json({"Id": "x", "Name": "/demo-db-1", "State": state, "Config": {"Tty": False}})
    else:
        one.empty(404)


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_keys_and_words(tmp_path: Path, size: tuple[int, int]) -> None:
    store = Store()
    store.apply(lambda state: fold.listed(state, [row("db"), row("web", needs="db:service_started:false")]))
    with ScriptedEngine(tmp_path, _answer) as engine:
        client = engine.client()
        target = commands.Target("demo")
        view = View(Context(client, store, Runner(("-H", f"unix://{engine.path}")), lambda _: target, "demo"))

        async def drive() -> None:
            async with view.run_test(size=size) as pilot:
                await pilot.pause(0.3)
                assert [key for key in view._rows] == ["demo/", "demo/db", "demo/web"]
                await _until(pilot, lambda: any("[bold]not bold" in str(line.text) for line in view.lines.lines))
                assert not any("\x1b" in str(line.text) for line in view.lines.lines)
                store.apply(lambda state: fold.happened(state, event("db", "die", 5, exitCode="3")))
                await _until(pilot, lambda: "look first at db" in view._rows["demo/"].state)
                await pilot.press("down", "2")
                await _until(pilot, lambda: "ended with exit code 3" in str(view.report.content))
                await pilot.press("s")
                await _until(pilot, lambda: isinstance(view.screen, Confirm))
                await pilot.press("n")
                await _until(pilot, lambda: not isinstance(view.screen, Confirm))
                await pilot.press("slash", *"ERROR", "enter")
                assert view._wanted.pattern is not None
                store.apply(lambda state: fold.lost(state, "it is gone"))
                await _until(pilot, lambda: "The engine is away: it is gone" in str(view.trouble.content))

        asyncio.run(drive())


async def _until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():
            await pilot.pause(0.02)


def test_rows_need_no_colours() -> None:
    state = fold.listed(State(), [row("db", status="Up 1 second (healthy)"), row("job", "exited", "Exited (3) now")])
    from pycompose.compose.screens.terminal.rows import mark

    assert [(mark(one.condition), one.name, one.state) for one in rows(state)] == [
        ("✗", "demo", "1 of 2 run, look first at job"),
        ("●", "db", "healthy"),
        ("✗", "job", "exited, exit code 3"),
    ]
    state = fold.happened(state, event("db", "create", 1))
    state = fold.happened(state, event("db", "start", 2))
    state = fold.happened(state, event("db", "health_status: healthy", 3))
    assert events(state, "demo")[0].endswith("demo-db-1 is healthy")
    first, *_, legend = start(state, "demo")
    assert first.startswith("* db") and first.endswith("2.0 s") and "█" in first and "─" in first and "*" in legend
