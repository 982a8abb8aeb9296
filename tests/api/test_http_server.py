"""The HTTP server under clients that are slow, broken, hostile or simply gone."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.root


def connect(engine: EngineRoot, timeout: float = 10) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    directory = os.open(engine.layout.run, os.O_PATH)
    try:
        connection.connect(f"/proc/self/fd/{directory}/engine.sock")
    finally:
        os.close(directory)
    return connection


def everything(connection: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(TimeoutError):
        while piece := connection.recv(65536):
            data += piece
    return data


def until(connection: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


def unframed(data: bytes) -> bytes:
    out = b""
    while data:
        size = int.from_bytes(data[4:8], "big")
        out += data[8 : 8 + size]
        data = data[8 + size :]
    return out


def descriptors(engine: EngineRoot) -> int:
    return len(os.listdir(f"/proc/{engine.pid}/fd"))


def test_keep_alive_and_pipelining(engine: EngineRoot) -> None:
    with connect(engine) as connection:
        request = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(request * 3)
        data = b""
        while data.count(b"\r\n\r\nOK") < 3:
            data += connection.recv(65536)


def test_half_closed_client_gets_its_answer(engine: EngineRoot) -> None:
    with connect(engine) as connection:
        connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection).endswith(b"OK")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/_ping", 200),
        ("/v1.24/_ping", 200),
        ("/v1.47/version", 200),
        ("/v1.99/version", 400),
        ("/v1.10/version", 400),
        ("/nowhere", 404),
        ("/containers", 404),
        ("/v1.44/containers/x/json", 404),
        ("/containers/json?filters=nonsense", 400),
        ("/containers/json?filters=%7B%22nosuch%22%3A%5B%22x%22%5D%7D", 400),
        ("/containers/json?limit=many", 400),
        ("/events?since=nonsense", 400),
        ("/swarm", 503),
        ("/distribution/127.0.0.1:1/x/json", 503),
        ("/distribution/X/json", 400),
        ("/containers/127.0.0.1:1/a/b:tag/json", 404),
        ("/containers/%00/json", 404),
        ("/%ff", 404),
    ],
)
def test_status(engine: EngineRoot, path: str, status: int) -> None:
    answer, body = engine.request("GET", path)
    assert answer == status, body
    if status >= 400:
        assert json.loads(body)["message"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/_ping", b"HTTP/1.1 200 OK\r\n"),
        ("/containers/none/json", b"HTTP/1.1 404 Not Found\r\n"),
        ("/events?until=1", b"HTTP/1.1 200 OK\r\n"),  # streamed
    ],
)
def test_the_status_is_said_in_words(engine: EngineRoot, path: str, line: bytes) -> None:
    with connect(engine) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert until(connection, b"\r\n\r\n").startswith(line)


def test_wrong_method(engine: EngineRoot) -> None:
    assert engine.request("DELETE", "/_ping")[0] == 404
    status, body = engine.request("HEAD", "/_ping")
    assert (status, body) == (200, b"")


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 300_000 + b"\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
    ],
)
def test_broken_requests_get_an_error_and_the_connection_ends(engine: EngineRoot, request_: bytes) -> None:
    with connect(engine) as connection:
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(request_)
        with contextlib.suppress(ConnectionResetError):
            data = everything(connection)
            assert data == b"" or data.split()[1][:1] == b"4", data[:200]
    assert engine.request("GET", "/_ping")[0] == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"Image": 5}', 400),
        (b"[" * 100_000, 400),
        (b'{"HostConfig": []}', 400),
    ],
)
def test_bad_json(engine: EngineRoot, body: bytes, status: int) -> None:
    with connect(engine) as connection:
        head = f"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        assert until(connection, b"}").split()[1] == str(status).encode()


def test_body_without_end_is_bounded(engine: EngineRoot) -> None:
    with connect(engine) as connection:
        connection.sendall(b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(400):
                connection.sendall(piece)
        with contextlib.suppress(ConnectionResetError):
            assert b" 413 " in everything(connection)[:64]


def test_slow_clients_do_not_stall_others(engine: EngineRoot) -> None:
    slow = [connect(engine) for _ in range(50)]
    for number, connection in enumerate(slow):
        connection.sendall(
            b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"[: 10 + number]
        )
    began = time.monotonic()
    for _ in range(20):
        assert engine.request("GET", "/containers/json")[0] == 200
    assert time.monotonic() - began < 5
    for connection in slow:
        connection.close()


def test_vanished_followers_leave_nothing(engine: EngineRoot, client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", ["sh", "-c", "while :; do echo x; sleep 0.01; done"], detach=True)
    before = descriptors(engine)
    paths = [f"/containers/{container.id}/logs?stdout=1&follow=1", "/events", f"/containers/{container.id}/stats"]
    paths += [f"/containers/{container.id}/wait", f"/containers/{container.id}/attach?stdout=1&stream=1"]
    connections = []
    for path in paths * 10:
        method = "POST" if path.endswith(("/wait", "stream=1")) else "GET"
        connection = connect(engine)
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connections.append(connection)
    for connection in connections:
        assert b"HTTP/1.1" in connection.recv(64)
    assert descriptors(engine) > before + len(connections)
    for connection in connections:
        connection.close()
    wait_for(lambda: descriptors(engine) <= before + 2, lambda: f"{descriptors(engine)} descriptors, {before} before")


def test_a_reader_that_does_not_read_holds_up_nobody(engine: EngineRoot, client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", ["sh", "-c", f"yes {'x' * 99} | head -c 20000000"], detach=True)
    container.wait()
    with connect(engine) as connection:
        connection.sendall(f"GET /containers/{container.id}/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.3)
        assert engine.request("GET", "/_ping")[0] == 200
        assert len(container.logs()) == 20_000_000


def test_attach_stdin_half_close(engine: EngineRoot, client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["cat"], stdin_open=True, detach=False)
    body = {"Image": "busybox", "Cmd": ["sort"], "OpenStdin": True, "StdinOnce": True, "AttachStdin": True}
    id = engine.json("POST", "/containers/create", body)["Id"]
    with connect(engine) as connection:
        connection.sendall(
            f"POST /containers/{id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n"
            "Upgrade: tcp\r\nConnection: Upgrade\r\n\r\n".encode()
        )
        assert until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        engine.json("POST", f"/containers/{id}/start")
        connection.sendall(b"b\na\n")
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection) == b"\x01\0\0\0\0\0\0\x04a\nb\n"
    assert engine.json("POST", f"/containers/{id}/wait")["StatusCode"] == 0
    container.remove()


BODY = b'{"stream":true,"stdin":true}'
LENGTH = b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (BODY[:5], len(BODY) - 5, BODY[5:])


@pytest.mark.parametrize("upgrade", [b"Upgrade: tcp\r\nConnection: Upgrade\r\n", b""], ids=["101", "200"])
@pytest.mark.parametrize("body", [b"\r\n", LENGTH, CHUNKED], ids=["none", "length", "chunked"])
@pytest.mark.parametrize("early", [True, False], ids=["input at once", "input later"])
def test_a_body_of_an_upgraded_request_is_no_input(
    engine: EngineRoot, client: docker.DockerClient, body: bytes, upgrade: bytes, early: bool
) -> None:
    """docker-modem sends its options as JSON with every attach."""
    created = {"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True}
    id = engine.json("POST", "/containers/create", created)["Id"]
    with connect(engine) as connection:
        path = f"POST /containers/{id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(path.encode() + upgrade + body + (b"first\n" if early else b""))
        until(connection, b"\r\n\r\n")
        engine.json("POST", f"/containers/{id}/start")
        connection.sendall(b"hello\n")
        connection.shutdown(socket.SHUT_WR)
        output = everything(connection)
    wanted = b"first\nhello\n" if early else b"hello\n"
    assert unframed(output) == wanted


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED], ids=["length", "chunked"])
def test_bodies_of_other_upgrades_are_read_away(
    engine: EngineRoot, client: docker.DockerClient, framing: bytes
) -> None:
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True)
    body = {"Cmd": ["cat"], "AttachStdin": True, "AttachStdout": True}
    id = engine.json("POST", f"/containers/{container.id}/exec", body)["Id"]
    with connect(engine) as connection:
        head = f"POST /exec/{id}/start HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n"
        connection.sendall(head.encode() + framing + b"hello\n")
        assert b" 101 " in until(connection, b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection).endswith(b"\x06hello\n")
    with connect(engine) as connection:
        head = "POST /grpc HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
        connection.sendall(
            head.encode() + framing + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        )
        answer = until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")[2]
        assert (answer or connection.recv(9))[3] == 4  # the server's SETTINGS, and no GOAWAY


def test_attach_by_websocket(engine: EngineRoot) -> None:
    body = {"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "Tty": True}
    id = engine.json("POST", "/containers/create", body)["Id"]
    engine.json("POST", f"/containers/{id}/start")
    with connect(engine) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET /containers/{id}/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert b" 101 " in until(connection, b"\r\n\r\n")
        mask = b"\1\2\3\4"
        text = b"hello\n"
        masked = bytes(byte ^ mask[index & 3] for index, byte in enumerate(text))
        connection.sendall(struct.pack(">BB", 0x82, 0x80 | len(text)) + mask + masked)
        assert b"hello" in until(connection, b"hello\r\n")
    engine.json("DELETE", f"/containers/{id}?force=1")


def test_detach_keys(engine: EngineRoot) -> None:
    body = {"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "Tty": True}
    id = engine.json("POST", "/containers/create", body)["Id"]
    engine.json("POST", f"/containers/{id}/start")
    with connect(engine) as connection:
        connection.sendall(
            f"POST /containers/{id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n"
            "Upgrade: tcp\r\nConnection: Upgrade\r\n\r\n".encode()
        )
        until(connection, b"\r\n\r\n")
        connection.sendall(b"abc\r")
        until(connection, b"abc\r\nabc\r\n")
        connection.sendall(b"\x10\x11")
        everything(connection)
    assert engine.json("GET", f"/containers/{id}/json")["State"]["Running"]
    engine.json("DELETE", f"/containers/{id}?force=1")


def test_parallel_creates_of_one_name(engine: EngineRoot, client: docker.DockerClient) -> None:
    answers: list[int] = []

    def create() -> None:
        answers.append(engine.request("POST", "/containers/create?name=only-one", {"Image": "busybox"})[0])

    threads = [threading.Thread(target=create) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201] + [409] * 9
