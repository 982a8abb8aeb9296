"""The page's server without a browser: who is let in, what is sent, what lines and actions become."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.listings import event, row
from support.screening import asked

from pycompose.compose.errors import UsageError
from pycompose.compose.screens import commands
from pycompose.compose.screens.excerpts import Excerpts, hidden
from pycompose.compose.screens.loglines import SEARCH_LIMIT, SearchError, Splitter, level, make_filter, plain
from pycompose.compose.screens.logreader import BACKLOG, FRAME, Tail
from pycompose.compose.screens.profiles import profiles
from pycompose.compose.screens.store import fold, holdings
from pycompose.compose.screens.store.state import Place, State
from pycompose.compose.screens.web.console import Screen
from pycompose.compose.screens.web.guard import Guard
from pycompose.compose.screens.web.views import Framer

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

HOST = {"host": "127.0.0.1:9000"}
OWN = "http://127.0.0.1:9000"


async def _page(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"secret"})


@pytest.fixture
def guard() -> Guard:
    return Guard(_page, 9000, "right")


def _cookie(guard: Guard) -> str:
    status, headers, _ = asked(guard, "GET", "/", HOST, query="token=right")
    assert status == 303 and headers["location"] == "/"
    given = headers["set-cookie"]
    assert "httponly" in given.lower() and "samesite=strict" in given.lower() and "right" not in given
    return given.partition(";")[0]


def test_the_token_opens_the_page_once_and_the_cookie_from_then_on(guard: Guard) -> None:
    cookie = _cookie(guard)
    status, headers, body = asked(guard, "GET", "/", {**HOST, "cookie": cookie})
    assert (status, body) == (200, b"secret")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert headers["x-frame-options"] == "DENY" and headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("method", "path", "headers", "query"),
    [
        ("GET", "/", {}, ""),
        ("GET", "/", {"cookie": ""}, "token=wrong"),
        ("GET", "/", {"cookie": ""}, "token="),
        ("GET", "/about", {"cookie": "pycompose-ui-9000=right"}, ""),
        ("GET", "/about", {"cookie": "pycompose-ui-9000=\x00;;=="}, ""),
        ("GET", "/about", {"host": "evil.example:9000"}, ""),
        ("GET", "/", {"host": "127.0.0.1:9001"}, "token=right"),
        ("GET", "/", {"host": "127.0.0.1.evil.example"}, "token=right"),
        ("GET", "/about", {"origin": "http://evil.example"}, ""),
        ("GET", "/about", {"origin": "null"}, ""),
        ("GET", "/about", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, ""),
        ("GET", "/about", {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, ""),
        ("GET", "/container/x/archive", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, ""),
        ("POST", "/act", {}, ""),
        ("POST", "/act", {"origin": "http://evil.example"}, ""),
        ("POST", "/", {"origin": OWN, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, ""),
        ("websocket", "/live", {}, ""),
        ("websocket", "/console", {"origin": "http://evil.example"}, ""),
        ("websocket", "/console", {"origin": "http://127.0.0.1:8080"}, ""),
    ],
)
def test_nobody_else_gets_anything(guard: Guard, method: str, path: str, headers: dict[str, str], query: str) -> None:
    known = {"cookie": _cookie(guard)} if path != "/" or "host" in headers or method == "POST" else {}
    status, _, body = asked(guard, method, path, {**HOST, **known, **headers}, query=query)
    assert status in (403, 1008) and b"secret" not in body


def test_our_own_page_may_ask(guard: Guard) -> None:
    own = {**HOST, "cookie": _cookie(guard), "origin": OWN, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert asked(guard, "POST", "/act", own)[0] == 200
    assert asked(guard, "websocket", "/live", own)[0] == 200
    # A link in a mail or a chat: the page opens, as empty of effects as any reload.
    link = {**HOST, "cookie": _cookie(guard), "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert asked(guard, "GET", "/", link)[0] == 200


def test_a_page_is_sent_what_changed() -> None:
    state = fold.listed(State(), [row("db"), row("web", needs="db:service_healthy:false")])
    framer = Framer("demo")
    first: Any = framer.frame(state)
    assert [one["name"] for one in first["projects"]] == ["demo"]
    assert [one["name"] for one in first["project"]["graph"]["boxes"]] == ["db", "web"]
    assert framer.frame(state) == {}
    state = fold.happened(state, event("db", "die", 5, exitCode="3"))
    second: Any = framer.frame(state)
    assert set(second) == {"projects", "project", "events"}
    assert second["project"]["blame"] == ["db"] and len(second["events"]) == 1
    assert [one["blamed"] for one in second["project"]["graph"]["routes"]] == [True]
    # What a slow reader missed in between is in no queue: the next frame is the state of that moment.
    for at in range(1000):
        state = fold.happened(state, event("db", "start" if at % 2 else "die", at, exitCode="1"))
    assert len(json.dumps(framer.frame(state))) < 100_000


def test_a_page_is_sent_what_the_engine_keeps() -> None:
    state = fold.listed(State(), [row("db")])
    framer, builds = Framer("other"), Framer(builds=True)
    for one in (framer, builds):
        one.frame(state)
    state = fold.scheduled(state, [holdings.job(JOB, RUNS)])
    state = fold.saved(
        state, [holdings.snapshot({"Group": group, "Name": "a", "Created": 5, "Volumes": ["v"]}) for group in "xd"]
    )
    state = fold.leased(state, [holdings.lease(LEASE)])
    held: Any = framer.frame(state)
    assert set(held) == {"projects", "held", "leases"}
    (job,) = held["held"]["jobs"]
    assert [one["number"] for one in job["runs"]] == [2, 1] and job["runs"][0]["error"] == "no <b>image</b>"
    assert held["held"]["snapshots"] == [] and held["leases"][0]["until"] == 2.0
    # A project that has only jobs is there as well, with the place that their labels name.
    assert [one["name"] for one in held["projects"]] == ["demo", "other"]
    assert commands.of_state(state, "other") == commands.Target("other", "/src")
    state = fold.built(state, {"Revision": 4, "Ids": ["1"], "Builds": [BUILD]})
    assert framer.frame(state)["building"] == [
        {"id": "1", "name": "shop-web", "project": "demo", "done": 1, "total": 7, "step": "RUN make"}
    ]
    told: Any = builds.frame(state)
    assert told["builds"][0]["steps"][1]["output"] == "one\ntwo"
    # A build that did not change is not told again; one that the engine has forgotten goes.
    state = fold.built(state, {"Revision": 5, "Ids": ["1"], "Builds": []})
    assert builds.frame(state) == {}
    assert fold.built(state, {"Revision": 6, "Ids": [], "Builds": []}).builds == ()
    # What was taken down can be brought up again.
    gone: Any = framer.frame(fold.leased(fold.listed(fold.scheduled(state, []), []), []))
    assert [one["name"] for one in gone["down"]] == ["other"]


JOB: Any = {
    "Name": "other-nightly",
    "State": "idle",
    "Labels": {
        "com.docker.compose.project": "other",
        "com.docker.compose.service": "nightly",
        "com.docker.compose.project.working_dir": "/src",
        "com.docker.compose.project.config_files": "/src/gone.yaml",
    },
    "Schedule": {"Cron": "0 3 * * *"},
    "NextFire": "2024-05-05T03:00:00Z",
}
RUNS: Any = [
    {"Iteration": 1, "State": "succeeded", "ExitCode": 0, "Started": "2024-05-05T03:00:00Z", "Finished": None},
    {"Iteration": 2, "State": "failed", "Error": "no <b>image</b>\x1b[31m", "Containers": ["a", "b"]},
]
LEASE: Any = {
    "Id": "abc",
    "Owner": {"Kind": "ttl", "Text": "ttl:1h", "Expires": 2_000_000_000},
    "Labels": {"com.docker.compose.project": "demo"},
    "Created": 1,
    "State": "held",
}
BUILD: Any = {
    "Id": "1",
    "Name": "shop-web",
    "Labels": {"com.docker.compose.project": "demo"},
    "State": "running",
    "Total": 7,
    "Steps": [
        {"Number": 1, "Text": "FROM box", "State": "cached"},
        {"Number": 2, "Text": "RUN \rmake", "State": "running", "Output": "one\r\n\x1b[31mtwo\n"},
    ],
}


def test_a_hundred_services_are_laid_out_quickly() -> None:
    rows = [row("db"), *(row(f"s{index}", needs="db:service_started:false") for index in range(99))]
    view: Any = Framer("demo").frame(fold.listed(State(), rows))["project"]
    assert len(view["graph"]["boxes"]) == 100 and len(view["graph"]["routes"]) == 99


def test_profiles_that_a_stack_was_started_with() -> None:
    declared = {"web": (), "debug": ("dev",), "mail": ("dev", "all"), "tools": ("ops", "all"), "shell": ("ops",)}
    for there, expected in (
        ({"web"}, ()),
        ({"web", "debug", "mail"}, ("dev",)),
        # Nobody knows whether mail was named, or dev began before it was there: the one that is there is enabled at least.
        ({"web", "debug"}, ("dev",)),
        ({"web", "debug", "mail", "tools"}, ("dev", "all")),
        ({"tools", "shell"}, ("ops",)),
        ({"gone"}, ()),
    ):
        assert profiles(declared, {"web"}, there) == expected, there
    # One that the settings of the project enable stays enabled when another one is named.
    assert profiles(declared, {"web", "debug", "mail"}, {"web", "shell", "tools"}) == ("dev", "all", "ops")


def test_lines_are_text() -> None:
    splitter = Splitter("web")
    hostile = b"2024-01-01T00:00:00.1Z <script>alert(1)</script> \x1b[31mred\x1b[0m\x1b]0;title\x07\x9b5n\x08 \r\n2024-01-01T00:00:00.2Z rest"
    (line,) = splitter.feed(1, hostile)
    assert line == ("2024-01-01T00:00:00.1Z", "web", 1, "<script>alert(1)</script> red\ufffd5n\\x08 ")
    assert splitter.feed(1, b" of it\n")[0].text == "rest of it"
    assert len(splitter.feed(1, b"x" * 100_000)) == 1
    assert plain("\x1bP1;2|evil\x1b\\ok\x1b[?25h") == "ok"
    # Letters of a family that are joined stay so; what turns the order of what follows does not.
    assert (
        plain("\u202egpj.exe \u2067 \U0001f469\u200d\U0001f467") == "\\u202egpj.exe \\u2067 \U0001f469\u200d\U0001f467"
    )
    words = {
        "2024 [ERROR] x": "error",
        "WARN: y": "warning",
        "level=info z": "info",
        "information": "",
        "DEBUG": "debug",
    }
    assert {text: level(text) for text in words} == words


def test_a_search_takes_time_in_proportion_to_the_line() -> None:
    def finds(text: str, line: str, *, regex: bool = True) -> bool:
        return make_filter(text, "", regex=regex).wants(Splitter("web").feed(1, f"t {line}\n".encode())[0])

    assert finds("A.C", "xabcx") and not finds("A.C", "xabcx", regex=False) and finds("A.C", "xa.cx", regex=False)
    assert finds("größe|ärger", "GRÖSSE GRÖßE")
    # Python's re would try the ways to part 16,000 letters: more than there are atoms.
    for evil in ("(a+)+b", "(a|aa)*b", "(.*)*x(.*)*y", "^(([a-z])+.)+[0-9]([a-z])+$"):
        assert not finds(evil, "a" * 16_000)
    for wrong in ("(", "*", "(?=ahead)", "(a)\\1", "((a{1000}){1000}){1000}"):
        with pytest.raises(SearchError, match="no regular expression: "):
            make_filter(wrong, "", regex=True)
    with pytest.raises(SearchError, match="at most 1000 characters"):
        make_filter("a" * (SEARCH_LIMIT + 1), "", regex=False)


def test_a_reader_that_is_too_slow_loses_the_oldest_lines_and_is_told() -> None:
    (line,) = Splitter("web").feed(1, b"t x\n")
    tail = Tail(keep_all=False)
    tail.opened()
    for _ in range(3):
        assert tail.put([line] * BACKLOG)
    lines, skipped, more = tail.take()
    assert (len(lines), skipped, more) == (FRAME, 3 * BACKLOG - FRAME, True)
    tail.close()
    assert not tail.put([line])


def test_the_terminal_screen_takes_anything() -> None:
    screen = Screen(4, 20)
    screen.feed(
        b"\x1b[1;31mhello\x1b[0m <b>\r\n\xff\x1b[38;2;1;2;3;4;5m\x1b[?1049h\x1b[99999;99999H\x1b[2;3;4;5;6;7r\x1b[;;;;H"
    )
    changes: Any = screen.changes()
    assert changes is not None
    text = "".join(run for row in changes["rows"].values() for run, _ in row)
    assert "<b>" in text and "\x1b" not in text
    assert ("hello", "fg-red bold") in [tuple(run) for row in changes["rows"].values() for run in row]
    assert screen.changes() is None
    screen.resize(2, 10)
    assert screen.changes()["lines"] == 2  # type: ignore[index]


def test_the_terminal_screen_is_bounded_whatever_is_written() -> None:
    screen = Screen(4, 20)
    screen.feed(b"x")
    # Marks on one cell, in a run and with the cursor brought back in between; saved cursors; sequences that never end.
    screen.feed("\u0300".encode() * 8_000)
    for _ in range(50):
        screen.feed("\x1b[2G\u0301".encode() * 100 + b"\x1b7" * 1000)
    for unfinished in (b"\x1b]0;", b"\x1bP", b"\x1b[", b"\x1b[1;", b"\xc2\x9d", b"\x1b#\x1b\x1b]"):
        screen.feed(unfinished)
        for _ in range(20):
            screen.feed(b"9" * 16_000)
        screen.feed(b"m\x1b\\")
    inner = screen._screen
    assert len(inner.savepoints) <= 16 and inner.title == inner.icon_name == ""
    assert all(len(char.data) <= 9 for line in inner.buffer.values() for char in line.values())
    assert screen._sequences._rest == ""
    screen.feed(b"\x1bc\x1b[3")
    screen.feed(b"2mgreen\x1b")
    screen.feed(b"[0m \x1b]2;title\x1b")
    screen.feed("\\e\u0301nd\x1b(B\x9b1mbold".encode())
    changes: Any = screen.changes()
    assert changes is not None
    assert [tuple(run) for run in changes["rows"][0]][:3] == [("green", "fg-green"), (" énd", ""), ("bold", "bold")]


def test_excerpts_show_lines_of_the_project_only_and_hide_secrets(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("services:\n  web: {image: box, ports: ['1:2']}\n")
    elsewhere = tmp_path.parent / "elsewhere.yaml"
    elsewhere.write_text("secret\n")
    (tmp_path / "link.yaml").symlink_to(elsewhere)
    excerpts = Excerpts(commands.Target("demo", str(tmp_path), (str(file),)))
    assert excerpts.under(f"  ports changed ({file}:2:3): 1 → 2") == "      2 | web: {image: box, ports: ['1:2']}\n"
    for nothing in (
        "no place",
        f"({file}:9:1)",
        f"({file}:0:1)",
        f"({elsewhere}:1:1)",
        f"({tmp_path}/link.yaml:1:1)",
        f"({tmp_path}/../elsewhere.yaml:1:1)",
        f"({tmp_path}/gone.yaml:1:1)",
        f"X changed ({file}:2:3): ******** → ********",
    ):
        assert excerpts.under(nothing) == ""
    lines = {
        "environment: {DB_PASSWORD: a b, MODE: fast}": "environment: {DB_PASSWORD: ********, MODE: fast}",
        'environment: {"API_TOKEN": "x, y}", MODE: fast}': 'environment: {"API_TOKEN": ********, MODE: fast}',
        "DB_PASSWORD: correct horse, battery": "DB_PASSWORD: ********",
        "- DB_PASSWORD=x y": "- DB_PASSWORD=********",
        'command: ["--password=x", "--port=1"]': 'command: ["--password=********, "--port=1"]',
        "content: key material": "content: ********",
        "image: registry.example:5000/box": "image: registry.example:5000/box",
    }
    assert {line: hidden(line) for line in lines} == lines


def test_actions_are_command_lines() -> None:
    here = commands.Target("demo", "/src", ("/src/compose.yaml",))
    options = ["--project-name", "demo", "--project-directory", "/src", "--file", "/src/compose.yaml"]

    def words(*given: Any, **options: Any) -> list[str]:
        return commands.command(*given, **options)

    assert words("up", here, "web") == [*options, "up", "--detach", "--yes", "web"]
    assert words("up", here, preview=True) == [*options, "plan"]
    assert words("scale", here, "web", "3", preview=True) == [*options, "--dry-run", "scale", "web=3"]
    assert words("job trigger", here, "", "nightly") == [*options, "jobs", "trigger", "nightly"]
    assert words("snapshot restore", here, "", "old", preview=True) == [
        *options, "--dry-run", "snapshot", "restore", "old",
    ]  # fmt: skip
    push = ("snapshot push", commands.Target("demo"), "", "old", "registry.example/x")
    assert words(*push) == ["--project-name", "demo", "snapshot", "push", "old", "registry.example/x"]
    set_up = Place("/src", "/src/compose.yaml", "/src/prod.env")
    whole = commands.target("demo", set_up, ["/src/compose.yaml", "/src/prod.env"])
    assert words("start", whole) == [*options, "--env-file", "/src/prod.env", "start"]
    # Without its settings the same file would be another stack.
    assert commands.target("demo", set_up, ["/src/compose.yaml"]).files == ()
    assert words("lease end", here, "", "abc") == ["lease", "end", "abc"] and words("prune", None)[:2] == [
        "system",
        "prune",
    ]
    assert words("down", commands.target("demo", Place("/src", "/src/gone.yaml"), []), preview=True) == [
        *("--project-name", "demo", "--dry-run", "down")
    ]
    for given in (
        ("format", here),
        ("up", None),
        ("up", commands.target("demo", Place("/src", "/src/gone.yaml"), [])),
        ("stop", here, "--volumes"),
        ("scale", here, "web"),
        ("snapshot save", here, "", "--x"),
        ("snapshot restore", here),
        ("job trigger", here),
        ("snapshot push", here, "", "old"),
        ("snapshot push", here, "", "old", "--quiet"),
        ("job trigger", None, "", "nightly"),
        ("lease end", None, "", "--all"),
    ):
        with pytest.raises(UsageError):
            words(*given)


@pytest.mark.parametrize(
    ("verb", "missing"), [("ui", "uvicorn"), ("ui", "wsproto"), ("tui", "textual.app"), ("lsp", "pygls.lsp.server")]
)
def test_without_the_extra_one_line_says_how_to_get_it(
    verb: str, missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pycompose.compose.cli.main import main

    for name in [one for one in sys.modules if one.startswith(("pycompose.compose.screens", "pycompose.compose.lsp"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setenv("PYCOMPOSE_HOST", "unix:///nowhere.sock")
    assert main([verb]) == 1
    said = capsys.readouterr().err
    assert said == f"{verb} needs {missing.partition('.')[0]}: pip install 'pycompose-engine[{verb}]'\n"
