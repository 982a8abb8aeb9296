"""The Engine API client against scripted answers: framing, keep-alive, errors, streams, hijacking, version."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scripted_engine import Exchange, ScriptedEngine

from pycompose.compose.app.following import LineSplitter
from pycompose.compose.cli.show.logprinter import LogPrinter
from pycompose.compose.client import Conflict, Endpoint, Engine, NotFound, choose
from pycompose.compose.client.containers import LogWindow
from pycompose.compose.client.endpoint import run_directory
from pycompose.compose.client.frames import demultiplex, json_lines
from pycompose.compose.client.http import Address, ConnectionLost, Refused, quote, target
from pycompose.compose.client.terminal import _Demultiplexer, _DetachFilter, parse_detach_keys
from pycompose.compose.errors import EngineError, UsageError
from pycompose.grammar.references import split_version

if TYPE_CHECKING:
    from pathlib import Path


def test_version_is_the_older_of_both(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path, lambda one: one.json([]), version="1.30") as engine:
        client = engine.client()
        client.containers.list()
        assert client.version == (1, 30)
        assert engine.requests[0].target == "/v1.30/containers/json"
        assert not client.is_pycompose


def test_newer_engine_is_spoken_to_in_our_newest(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path, lambda one: one.json([]), version="9.99", server="pycompose/1") as engine:
        client = engine.client()
        assert client.version < (2, 0)
        assert client.is_pycompose


def test_connections_are_reused(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path, lambda one: one.json([])) as engine:
        client = engine.client()
        for _ in range(5):
            client.containers.list(all=True)
        assert engine.connections == 1
        assert engine.requests[-1].target == "/v1.41/containers/json?all=1"
        client.close()


def test_an_idle_connection_that_was_closed_is_replaced(tmp_path: Path) -> None:
    def answer(one: Exchange) -> None:
        one.json([])
        one.connection.close()

    with ScriptedEngine(tmp_path, answer) as engine:
        client = engine.client()
        assert client.containers.list() == []
        assert client.containers.list() == []
        client.close()


@pytest.mark.parametrize("leaving", [2, 100])
def test_an_engine_that_leaves_during_the_first_exchange_is_given_time(tmp_path: Path, leaving: int) -> None:
    """Its keeper was killed: the connection breaks, and the next engine answers. One that never does is an error."""
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            for number in range(leaving + 1):
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection:
                    if number == leaving:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK")

        thread = threading.Thread(target=serve)
        thread.start()
        client = Engine(Endpoint(Address(str(path))), last_words=lambda: " It said: farewell")
        if leaving == 2:
            assert client.version == (1, 41)
        else:
            with pytest.raises(EngineError, match="farewell"):
                _ = client.version
        client.close()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_an_engine_that_was_about_to_leave_is_started_again(tmp_path: Path) -> None:
    """The first start finds the lock taken, by a keeper that opens no socket any more."""
    with ExitStack() as stack:
        starts: list[int] = []

        def start() -> None:
            starts.append(len(starts))
            if len(starts) == 2:
                stack.enter_context(ScriptedEngine(tmp_path, lambda one: one.json([])))

        client = Engine(Endpoint(Address(str(tmp_path / "engine.sock"))), start=start)
        stack.callback(client.close)
        assert client.containers.list() == []
        assert starts == [0, 1]


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (409, Conflict), (500, EngineError)])
def test_errors_carry_message_and_status(tmp_path: Path, status: int, kind: type[EngineError]) -> None:
    with ScriptedEngine(tmp_path, lambda one: one.json({"message": "no such thing"}, status)) as engine:
        with pytest.raises(kind, match="no such thing") as caught:
            engine.client().containers.inspect("x")
        assert caught.value.status == status


def test_not_modified_is_no_error(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path, lambda one: one.empty(304)) as engine:
        engine.client().containers.start("x")


def test_an_answer_cut_short_is_an_error(tmp_path: Path) -> None:
    def answer(one: Exchange) -> None:
        one.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
        one.connection.close()

    with ScriptedEngine(tmp_path, answer) as engine, pytest.raises(ConnectionLost):
        engine.client().containers.list()


def test_garbage_is_an_error(tmp_path: Path) -> None:
    with (
        ScriptedEngine(tmp_path, lambda one: one.raw(b"SSH-2.0-hello\r\n\r\n")) as engine,
        pytest.raises(EngineError, match="no HTTP answer"),
    ):
        engine.client().containers.list()


def test_chunked_json_lines_and_error_line(tmp_path: Path) -> None:
    lines = b'{"status":"one"}\n{"sta', b'tus":"two"}\r\n{"error":"boom","errorDetail":{"message":"boom: why"}}\n'
    with ScriptedEngine(tmp_path, lambda one: one.chunked(list(lines))) as engine:
        pull = engine.client().images.pull("busybox")
        assert [next(pull)["status"], next(pull)["status"]] == ["one", "two"]
        with pytest.raises(EngineError, match="boom: why"):
            next(pull)
        assert engine.requests[0].target.endswith("/images/create?fromImage=busybox&tag=latest")


def test_streamed_request_body(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path, lambda one: one.empty(200)) as engine:
        engine.client().containers.put_archive("c", "/x y", iter([b"abc", b"", b"def"]))
        assert engine.requests[0].body == b"abcdef"
        assert "path=%2Fx%20y" in engine.requests[0].target


def test_a_refusal_in_the_middle_of_a_long_body_is_read(tmp_path: Path) -> None:
    def answer(one: Exchange) -> None:
        one.json({"message": "too much"}, 413)

    with ScriptedEngine(tmp_path, answer) as engine, pytest.raises(EngineError, match="too much"):
        engine.client().containers.put_archive("c", "/", b"x" * 100)


def test_logs_are_demultiplexed(tmp_path: Path) -> None:
    frame = b"\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\3err"
    with ScriptedEngine(tmp_path, lambda one: one.chunked([frame[:5], frame[5:]])) as engine:
        assert list(engine.client().containers.logs("c", LogWindow())) == [(1, b"out"), (2, b"err")]


def test_wait_reports_code_and_refuses_to_guess(tmp_path: Path) -> None:
    answers = iter([{"StatusCode": 3}, {"Error": {"Message": "gone"}, "StatusCode": 0}, {}])
    with ScriptedEngine(tmp_path, lambda one: one.json(next(answers))) as engine:
        client = engine.client()
        assert client.containers.wait("c") == 3
        with pytest.raises(EngineError, match="gone"):
            client.containers.wait("c")
        with pytest.raises(EngineError, match="no exit code"):
            client.containers.wait("c")


def test_hijack_gives_socket_and_early_bytes(tmp_path: Path) -> None:
    def answer(one: Exchange) -> None:
        one.raw(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly")

    with ScriptedEngine(tmp_path, answer) as engine:
        connection, early = engine.client().execs.start("e", tty=True).hijack()
        early += connection.recv(10) if not early else b""
        assert early == b"early"
        assert json.loads(engine.requests[0].body) == {"Detach": False, "Tty": True}
        connection.close()


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nobody listens"):
        Engine(Endpoint(Address(str(tmp_path / "no.sock")))).version  # noqa: B018


def test_start_is_asked_for_once(tmp_path: Path) -> None:
    started = []

    def start() -> None:
        started.append(1)
        raise EngineError("did not start")

    client = Engine(Endpoint(Address(str(tmp_path / "no.sock")), own=True), start)
    with pytest.raises(EngineError, match="did not start"):
        client.version  # noqa: B018
    assert started == [1]


def test_long_socket_paths(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    (tmp_path / "s").mkdir()
    with ScriptedEngine(tmp_path / "s", lambda one: one.json([])) as engine:
        (deep / "engine.sock").symlink_to(engine.path)
        client = Engine(Endpoint(Address(str(deep / "engine.sock"))))
        assert client.containers.list() == []
        client.close()


# -- pure parts


def test_host_order(tmp_path: Path) -> None:
    environment = {"PYCOMPOSE_HOST": "unix:///p", "PYCOMPOSE_ROOT": "/r", "DOCKER_HOST": "tcp://d:1"}
    assert str(choose(environment, 0, "unix:///h", "/x").address) == "unix:///h"
    assert str(choose(environment, 0, None, "/x").address) == "unix:///x/run/engine.sock"
    assert str(choose(environment, 0).address) == "unix:///p"
    del environment["PYCOMPOSE_HOST"]
    assert choose(environment, 0).root == "/r"
    del environment["PYCOMPOSE_ROOT"]
    chosen = choose(environment, 0)
    assert (chosen.own, chosen.address.host, chosen.address.port) == (False, "d", 1)
    assert choose({}, 0) == Endpoint(Address("/run/pycompose/engine.sock"), True, None, "the default")
    user = os.geteuid() or 7
    os.chown(tmp_path, user, -1)
    assert run_directory(None, {"XDG_RUNTIME_DIR": str(tmp_path)}, user) == f"{tmp_path}/pycompose"
    assert run_directory(None, {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": "/h"}, user + 1).startswith("/h/.local"), (
        "not theirs"
    )


@pytest.mark.parametrize("host", ["ssh://", "unix://relative", "tcp://x:y", "ftp://x", "tcp://x:99999"])
def test_bad_hosts(host: str) -> None:
    with pytest.raises(UsageError):
        choose({}, 0, host)


def test_tls_host() -> None:
    chosen = choose({"DOCKER_HOST": "tcp://h", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}, 0)
    assert chosen.address == Address(None, "h", 2376, ("/c", True))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quote_is_undone_by_unquote(text: str) -> None:
    from urllib.parse import unquote

    assert unquote(quote(text)) == text


def test_target() -> None:
    assert target("/x", {"a": None, "b": True, "c": ["1", "2"], "d": "é"}) == "/x?b=1&c=1&c=2&d=%C3%A9"
    assert target("/x", {"a": None}) == "/x"


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=30))), st.integers(1, 7))
def test_demultiplex_whatever_the_blocks(frames: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(bytes([stream, 0, 0, 0]) + len(part).to_bytes(4, "big") + part for stream, part in frames)
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    wanted = {stream: b"".join(part for one, part in frames if one == stream) for stream in (1, 2)}
    got = {1: b"", 2: b""}
    for stream, part in demultiplex(blocks):
        got[stream] += part
    assert got == wanted
    pushed = {1: b"", 2: b""}
    demultiplexer = _Demultiplexer()
    for block in blocks:
        for stream, part in demultiplexer.feed(block):
            pushed[stream] += part
    assert pushed == wanted


def test_frames_of_one_block_come_together() -> None:
    """In the order in which they were said; what was said before the engine's own error comes before it."""

    def frame(stream: int, data: bytes) -> bytes:
        return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data

    said = [frame(1, b"a\n"), frame(1, b"b\n"), frame(2, b"c\n"), frame(1, b""), frame(1, b"d\n")]
    assert list(demultiplex([b"".join(said)])) == [(1, b"a\nb\n"), (2, b"c\n"), (1, b"d\n")]
    assert list(demultiplex(said[:2])) == [(1, b"a\n"), (1, b"b\n")]  # what has come is not held back
    for end, words in ((frame(3, b"too bad"), "too bad"), (b"\1\0\1\0\0\0\0\0", "not multiplexed")):
        found = demultiplex([frame(1, b"a\n") + end])
        assert next(found) == (1, b"a\n")
        with pytest.raises(EngineError, match=words):
            next(found)


def test_lines_that_came_together_are_written_at_once() -> None:
    class Out(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

    out, err = Out(), Out()
    printer = LogPrinter(color=False, prefix=True, out=out, err=err)
    printer.register(["web"])
    splitter = LineSplitter(printer, "web")
    splitter.feed(1, b"a\r\nb\n\nc")
    splitter.feed(2, b"d\n")
    splitter.feed(1, "\xe4".encode()[:1])
    assert (out.getvalue(), out.writes) == ("web  | a\nweb  | b\nweb  | \n", 1)
    assert err.getvalue() == "web  | d\n"
    splitter.feed(1, "\xe4".encode()[1:])
    splitter.finish()
    assert out.getvalue().endswith("web  | c\xe4\n")


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5)), max_size=5), st.integers(1, 9))
def test_json_lines_whatever_the_blocks(values: list[dict[str, str]], size: int) -> None:
    data = b"".join(json.dumps(value).encode() + b"\r\n" for value in values)
    assert list(json_lines(data[at : at + size] for at in range(0, len(data), size))) == values


@pytest.mark.parametrize(
    ("ref", "parts"),
    [
        ("busybox", ("busybox", "latest")),
        ("busybox:1", ("busybox", "1")),
        ("host:5000/a/b", ("host:5000/a/b", "latest")),
        ("host:5000/a/b:2", ("host:5000/a/b", "2")),
        ("a@sha256:1", ("a", "sha256:1")),
    ],
)
def test_split_version(ref: str, parts: tuple[str, str]) -> None:
    assert split_version(ref) == parts


def test_detach_keys() -> None:
    assert parse_detach_keys("ctrl-p,ctrl-q") == b"\x10\x11"
    assert parse_detach_keys("a,b") == b"ab"
    with pytest.raises(ValueError, match="ctrl-1"):
        parse_detach_keys("ctrl-1")


@given(st.lists(st.binary(max_size=4)))
def test_detach_filter_passes_everything_else_on(blocks: list[bytes]) -> None:
    data = b"".join(blocks)
    keys = _DetachFilter(b"\x10\x11")
    out = b""
    detached = False
    for block in blocks:
        passed, detached = keys.feed(block)
        out += passed
        if detached:
            break
    if b"\x10\x11" in data:
        assert detached
        assert out == data[: data.index(b"\x10\x11")]
    else:
        assert data in (out, out + b"\x10")


def test_threads_that_come_while_the_engine_starts_wait_for_it(tmp_path: Path) -> None:
    address = str(tmp_path / "engine.sock")
    begun, listener = threading.Event(), socket.socket(socket.AF_UNIX)
    together = threading.Barrier(4)
    starts = []

    def start() -> None:
        starts.append(1)
        assert begun.wait(5)
        listener.bind(address)
        listener.listen(8)

    engine = Engine(Endpoint(Address(address)), start)
    taken = []

    def connect() -> None:
        together.wait()
        taken.append(engine._take())

    threads = [threading.Thread(target=connect) for _ in range(3)]
    for thread in threads:
        thread.start()
    together.wait()
    time.sleep(0.05)  # for all three to find nobody listening: there is nothing to wait for
    begun.set()
    for thread in threads:
        thread.join()
    for connection in taken:
        connection.close()
    listener.close()
    assert len(taken) == 3 and starts == [1]


def test_a_command_is_read_to_the_end_of_its_stream(tmp_path: Path) -> None:
    """After 101 the answer has no length: what an exec writes comes until the engine closes, and only then has it ended."""

    def answer(one: Exchange) -> None:
        one.raw(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        one.raw(b"\1\0\0\0\0\0\0\3out")
        time.sleep(0.05)
        one.raw(b"\2\0\0\0\0\0\0\3err")
        one.connection.close()

    with ScriptedEngine(tmp_path, answer) as engine, engine.client().execs.start("e", tty=False) as response:
        assert list(demultiplex(response.blocks())) == [(1, b"out"), (2, b"err")]


def test_of_a_call_only_counts_that_it_is_done(tmp_path: Path) -> None:
    """A field may have another kind there than where somebody reads it: a saved snapshot lists its Volumes."""
    answer = {"Name": "n", "Volumes": ["data"]}
    with ScriptedEngine(tmp_path, lambda one: one.json(answer, 201), server="pycompose/1") as engine:
        engine.client().snapshots.save("group", "n", {"data": "data"})
        assert engine.requests[-1].target == "/pycompose/snapshots"
