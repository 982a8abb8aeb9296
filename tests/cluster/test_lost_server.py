"""The API server goes away while a deployment waits: one line and an exit code, and the next deployment finishes the work."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml

if TYPE_CHECKING:
    from cluster.conftest import Lab

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

STACK = """
services:
  db:
    image: "@IMAGE@"
    init: true
    command: [sh, -c, "sleep 15; touch /tmp/ok; sleep 100000"]
    healthcheck: {test: ["CMD-SHELL", "cat /tmp/ok"], interval: 1s, start_period: 60s}
    deploy: {endpoint_mode: dnsrr}
  web:
    image: "@IMAGE@"
    init: true
    command: [sleep, "100000"]
    depends_on: {db: {condition: service_healthy}}
    deploy: {endpoint_mode: dnsrr}
"""


class Line:
    """A way to the server that can be cut: what is under way breaks off, and nobody is let in any more."""

    def __init__(self, listener: socket.socket, family: int, server: str | tuple[str, int]) -> None:
        self._listener, self._family, self._server = listener, family, server
        self._open: list[socket.socket] = []
        listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(self._family)
                server.connect(self._server)
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self.break_off()
        _end(self._listener)

    def break_off(self) -> None:
        """End what is under way. Who comes again is let in."""
        under_way, self._open = self._open, []
        for one in under_way:
            _end(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def line_to(lab: Lab, directory: Path) -> tuple[Line, str, dict[str, str]]:
    """The line, and the target and environment of a command that goes over it."""
    if lab.kind == "swarm":
        address = lab.to.removeprefix("swarm:")
        if not address.startswith("unix://"):
            pytest.skip("only a manager's socket can be led through a line")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(directory / "line.sock"))
        line = Line(listener, socket.AF_UNIX, address.removeprefix("unix://"))
        return line, f"swarm:unix://{directory / 'line.sock'}", {}
    tree = yaml.safe_load(Path(lab.environment["KUBECONFIG"]).read_text())
    (cluster,) = (one["cluster"] for one in tree["clusters"])
    server = urlsplit(cluster["server"])
    listener = socket.create_server(("127.0.0.1", 0))
    cluster["server"] = f"https://127.0.0.1:{listener.getsockname()[1]}"
    cluster.pop("certificate-authority", None)
    cluster.pop("certificate-authority-data", None)
    cluster["insecure-skip-tls-verify"] = True  # its certificate need not have this machine's name
    config = directory / "line.yaml"
    config.write_text(yaml.safe_dump(tree))
    line = Line(listener, socket.AF_INET, (str(server.hostname), server.port or 443))
    return line, "kubernetes", {"KUBECONFIG": str(config)}


def test_a_server_that_goes_away_in_the_middle(lab: Lab, tmp_path: Path) -> None:
    lab.write(STACK)
    line, to, environment = line_to(lab, tmp_path)
    command = [sys.executable, "-m", "pycompose.compose.cli.main", "deploy", "--to", to]
    with subprocess.Popen(
        command,
        cwd=lab.directory,
        env={**os.environ, **lab.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        told = []
        for text in process.stderr:
            told.append(text)
            if "db" in text and "Waiting" in text:
                break
        line.cut()
        rest = process.stderr.read()
        assert process.wait(60) == 1, "".join(told) + rest
    assert "Traceback" not in rest
    assert not any("web" in one["Service"] for one in lab.units())
    assert rest.strip().splitlines()[-1], rest
    done = lab.run("deploy")
    assert "nothing to do" not in done.stdout
    assert sorted(one["Service"] for one in lab.units()) == ["db", "web"]
    assert "nothing to do" in lab.run("deploy").stdout


COUNTING = """
services:
  web:
    image: "@IMAGE@"
    init: true
    command: [sh, -c, "i=0; while :; do i=$$((i + 1)); echo line $$i; sleep 0.2; done"]
    deploy: {replicas: 2, endpoint_mode: dnsrr}
"""


def test_output_is_followed_over_a_connection_that_breaks_off(lab: Lab, tmp_path: Path) -> None:
    """Every line of every replica, once: the streams are opened again where they were."""
    lab.write(COUNTING)
    lab.run("deploy")
    line, to, environment = line_to(lab, tmp_path)
    command = [sys.executable, "-m", "pycompose.compose.cli.main", "logs", "--to", to, "-f", "--no-color"]
    heard: dict[str, list[int]] = {}
    broken: dict[str, int] = {}
    with subprocess.Popen(
        command,
        cwd=lab.directory,
        env={**os.environ, **lab.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for text in process.stdout:
            source, _, words = text.partition("|")
            heard.setdefault(source.strip(), []).append(int(words.split()[-1]))
            if not broken and len(heard) == 2 and min(map(len, heard.values())) > 20:
                broken = {source: len(numbers) for source, numbers in heard.items()}
                line.break_off()
            if broken and all(len(numbers) > broken[source] + 20 for source, numbers in heard.items()):
                break
        process.terminate()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    line.cut()
    assert len(broken) == 2, heard
    for numbers in heard.values():
        assert numbers == list(range(1, len(numbers) + 1))
