"""`why`: a chain of services that wait for each other, the first line of trouble, a change of the file, and the fix."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

PROJECT = """
name: p
services:
  db:
    image: busybox
    command: sh -c 'echo starting; echo "FATAL out of luck"; echo "error later"; exit 4'
  api:
    image: busybox
    command: sleep 1000
    depends_on: {db: {condition: service_completed_successfully}}
  web:
    image: busybox
    command: sleep 1000
    depends_on: [api]
  fine:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    environment: {A: "${A:-1}"}
  taken:
    image: busybox
    command: sleep 1000
    profiles: [port]
    ports: ["127.0.0.1:${PORT:-1}:80"]
"""


def test_why(tmp_path: Path) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "compose.yaml").write_text(PROJECT)
    command = Command(tmp_path / "root", directory)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())

    def why(*services: str, **environment: str) -> dict[str, Any]:
        lines = command("why", "--format", "json", *services, **environment).stdout.splitlines()
        return {one["Service"]: one for one in map(json.loads, lines)}

    try:
        assert why("fine")["fine"]["Fix"] == "pycompose up fine creates it"
        command("up", "-d", check=False)
        found = why()
        assert found["db"]["State"] == "ended with exit code 4" and found["db"]["FirstError"] == "FATAL out of luck"
        assert found["web"]["Chain"] == [
            "web waits for api, which is created",
            "api waits for db, which ended with exit code 4",
        ]
        assert found["fine"] == {
            **found["fine"],
            "State": "running",
            "Chain": [],
            "Changes": [],
            "Fix": "",
            "LastLines": [],
        }
        changed = why("fine", A="2")["fine"]
        assert changed["Fix"] == "pycompose up fine applies the changes" and "environment.A" in changed["Changes"][0]
        text = command("why", "web", "db").stdout
        assert "api waits for db" in text and "first line of trouble: FATAL out of luck" in text
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = str(holder.getsockname()[1])
            command("up", "-d", "taken", check=False, PORT=port)
            fix = why("taken", PORT=port)["taken"]["Fix"]
            assert port in fix and "python" in fix and "compose.yaml:" in fix, fix
        assert "no such service: dbb (did you mean db?)" in command("why", "dbb", check=False).stderr
        command("--profile", "port", "down")
    finally:
        command("engine", "stop", "--force")
    assert_nothing_left(command.root)
