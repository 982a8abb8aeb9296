"""The terminal view, driven by Textual's pilot over a scripted engine: keys, what is drawn, and what is not interpreted."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.listings import event, row
from support.scripted_engine import Exchange, ScriptedEngine
from textual.widgets import Footer

from pycompose.compose.screens import commands
from pycompose.compose.screens.runner import Runner
from pycompose.compose.screens.store import derive, fold, holdings
from pycompose.compose.screens.store.feed import Store
from pycompose.compose.screens.store.state import Facts, State, Usage
from pycompose.compose.screens.terminal import menu
from pycompose.compose.screens.terminal.app import View
from pycompose.compose.screens.terminal.dialogs import Ask, Confirm, Context, Menu, Output
from pycompose.compose.screens.terminal.files import Files
from pycompose.compose.screens.terminal.levels import graph
from pycompose.compose.screens.terminal.plots import curve, plots
from pycompose.compose.screens.terminal.plots import size as in_bytes
from pycompose.compose.screens.terminal.rows import events, rows, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.pilot import Pilot


def _answer(one: Exchange) -> None:
    if one.path.endswith("/logs"):
        line = b"2024-01-01T00:00:00Z [bold]not bold[/bold] \x1b[31mERROR\x1b[0m\n"
        one.chunked([b"\x01\0\0\0" + len(line).to_bytes(4, "big") + line])
    elif one.path.endswith("/archive"):
        _archive(one, parse_qs(urlsplit(one.target).query)["path"][0])
    elif one.path.endswith("/changes"):
        one.json([])
    elif one.path.endswith("/json"):
        state = {"Status": "exited", "ExitCode": 3}
        one.json({"Id": "x", "Name": "/demo-db-1", "State": state, "Config": {"Tty": False}})
    else:
        one.empty(404)


def _archive(one: Exchange, path: str) -> None:
    """``/etc`` with a directory and a file whose name and text look like markup."""
    if not path.startswith("/etc"):
        one.empty(404)
        return
    packed = io.BytesIO()
    text = b"one [red]line\x1b[2J\n"
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("etc", "etc/sub") if path == "/etc" else ():
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        member = tarfile.TarInfo("etc/[b]x" if path == "/etc" else "[b]x")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    stat = base64.b64encode(json.dumps({"name": "etc", "mode": 1 << 31, "size": 0}).encode()).decode()
    data = packed.getvalue()
    head = f"HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: {stat}\r\nContent-Length: {len(data)}\r\n\r\n"
    one.raw(head.encode() + (b"" if one.method == "HEAD" else data))


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


def _sample(at: float, **more: float) -> Usage:
    zero = Usage(at, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return zero._replace(**more)


def test_plots_are_characters() -> None:
    assert curve([0, 0.1, 50, 100, 400], 100, 6) == "  ▁▄██"
    assert curve([0, 0], 0, 2) == "  "
    state = fold.listed(State(), [row("db")])
    ring = tuple(
        _sample(at, processor=at * 25, memory=at * 2**20, limit=2**22, received=at * 2048, pids=3)
        for at in (1.0, 2.0, 3.0, 2.0)
    )
    lines = plots(replace(state, usage={"db" * 8: ring}), ["db" * 8, "gone"], 40)
    assert lines[0] == "demo-db-1" and max(map(len, lines)) <= 40
    assert lines[1].split() == ["processor", "▂▄▆▄", "50.0%"]
    assert lines[2].split() == ["memory", "▂▄▆▄", "2.0M/4.0M"]
    # A counter that has begun anew is no negative rate.
    assert lines[3].split() == ["network", "██", "0B/s"]
    assert plots(state, ["db" * 8], 40) == ["Nothing runs here that could be measured."]
    assert [in_bytes(one) for one in (0, 999, 1000, 20 * 2**20, 5 * 2**40)] == ["0B", "999B", "1.0K", "20M", "5.0T"]


def test_the_graph_as_text() -> None:
    listed = [
        row("db", "exited", "Exited (1) now"),
        row("web", needs="db:service_healthy:false,cache:service_started:false"),
        row("alone"),
    ]
    state = fold.listed(State(), listed)
    lines = graph(derive.project("demo", list(state.containers.values())))
    assert lines == [
        "level 1, waits for nothing",
        "  ● alone  running",
        "  · cache  not created",
        "! ✗ db  exited, exit code 1  ← look here first",
        "level 2",
        "! ● web  running",
        "      └ waits for db healthy",
        "      └ waits for cache started",
    ]


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_files_use_graph_and_a_plan_by_keyboard(tmp_path: Path, size: tuple[int, int]) -> None:
    store = Store()
    store.apply(lambda state: fold.listed(state, [row("db"), row("web", needs="db:service_started:false")]))
    with ScriptedEngine(tmp_path, _answer) as engine:
        runner = Runner(("-H", f"unix://{engine.path}"))
        view = View(Context(engine.client(), store, runner, lambda _: commands.Target("demo"), "demo"))

        async def drive() -> None:
            async with view.run_test(size=size) as pilot:
                await _until(pilot, lambda: len(view._rows) == 3)
                footer = view.screen.query_one(Footer)
                await _until(pilot, lambda: len(footer.query("FooterKey")) == 11)
                await pilot.pause()
                assert max(one.region.right for one in footer.query("FooterKey")) <= size[0]
                await pilot.press("6")
                await _until(pilot, lambda: "└ waits for db started" in str(view.graph.content))
                await pilot.press("5")
                await _until(pilot, lambda: "Nothing runs here" in str(view.use.content))
                identity = "db" * 8
                store.apply(lambda state: replace(state, usage={identity: (_sample(1, processor=50),)}))
                await _until(pilot, lambda: "50.0%" in str(view.use.content))
                # A project has neither files nor a terminal.
                await pilot.press("f")
                await _until(pilot, lambda: any("Choose a service" in one.message for one in view._notifications))
                await pilot.press("down", "x")
                await _until(pilot, lambda: any("no terminal here" in one.message for one in view._notifications))
                await pilot.press("f")
                await _until(pilot, lambda: isinstance(view.screen, Files) and view.screen.table.row_count > 0)
                files = view.screen
                assert isinstance(files, Files)
                await pilot.press("enter")
                await _until(pilot, lambda: files.path == "/etc" and files.table.row_count == 2)
                assert [str(files.table.get_row_at(index)[0]) for index in (0, 1)] == ["sub/", "[b]x"]
                await pilot.press("down", "enter")
                await _until(pilot, lambda: "one [red]line" in str(files.words.content))
                assert "\x1b" not in str(files.words.content) and not files.table.display
                await pilot.press("backspace")
                await _until(pilot, lambda: files.table.display and files.path == "/etc")
                await pilot.press("backspace")
                await _until(pilot, lambda: files.path == "/")
                await pilot.press("escape", "p")
                await _until(pilot, lambda: isinstance(view.screen, Output))
                await pilot.press("escape")
                await _until(pilot, lambda: not isinstance(view.screen, Output))

        asyncio.run(drive())


def _kept() -> State:
    tags = {"com.docker.compose.project": "demo", "com.docker.compose.service": "nightly"}
    run: Any = {"Iteration": 4, "State": "failed", "ExitCode": 3, "Error": "[red]no\x1b[2J"}
    job = holdings.job({"Name": "demo-nightly", "Labels": tags, "State": "idle", "Paused": False}, [run])
    saved = holdings.snapshot({"Group": "demo", "Name": "before", "Created": 10**18, "Volumes": ["data"]})
    held: Any = {
        "Id": "abcdefabcdef",
        "Owner": {"Kind": "ttl", "Text": "ttl:1h", "Expires": 2 * 10**18},
        "Labels": {"com.docker.compose.project": "demo"},
        "Created": 10**18,
        "State": "held",
    }
    built: Any = {
        "Id": "1",
        "Name": "demo-web",
        "Labels": tags,
        "State": "running",
        "Total": 3,
        "Steps": [
            {"Number": 1, "Text": "FROM box", "State": "done"},
            {"Number": 2, "Text": "RUN make", "State": "running", "Output": "one\ntwo\n"},
        ],
    }
    state = fold.listed(fold.greeted(State(), Facts(own=True)), [row("db"), row("web")])
    state = fold.leased(fold.saved(fold.scheduled(state, [job]), [saved]), [holdings.lease(held)])
    return fold.built(state, {"Revision": 1, "Ids": ["1"], "Builds": [built]})


def test_what_the_engine_keeps_is_text() -> None:
    text = "\n".join(menu.kept(_kept(), "demo"))
    for part in (
        "✗ run 4 failed, exit code 3: [red]no",
        "snapshot before",
        "lease abcdefab  ttl:1h until",
        "◌  RUN make",
    ):
        assert part in text
    assert "\x1b" not in text and text.endswith("        two")
    assert menu.kept(_kept(), "other")[0].startswith("The engine keeps no")
    labels = [one.label for one in menu.choices(_kept(), "demo", "web")]
    assert (
        labels[:2] == ["start web", "scale web …"]
        and "job trigger nightly" in labels
        and "snapshot push before …" in labels
    )
    # An engine of another kind has neither snapshots nor jobs.
    foreign = fold.listed(State(), [row("db")])
    assert [one.action for one in menu.choices(foreign, "demo", "db")] == ["start", "scale", "run", "prune"]
    # Every one of them is an action, and is complete with one answer for each question.
    for one in menu.choices(_kept(), "demo", "web"):
        values = [one.value, *("x" for _ in one.asks)] if one.value else ["x" for _ in one.asks]
        target = commands.Target("demo", "/src", ("/src/compose.yaml",))
        assert commands.command(one.action, target, "web", *values, preview=True)


def test_more_is_done_by_the_menu(tmp_path: Path) -> None:
    store = Store()
    store.apply(lambda _: _kept())
    with ScriptedEngine(tmp_path, _answer) as engine:
        target = commands.Target("demo", str(tmp_path), ("/nowhere/compose.yaml",))
        view = View(Context(engine.client(), store, Runner(("-H", f"unix://{engine.path}")), lambda _: target, "demo"))

        async def drive() -> None:
            async with view.run_test(size=(80, 24)) as pilot:
                await _until(pilot, lambda: len(view._rows) == 3)
                await pilot.press("down", "7")
                await _until(pilot, lambda: "run 4 failed" in str(view.kept.content))
                await pilot.press("m")
                await _until(pilot, lambda: isinstance(view.screen, Menu))
                await pilot.press("down", "enter")
                await _until(pilot, lambda: isinstance(view.screen, Ask))
                await pilot.press("3", "enter")
                await _until(pilot, lambda: isinstance(view.screen, Confirm))
                confirm = view.screen
                assert isinstance(confirm, Confirm)
                assert (confirm.wish.name, confirm.wish.service, confirm.wish.value) == ("scale", "db", "3")
                await pilot.press("n")
                # No answer to the question is a no to the action.
                await pilot.press("m")
                await _until(pilot, lambda: isinstance(view.screen, Menu))
                await pilot.press("down", "enter")
                await _until(pilot, lambda: isinstance(view.screen, Ask))
                await pilot.press("escape")
                await _until(pilot, lambda: not isinstance(view.screen, (Ask, Menu, Confirm)))
                await pilot.press("m")
                await _until(pilot, lambda: isinstance(view.screen, Menu))
                listed = view.screen
                assert isinstance(listed, Menu)
                at = [one.label for one in listed.choices].index("snapshot push before …")
                await pilot.press(*("down" for _ in range(at)), "enter")
                await _until(pilot, lambda: isinstance(view.screen, Ask))
                await pilot.press(*"r.example", "slash", "x", "enter")
                await _until(pilot, lambda: isinstance(view.screen, Confirm))
                pushing = view.screen
                assert isinstance(pushing, Confirm)
                assert (pushing.wish.value, pushing.wish.to) == ("before", "r.example/x")

        asyncio.run(drive())
