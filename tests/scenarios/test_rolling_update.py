"""An update that starts first, while others make requests: nobody who depends on it goes before it has come."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command, free_port
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

SERVE = "mkdir -p /www && echo $$V > /www/index.html && exec httpd -f -p 80 -h /www"


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    root = tmp_path / "root"
    root.mkdir()
    command = Command(root, tmp_path)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    yield command
    command("down", check=False)
    command("engine", "stop", "--force")
    assert_nothing_left(root)


class Requests:
    """One request after the other to ``port``, until `stop`; ``lost`` are the moments of those that failed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.made = 0
        self.lost: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.time()
            try:
                with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                    connection.settimeout(10)
                    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    answered = b"200 OK" in connection.recv(4096)
            except OSError:
                answered = False
            self.made += 1
            if not answered:
                self.lost.append(began)
            self._over.wait(0.005)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def test_a_dependant_serves_until_what_it_depends_on_has_come(command: Command) -> None:
    port = free_port()
    file = command.directory / "compose.yaml"
    text = f"""\
name: rolling
services:
  api:
    image: busybox
    command: sh -c '{SERVE}'
    stop_signal: SIGKILL
    environment: {{V: "%s"}}
    healthcheck: {{test: sleep 1, interval: 60s, start_interval: 50ms, start_period: 60s}}
    deploy: {{update_config: {{order: start-first}}}}
  front:
    image: busybox
    command: sh -c '{SERVE}'
    stop_signal: SIGKILL
    ports: ["127.0.0.1:{port}:80"]
    depends_on: {{api: {{condition: service_healthy, restart: true}}}}
"""
    file.write_text(text % 1)
    command("up", "-d", "--wait")
    before = command.ps()
    file.write_text(text % 2)
    requests = Requests(port)
    since = time.time()
    try:
        command("up", "-d", "--wait")
    finally:
        requests.stop()
    lines = command("events", "--json", "--since", f"{since:.6f}", "--until", f"{time.time():.6f}").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    old = before["rolling-api-1"]["ID"]

    def place(service: str, action: str, *, of_old: bool = False) -> int:
        return next(
            index
            for index, one in enumerate(events)
            if one["service"] == service and one["action"] == action and one["id"].startswith(old) == of_old
        )

    assert place("api", "health_status: healthy") < place("front", "die") < place("front", "start")
    assert place("front", "start") < place("api", "die", of_old=True)
    assert requests.made > 20
    # The check takes a second: all that time requests went through. Only the restart itself can lose some.
    went = [one for one in requests.lost if one < since + 1]
    assert went == [], f"{len(went)} of {requests.made} requests were lost while the new container came up"
    assert command.ps()["rolling-front-1"]["ID"] == before["rolling-front-1"]["ID"]
