"""Every endpoint that streams, with a peer that does not read, does not write, dribbles or vanishes: nobody else notices,
memory stays bounded, and where both sides go on no byte is lost."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import statistics
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

PROMPT = 0.1
"""Seconds in which others are answered (median)."""
GROWTH = 64 << 20
"""Bytes by which the engine may grow while peers stall."""
PEERS = 3
_UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"
_CHATTER = "while :; do head -c 65536 /dev/zero | tr '\\0' x; echo; sleep 0.02; done"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A request that streams. ``body``: it reads one, of which none, some or all is sent."""

    method: str
    path: str
    headers: str = ""
    body: bool = False
    raw: bytes = b""
    """What begins the body, or the stream after an upgrade."""

    def head(self) -> bytes:
        length = "Content-Length: 100000000\r\nContent-Type: application/x-tar\r\n" if self.body else ""
        return f"{self.method} {self.path} HTTP/1.1\r\nHost: x\r\n{self.headers}{length}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Subjects:
    chatty: str
    silent: str
    big: str

    def endpoints(self, engine: EngineRoot, executing: str) -> Iterator[Endpoint]:
        """All there are, anew for each peer: an exec can be started only once, and is in the container ``executing``."""
        key = base64.b64encode(os.urandom(16)).decode()
        websocket = (
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        )
        everything = "stream=1&stdin=1&stdout=1&stderr=1"
        for id in (self.chatty, self.silent):
            yield Endpoint("POST", f"/containers/{id}/attach?{everything}", _UPGRADE)
            yield Endpoint("GET", f"/containers/{id}/attach/ws?{everything}", websocket)
            yield Endpoint("GET", f"/containers/{id}/logs?stdout=1&follow=1")
        for command in (["sh", "-c", _CHATTER], ["sleep", "1000"], ["cat"]):
            yield Endpoint("POST", f"/exec/{_exec(engine, executing, command)}/start", _UPGRADE)
            yield Endpoint("POST", f"/exec/{_exec(engine, executing, command, tty=True)}/start", _UPGRADE)
        yield Endpoint("GET", "/events?since=1")
        yield Endpoint("GET", f"/containers/{self.chatty}/stats")
        yield Endpoint("POST", f"/containers/{self.silent}/wait")
        yield Endpoint("GET", f"/containers/{self.big}/archive?path=/big")
        yield Endpoint("GET", f"/containers/{self.big}/export")
        yield Endpoint("GET", "/images/busybox/get")
        yield Endpoint("PUT", f"/containers/{self.silent}/archive?path=/tmp", body=True)
        yield Endpoint("POST", "/build", body=True)
        yield Endpoint("POST", "/images/load", body=True)
        yield Endpoint("POST", "/images/create?fromSrc=-&repo=never", body=True)
        yield Endpoint("POST", "/grpc", "Connection: Upgrade\r\nUpgrade: h2c\r\n")
        session = f"Connection: Upgrade\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: {os.urandom(8).hex()}\r\n"
        yield Endpoint("POST", "/session", session)


def _exec(engine: EngineRoot, container: str, command: list[str], *, tty: bool = False) -> str:
    body = {"Cmd": command, "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": tty}
    id: str = engine.json("POST", f"/containers/{container}/exec", body)["Id"]
    return id


def _run(engine: EngineRoot, *command: str) -> str:
    log = {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}
    body = {"Image": "busybox", "Cmd": command, "OpenStdin": True, "HostConfig": {"LogConfig": log}}
    id: str = engine.json("POST", "/containers/create", body)["Id"]
    engine.json("POST", f"/containers/{id}/start")
    return id


@pytest.fixture(scope="module")
def subjects(engine: EngineRoot) -> Iterator[Subjects]:
    found = Subjects(
        _run(engine, "sh", "-c", _CHATTER),
        _run(engine, "sleep", "1000"),
        _run(engine, "sh", "-c", "head -c 50000000 /dev/zero > /big; sleep 1000"),
    )
    size = f"/containers/{found.big}/archive?path=/big"
    wait_for(lambda: b"50000000" in _stat(engine, size), lambda: "the file is not written")
    yield found
    for id in (found.chatty, found.silent, found.big):
        engine.json("DELETE", f"/containers/{id}?force=1")


def _stat(engine: EngineRoot, path: str) -> bytes:
    with engine.connect() as connection:
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = connection.recv(65536)
    value = head.partition(b"X-Docker-Container-Path-Stat: ")[2].partition(b"\r\n")[0]
    return base64.b64decode(value)


class _Peers:
    """Connections to every endpoint, and what each of them does from then on."""

    def __init__(self, engine: EngineRoot, subjects: Subjects, executing: str) -> None:
        self.connections: list[socket.socket] = []
        self.endpoints: list[Endpoint] = []
        for _ in range(PEERS):
            for endpoint in subjects.endpoints(engine, executing):
                connection = engine.connect()
                connection.sendall(endpoint.head())
                self.connections.append(connection)
                self.endpoints.append(endpoint)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()

    def push(self) -> None:
        """Send until nothing more is taken."""
        for connection in self.connections:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                while True:
                    connection.send(bytes(1 << 16))

    def dribble(self, over: threading.Event) -> None:
        while not over.wait(1.0):
            for connection in self.connections:
                connection.setblocking(False)
                with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                    connection.send(b"\0")
                with contextlib.suppress(BlockingIOError, ConnectionResetError):
                    connection.recv(1)


def _unserved(*tasks: str) -> float:
    """How long threads (their directories below /proc) have waited for a processor, in seconds."""
    return sum(int(Path(f"/proc/{task}/schedstat").read_text().split()[1]) for task in tasks) / 1e9


def _answers(engine: EngineRoot, seconds: float) -> list[float]:
    """How long others wait for `ps` and ping meanwhile, besides waiting for a processor: the machine's other work is not the
    peers'. Of the engine its loop counts, whose thread is the process's first."""
    took: list[float] = []
    both = (str(engine.pid), f"self/task/{threading.get_native_id()}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or len(took) < 20:
        for path in ("/_ping", "/containers/json?all=1"):
            began, unserved = time.monotonic(), _unserved(*both)
            assert engine.request("GET", path, timeout=20)[0] == 200
            took.append(time.monotonic() - began - (_unserved(*both) - unserved))
        time.sleep(0.05)  # a client that asks now and then, not one that keeps the engine busy
    return took


def _memory(engine: EngineRoot) -> int:
    with open(f"/proc/{engine.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) * 1024


def _descriptors(engine: EngineRoot) -> int:
    return len(os.listdir(f"/proc/{engine.pid}/fd"))


def test_an_engine_ends_although_clients_do_not_read(tmp_path: Path) -> None:
    with EngineRoot(tmp_path) as engine:
        engine.import_busybox()
        id = _run(engine, "sh", "-c", "head -c 30000000 /dev/zero > /big; sleep 1000")
        path = f"/containers/{id}/archive?path=/big"
        wait_for(lambda: b"30000000" in _stat(engine, path), lambda: "the file is not written")
        stalled = []
        for request in (path, f"/containers/{id}/export", "/images/busybox/get"):
            stalled.append(engine.connect())
            stalled[-1].sendall(Endpoint("GET", request).head())
            assert stalled[-1].recv(12) == b"HTTP/1.1 200"
        engine.stop()
        for connection in stalled:
            connection.close()


@pytest.mark.parametrize("habit", ["reads nothing", "writes nothing", "a byte a second", "vanishes"])
def test_others_do_not_notice(engine: EngineRoot, subjects: Subjects, habit: str) -> None:
    descriptors, memory = _descriptors(engine), _memory(engine)
    executing = _run(engine, "sleep", "1000")
    peers = _Peers(engine, subjects, executing)
    over = threading.Event()
    busy = threading.Thread(target=peers.dribble, args=(over,))
    try:
        if habit == "reads nothing":
            peers.push()
        elif habit == "a byte a second":
            busy.start()
        elif habit == "vanishes":
            peers.push()
            peers.close()
        took = _answers(engine, 3.0)
        assert statistics.median(took) < PROMPT, sorted(took)[-5:]
        assert _memory(engine) - memory < GROWTH
    finally:
        over.set()
        if busy.ident is not None:
            busy.join()
        peers.close()
        engine.json("DELETE", f"/containers/{executing}?force=1")  # what an exec has started goes on without its client
    wait_for(
        lambda: _descriptors(engine) <= descriptors + 3,
        lambda: f"{_descriptors(engine)} descriptors, {descriptors} before",
    )


def _both_ways(connection: socket.socket, data: bytes, expected: int) -> bytes:
    """Send and receive at once, as programs do; the sender's side is closed at its end."""

    def feed() -> None:
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=feed)
    thread.start()
    out = bytearray()
    while len(out) < expected and (piece := connection.recv(1 << 16)):
        out += piece
    thread.join()
    return bytes(out)


def _frames(data: bytes) -> bytes:
    out = bytearray()
    while data:
        size = int.from_bytes(data[4:8], "big")
        out += data[8 : 8 + size]
        data = data[8 + size :]
    return bytes(out)


def _switched(engine: EngineRoot, head: bytes) -> socket.socket:
    connection = engine.connect(60)
    connection.sendall(head)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += connection.recv(1)
    assert b" 101 " in answer, answer
    return connection


def test_an_exec_gives_back_what_it_was_given(engine: EngineRoot, subjects: Subjects) -> None:
    data = os.urandom(20_000_000)
    with _switched(
        engine, Endpoint("POST", f"/exec/{_exec(engine, subjects.silent, ['cat'])}/start", _UPGRADE).head()
    ) as it:
        assert _frames(_both_ways(it, data, 1 << 62)) == data


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_gigabytes_through_an_exec(engine: EngineRoot, subjects: Subjects) -> None:
    piece, count = os.urandom(1 << 20), 2048
    sent, received = hashlib.md5(), hashlib.md5()
    command = ["cat"]
    body = {"Cmd": command, "AttachStdin": True, "AttachStdout": True}
    id = engine.json("POST", f"/containers/{subjects.silent}/exec", body)["Id"]
    with _switched(engine, Endpoint("POST", f"/exec/{id}/start", _UPGRADE).head()) as connection:

        def feed() -> None:
            for _ in range(count):
                sent.update(piece)
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=feed)
        thread.start()
        with connection.makefile("rb") as stream:
            while head := stream.read(8):
                received.update(stream.read(int.from_bytes(head[4:], "big")))
        thread.join()
    assert sent.digest() == received.digest()


def test_a_container_gives_back_what_it_was_given(engine: EngineRoot) -> None:
    data = os.urandom(5_000_000)
    body = {"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True}
    id = engine.json("POST", "/containers/create", body)["Id"]
    path = f"/containers/{id}/attach?stream=1&stdin=1&stdout=1"
    with _switched(engine, Endpoint("POST", path, _UPGRADE).head()) as connection:
        engine.json("POST", f"/containers/{id}/start")
        assert _frames(_both_ways(connection, data, 1 << 62)) == data
    engine.json("DELETE", f"/containers/{id}?force=1")


def test_a_websocket_gives_back_what_it_was_given(engine: EngineRoot) -> None:
    data = os.urandom(1_000_000)
    id = engine.json("POST", "/containers/create", {"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True})["Id"]
    engine.json("POST", f"/containers/{id}/start")
    key = base64.b64encode(os.urandom(16)).decode()
    headers = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    path = f"/containers/{id}/attach/ws?stream=1&stdin=1&stdout=1"
    mask = b"\x11\x22\x33\x44"
    masked = bytes(byte ^ mask[index & 3] for index, byte in enumerate(data))
    with _switched(engine, Endpoint("GET", path, headers).head()) as connection:
        thread = threading.Thread(
            target=connection.sendall, args=(struct.pack(">BBQ", 0x82, 0xFF, len(data)) + mask + masked,)
        )
        thread.start()
        out = bytearray()
        with connection.makefile("rb") as stream:
            while len(out) < len(data):
                _, size = stream.read(2)
                size = int.from_bytes(stream.read({126: 2, 127: 8}[size]), "big") if size > 125 else size
                out += stream.read(size)
        thread.join()
    assert bytes(out) == data
    engine.json("DELETE", f"/containers/{id}?force=1")


def test_a_program_that_reads_late_gets_all(engine: EngineRoot, subjects: Subjects) -> None:
    data = os.urandom(2_000_000)
    id = _exec(engine, subjects.silent, ["sh", "-c", "sleep 1; wc -c"])
    with _switched(engine, Endpoint("POST", f"/exec/{id}/start", _UPGRADE).head()) as connection:

        def send() -> None:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        threading.Thread(target=send).start()
        assert statistics.median(_answers(engine, 0.5)) < PROMPT
        assert _frames(connection.recv(65536)) == b"2000000\n"


def test_input_of_a_client_that_has_left_is_given_to_the_end(engine: EngineRoot, subjects: Subjects) -> None:
    """It was sent, so it counts; then the program reads the end of its input."""
    id = _exec(engine, subjects.silent, ["sh", "-c", "sleep 0.5; wc -c > /tmp/count"])
    with _switched(engine, Endpoint("POST", f"/exec/{id}/start", _UPGRADE).head()) as connection:
        connection.sendall(bytes(100_000))
    wait_for(lambda: engine.json("GET", f"/exec/{id}/json")["ExitCode"] is not None, lambda: "it still runs")
    count = engine.request("GET", f"/containers/{subjects.silent}/archive?path=/tmp/count")[1]
    assert b"100000\n" in count
    assert engine.json("GET", f"/exec/{id}/json")["ExitCode"] == 0
