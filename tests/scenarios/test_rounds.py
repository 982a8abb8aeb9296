"""Fifty rounds of up and down leave nothing, and two engines side by side never meet."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command, free_port
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

PROJECT = """
services:
  web:
    image: busybox
    command: sh -c 'mkdir -p /www && echo "from $$NAME" > /www/index.html && exec httpd -f -p 80 -h /www'
    stop_signal: SIGKILL
    environment:
      NAME: ${NAME:-nobody}
    ports: ["${PORT}:80"]
    volumes: ["data:/data"]
    healthcheck:
      test: wget -q -O /dev/null http://web/
      interval: 1s
      start_period: 10s
  client:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on:
      web:
        condition: service_healthy
volumes:
  data:
"""


def prepare(base: Path, name: str) -> Command:
    directory = base / name / "project"
    directory.mkdir(parents=True)
    (directory / "compose.yaml").write_text(PROJECT)
    command = Command(base / name / "root", directory)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    return command


def test_fifty_rounds_leave_nothing(tmp_path: Path) -> None:
    command = prepare(tmp_path, "one")
    port = str(free_port())
    try:
        for _ in range(50):
            command("up", "-d", "--wait", PORT=port)
            command("down", "--volumes", PORT=port)
        assert command("volume", "ls", "--quiet").stdout == ""
    finally:
        command("engine", "stop", "--force")
    assert_nothing_left(command.root)


def test_two_engines_side_by_side(tmp_path: Path) -> None:
    sides = {name: (prepare(tmp_path, name), str(free_port())) for name in ("left", "right")}
    try:
        for name, (command, port) in sides.items():
            command("up", "-d", "--wait", PORT=port, NAME=name)
        for name, (_, port) in sides.items():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                assert answer.read().decode().strip() == f"from {name}"
        sides["left"][0]("down", "--volumes", PORT=sides["left"][1])
        assert {row["State"] for row in sides["right"][0].ps().values()} == {"running"}
        with urllib.request.urlopen(f"http://127.0.0.1:{sides['right'][1]}/", timeout=10) as answer:
            assert answer.read().decode().strip() == "from right"
    finally:
        for command, port in sides.values():
            command("down", "--volumes", check=False, PORT=port)
            command("engine", "stop", "--force")
    for command, _ in sides.values():
        assert_nothing_left(command.root)
