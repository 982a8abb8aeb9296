"""Many of everything at once: containers, log followers, execs, clients that vanish. Nothing may be left of them.

Each test runs small by default and in full with --slow. What is asserted is that the engine holds, after the load, what it
held before it: descriptors exactly, memory and threads within bounds once the same load has run before.
"""

from __future__ import annotations

import io
import tarfile
import time
from typing import TYPE_CHECKING

import pytest
from support.engine_root import wait_for
from support.soaking import (
    Held,
    Stream,
    at_once,
    await_descriptors,
    create,
    dechunked,
    execute,
    jsonified,
    remove,
    start,
    unframed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.engine_root import EngineRoot

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

GROWTH = 16 * 1024
"""KiB that a repeated load may add: allocators keep some room, a leak per call is larger at these counts."""
RUNS = 4
MOST_THREADS = 80
"""The engine's worker threads are a bounded pool."""


def sized(small: int, full: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("count", [small, pytest.param(full, marks=pytest.mark.slow)])


def steady(engine: EngineRoot, load: Callable[[], object]) -> None:
    """Run ``load`` again and again: the first run warms caches and pools, a later one must leave nothing behind.

    What a broken stream held goes with the engine's next garbage collection, so memory has a few runs to show that it is
    steady; a leak grows with each.
    """
    pid = engine.pid
    load()
    wait_for(lambda: _at_rest(pid), lambda: "the engine does not come to rest")
    before = Held.by(pid)
    seen = [before]
    for _ in range(RUNS):
        load()
        await_descriptors(pid, before.descriptors)
        seen.append(Held.by(pid))
        if seen[-1].private - before.private < GROWTH:
            break
    else:
        pytest.fail(f"memory grows: {seen}")
    print(*seen, sep="\n")
    assert seen[-1].threads <= MOST_THREADS, seen
    assert engine.pid == pid


def _at_rest(pid: int) -> bool:
    """Descriptors stop changing."""
    one = Held.by(pid).descriptors
    time.sleep(0.3)
    return Held.by(pid).descriptors == one


@pytest.fixture
def container(engine: EngineRoot) -> Iterator[str]:
    identity = create(engine, ["sleep", "100000"])
    start(engine, identity)
    yield identity
    remove(engine, identity)


@sized(12, 200)
def test_containers_at_once(engine: EngineRoot, count: int) -> None:
    def load() -> None:
        found = at_once(lambda _: create(engine, ["sleep", "100000"]), range(count))
        try:
            at_once(lambda identity: start(engine, identity), found)
            running = {one["Id"] for one in engine.json("GET", "/containers/json")}
            assert running >= set(found)
            addresses = {
                one["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
                for one in engine.json("GET", "/containers/json")
                if one["Id"] in found
            }
            assert len(addresses) == count
        finally:
            at_once(lambda identity: remove(engine, identity), found)
        assert engine.json("GET", "/containers/json?all=1") == []

    steady(engine, load)


@sized(8, 200)
def test_containers_with_followers_and_execs(engine: EngineRoot, count: int) -> None:
    """The same engine does all of it at a time: a quarter of the containers is followed, each gets five commands."""

    def follow(identity: str) -> None:
        stream = Stream(engine, "GET", f"/containers/{identity}/logs?stdout=1&follow=1")
        for _ in range(3):
            stream.read_until(b"tick")
        stream.drop()

    def run(identity: str) -> None:
        assert execute(engine, identity, ["true"])[0] == 0

    def load() -> None:
        found = at_once(lambda _: create(engine, ["sh", "-c", "while :; do echo tick; sleep 1; done"]), range(count))
        try:
            at_once(lambda identity: start(engine, identity), found)
            jobs = [(follow, identity) for identity in found[: count // 4]] + [(run, one) for one in found] * 5
            at_once(lambda job: job[0](job[1]), jobs, threads=count // 4)
        finally:
            at_once(lambda identity: remove(engine, identity), found)

    steady(engine, load)


@sized(10, 50)
def test_log_followers(engine: EngineRoot, count: int) -> None:
    lines = 2000

    def load() -> None:
        script = f"read go; i=0; while [ $i -lt {lines} ]; do echo line $i; i=$((i+1)); done"
        identity = create(engine, ["sh", "-c", script], OpenStdin=True, StdinOnce=True)
        start(engine, identity)
        path = f"/containers/{identity}/logs?stdout=1&follow=1"
        followers = [Stream(engine, "GET", path, headers="Connection: close\r\n") for _ in range(count)]
        try:
            heads = [follower.read_until(b"\r\n\r\n") for follower in followers]
            stdin = Stream(
                engine,
                "POST",
                f"/containers/{identity}/attach?stdin=1&stream=1",
                headers="Connection: Upgrade\r\nUpgrade: tcp\r\n",
            )
            stdin.read_until(b"\r\n\r\n")
            stdin.socket.sendall(b"go\n")
            wanted = b"".join(b"line %d\n" % number for number in range(lines))
            answers = at_once(Stream.read, followers, threads=count)
            for head, answer in zip(heads, answers, strict=True):
                assert unframed(dechunked(head + answer)) == wanted
            stdin.drop()
        finally:
            for follower in followers:
                follower.drop()
            remove(engine, identity)

    steady(engine, load)


@sized(40, 1000)
def test_execs(engine: EngineRoot, container: str, count: int) -> None:
    def one(number: int) -> None:
        code, output = execute(engine, container, ["sh", "-c", f"echo {number}; exit {number % 7}"])
        assert (code, unframed(output)) == (number % 7, b"%d\n" % number)

    steady(engine, lambda: at_once(one, range(count)))
    wait_for(
        lambda: len(engine.json("GET", f"/containers/{container}/top")["Processes"]) == 1,
        lambda: f"processes left: {engine.json('GET', f'/containers/{container}/top')}",
    )


@sized(4, 100)
def test_clients_that_vanish(engine: EngineRoot, container: str, count: int) -> None:
    noisy = create(engine, ["sh", "-c", "while :; do echo noise; sleep 0.01; done"], OpenStdin=True, Tty=False)
    start(engine, noisy)
    upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n"

    def build_context() -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            text = b"FROM busybox\nRUN sleep 100000\n"
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
        return buffer.getvalue()

    context = build_context()

    def logs(_: int) -> None:
        stream = Stream(engine, "GET", f"/containers/{noisy}/logs?stdout=1&follow=1")
        stream.read_until(b"noise")
        stream.drop()

    def attach(_: int) -> None:
        stream = Stream(engine, "POST", f"/containers/{noisy}/attach?stdout=1&stdin=1&stream=1", headers=upgrade)
        stream.read_until(b"noise")
        stream.drop()

    def events(_: int) -> None:
        stream = Stream(engine, "GET", "/events")
        stream.read_until(b"\r\n\r\n")
        stream.drop()

    def stats(_: int) -> None:
        stream = Stream(engine, "GET", f"/containers/{noisy}/stats?stream=1")
        stream.read_until(b"cpu_stats")
        stream.drop()

    def wait(_: int) -> None:
        stream = Stream(engine, "POST", f"/containers/{container}/wait")
        stream.drop()

    def exec_stream(_: int) -> None:
        body = {"Cmd": ["sh", "-c", "echo begun; cat"], "AttachStdin": True, "AttachStdout": True}
        identity = engine.json("POST", f"/containers/{container}/exec", body)["Id"]
        data = jsonified({"Detach": False, "Tty": False})
        head = f"{upgrade}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        stream = Stream(engine, "POST", f"/exec/{identity}/start", data, head)
        stream.read_until(b"begun")
        stream.drop()

    def half_head(_: int) -> None:
        stream = Stream(engine, "GET", "/_ping", headers="X-Endless: ")
        stream.drop()

    def half_body(_: int) -> None:
        stream = Stream(engine, "POST", "/containers/create", b'{"Image', "Content-Length: 1000\r\n")
        stream.drop()

    def half_context(_: int) -> None:
        head = f"Content-Type: application/x-tar\r\nContent-Length: {len(context)}\r\n"
        stream = Stream(engine, "POST", "/build", context[:700], head)
        stream.drop()

    def half_archive(_: int) -> None:
        head = f"Content-Type: application/x-tar\r\nContent-Length: {len(context)}\r\n"
        stream = Stream(engine, "PUT", f"/containers/{container}/archive?path=/tmp", context[:700], head)
        stream.drop()

    def half_answer(_: int) -> None:
        stream = Stream(engine, "GET", f"/containers/{container}/archive?path=/bin")
        stream.read_until(b"\r\n\r\n")
        stream.drop()

    ways = (
        logs,
        attach,
        events,
        stats,
        wait,
        exec_stream,
        half_head,
        half_body,
        half_context,
        half_archive,
        half_answer,
    )

    def load() -> None:
        for way in ways:
            at_once(way, range(count))
        # A build step that is under way ends with its client.
        head = f"Content-Type: application/x-tar\r\nContent-Length: {len(context)}\r\n"
        stream = Stream(engine, "POST", "/build?nocache=1", context, head)
        stream.read_until(b"RUN sleep")
        stream.drop()
        wait_for(
            lambda: len(engine.json("GET", f"/containers/{container}/top")["Processes"]) == 1,
            lambda: f"execs left: {engine.json('GET', f'/containers/{container}/top')}",
        )

    try:
        steady(engine, load)
        assert {one["Id"] for one in engine.json("GET", "/containers/json?all=1")} == {container, noisy}
    finally:
        remove(engine, noisy)
