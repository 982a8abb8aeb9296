"""Log options and the syslog driver: what reaches the disk and the server, not what inspect says."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pytest
from support.engine_root import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.engine_root import EngineRoot

pytestmark = pytest.mark.root

SAY = ["sh", "-c", "echo out; echo err >&2; printf end"]


def logging(kind: str, **options: str) -> docker.types.LogConfig:
    return docker.types.LogConfig(type=kind, config={name.replace("_", "-"): value for name, value in options.items()})


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("json-file", {"mode": "bogus"}, "logger: logging mode not supported: bogus"),
        ("json-file", {"max-buffer-size": "1m"}, "only supported with 'mode=non-blocking'"),
        ("json-file", {"nosuch": "1"}, "unknown log opt 'nosuch' for json-file log driver"),
        ("syslog", {"syslog-address": "bogus://x"}, "should be in form proto://address"),
        ("syslog", {"syslog-facility": "bogus"}, "invalid syslog facility"),
        ("syslog", {"syslog-format": "bogus"}, "Invalid syslog format"),
        ("nosuch", {}, 'error looking up logging plugin nosuch: plugin "nosuch" not found'),
    ],
)
def test_options_are_refused_at_creation(engine: EngineRoot, kind: str, options: dict[str, str], words: str) -> None:
    body = {"Image": "busybox", "HostConfig": {"LogConfig": {"Type": kind, "Config": options}}}
    status, answer = engine.request("POST", "/containers/create", body)
    assert (status, words in json.loads(answer)["message"]) == (400, True), answer


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("json-file", {"max-size": "bogus"}, "invalid size: 'bogus'"),
        ("json-file", {"max-file": "0"}, "max-file cannot be less than 1"),
        ("json-file", {"compress": "true"}, "compress cannot be true when max-file is less than 2 or max-size is not set"),
        ("json-file", {"tag": "{{.Nosuch}}"}, "can't evaluate field Nosuch in type *logger.Info"),
        ("json-file", {"env-regex": "("}, "error parsing regexp: missing closing )"),
        ("syslog", {"syslog-address": "tcp://127.0.0.1:1"}, "dial tcp 127.0.0.1:1: connect: connection refused"),
    ],
)  # fmt: skip
def test_options_fail_the_start(client: docker.DockerClient, kind: str, options: dict[str, str], words: str) -> None:
    container = client.containers.create("busybox", SAY, log_config=docker.types.LogConfig(type=kind, config=options))
    with pytest.raises(docker.errors.APIError, match="failed to initialize logging driver") as caught:
        container.start()
    assert words in caught.value.explanation


def test_details_are_labels_variables_and_tag(engine: EngineRoot, client: docker.DockerClient) -> None:
    options = {"labels": "a,none", "env-regex": "^X", "tag": "{{.Name}}"}
    container = client.containers.run(
        "busybox", ["echo", "hi"], name="detailed", detach=True, labels={"a": "b c"}, environment={"X1": "1", "Y": "2"},
        log_config=docker.types.LogConfig(type="json-file", config=options),
    )  # fmt: skip
    container.wait()
    status, body = engine.request("GET", f"/containers/{container.id}/logs?stdout=1&details=1")
    assert (status, body[8:]) == (200, b"X1=1,a=b+c,tag=detailed hi\n")


def test_rotated_logs_are_compressed_and_still_read(engine: EngineRoot, client: docker.DockerClient) -> None:
    script = "seq 0 39999 | sed 's,^,this is line number ,'; sleep 300"
    log = logging("json-file", max_size="256k", max_file="10", compress="true")
    container = client.containers.run("busybox", ["sh", "-c", script], detach=True, log_config=log)
    directory = engine.layout.container_state(container.id) / "log"
    wait_for(
        lambda: (
            len(list(directory.glob("*.data.gz"))) >= 2
            and len(list(directory.glob("*.data"))) == 1
            and b"number 39999" in container.logs(tail=1)
        ),
        lambda: sorted(os.listdir(directory)),
    )
    packed = sum(path.stat().st_size for path in directory.glob("*.data.gz"))
    assert packed * 4 < (256 << 10) * len(list(directory.glob("*.data.gz")))
    lines = container.logs().decode().splitlines()
    first = int(lines[0].split()[-1])
    assert lines == [f"this is line number {number}" for number in range(first, 40000)]
    assert first == 0
    assert container.logs(tail=15000).decode().splitlines() == lines[-15000:]


class Collector:
    """A syslog server on loopback; ``lines`` is what came."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
        self.socket = listener
        listener.settimeout(10)
        self._context = context
        self._stream: socket.socket | None = None
        self._rest = b""

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def lines(self, count: int) -> list[str]:
        if self.socket.type == socket.SOCK_DGRAM:
            return [self.socket.recv(65536).decode() for _ in range(count)]
        while self._rest.count(b"\n") < count:
            if self._stream is None:
                plain, _ = self.socket.accept()
                plain.settimeout(10)
                self._stream = self._context.wrap_socket(plain, server_side=True) if self._context else plain
            data = self._stream.recv(65536)
            self._rest += data
            if not data:
                self._stream.close()
                self._stream = None  # the engine looked whether anybody is there
        *lines, self._rest = self._rest.split(b"\n", count)
        return [line.decode() for line in lines]


@pytest.fixture
def udp() -> Iterator[Collector]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        yield Collector(listener)


@pytest.fixture
def tcp() -> Iterator[Collector]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        collector = Collector(listener)
        yield collector
        collector.close()


def run(client: docker.DockerClient, **options: Any) -> Any:
    container = client.containers.run("busybox", SAY, detach=True, log_config=logging("syslog", **options))
    assert container.wait()["StatusCode"] == 0
    assert sorted(container.logs().split()) == [b"end", b"err", b"out"]  # they can be read back
    return container


def test_syslog_by_udp(client: docker.DockerClient, udp: Collector) -> None:
    container = run(client, syslog_address=f"udp://127.0.0.1:{udp.port}", syslog_facility="local3")
    lines = udp.lines(3)
    priorities = {line.rstrip("\n").rpartition(" ")[2]: line[: line.index(">") + 1] for line in lines}
    assert priorities == {"out": "<158>", "end": "<158>", "err": "<155>"}  # local3: info and error
    assert all(f" {container.id[:12]}[" in line for line in lines)


def test_syslog_by_tcp_rfc5424(client: docker.DockerClient, tcp: Collector) -> None:
    run(client, syslog_address=f"tcp://127.0.0.1:{tcp.port}", syslog_format="rfc5424", tag="app/{{.ImageName}}")
    for line in tcp.lines(3):
        priority, moment, host, tag, pid, message, nothing, _ = line.split(" ")
        assert priority in ("<30>1", "<27>1")
        assert moment.endswith("Z")
        assert host == os.uname().nodename
        assert (tag, message, nothing) == ("app/busybox", "app/busybox", "-")
        assert pid.isdigit()


def test_syslog_by_unix_datagrams_rfc3164(client: docker.DockerClient, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        path = f"/tmp/pycompose-test-syslog-{os.getpid()}"
        listener.bind(path)
        try:
            run(client, syslog_address=f"unixgram://{path}", syslog_format="rfc3164")
            assert all(f" {os.uname().nodename} " in line for line in Collector(listener).lines(3))
        finally:
            os.unlink(path)


def test_syslog_by_tls(client: docker.DockerClient, tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=127.0.0.1 -addext"
    subprocess.run([*command.split(), "subjectAltName=IP:127.0.0.1"], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        address = f"tcp+tls://127.0.0.1:{listener.getsockname()[1]}"
        script = ["sh", "-c", "sleep 1; echo secret"]
        log = logging(
            "syslog", syslog_address=address, syslog_tls_ca_cert=str(tmp_path / "cert"), syslog_format="rfc5424"
        )
        container = client.containers.run("busybox", script, detach=True, log_config=log)
        listener.accept()[0].close()  # the engine looked whether anybody is there
        plain, _ = listener.accept()
        plain.settimeout(10)
        with context.wrap_socket(plain, server_side=True) as secured:
            length, _, text = secured.recv(4096).partition(b" ")
            assert text.endswith(b" - secret\n")
            assert int(length) == len(text)
        container.remove(force=True)


def test_a_server_that_does_not_read_holds_nobody_up(client: docker.DockerClient, tcp: Collector) -> None:
    script = ["sh", "-c", "head -c 8000000 /dev/zero | tr '\\0' x | fold -w 100; echo; sleep 300"]
    log = logging("syslog", syslog_address=f"tcp://127.0.0.1:{tcp.port}")
    container = client.containers.run("busybox", script, detach=True, log_config=log)
    wait_for(lambda: container.top()["Processes"][-1][-1] == "sleep 300", container.top)
    assert container.exec_run(["echo", "alive"]).output == b"alive\n"
    container.stop(timeout=0)


def test_many_followers_are_one_inotify_instance(engine: EngineRoot, client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", ["sh", "-c", "while :; do echo tick; sleep 0.1; done"], detach=True)
    followers = [engine.connect() for _ in range(200)]
    try:
        for follower in followers:
            path = f"/containers/{container.id}/logs?stdout=1&follow=1&tail=0"
            follower.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for follower in followers:
            data = b""
            while data.count(b"tick") < 2:
                piece = follower.recv(4096)
                assert piece, data
                data += piece
        assert _instances(engine.pid) == 1
    finally:
        for follower in followers:
            follower.close()
    container.remove(force=True)
    wait_for(lambda: _instances(engine.pid) == 0, lambda: f"{_instances(engine.pid)} inotify instances")


def _instances(pid: int) -> int:
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}") == "anon_inode:inotify"
        except FileNotFoundError:
            continue
    return found
