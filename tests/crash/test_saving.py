"""Engine and keeper are killed while a snapshot is saved: the earlier snapshot is whole, and so is the volume."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import EngineRoot, assert_nothing_left, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

STACK = """
name: fixed
services:
  web:
    image: busybox
    container_name: the-web
    command: sleep 100000
    volumes: ["data:/data"]
volumes:
  data:
    name: fixed-data
"""


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    project = tmp_path / "project"
    project.mkdir()
    (project / "compose.yaml").write_text(STACK)
    try:
        yield Command(tmp_path / "root", project)
    finally:
        EngineRoot(tmp_path / "root").kill_all()  # nobody, where the test has come to its end


@pytest.mark.parametrize("rounds", [2, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_engine_killed_while_saving(command: Command, rounds: int) -> None:
    """Whichever moment it was. A round has one cold start, which takes seconds on a machine as busy as the slow variant was
    first run on: so all else of it goes to the engine that is there."""
    engine = EngineRoot(command.root)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    command("up", "-d")
    engine.run("the-web", "sh", "-c", "echo base > /data/file")
    command("stop", "-t", "0")
    body = {"group": "fixed", "volumes": {"data": "fixed-data"}}
    began = time.monotonic()
    engine.json("POST", "/pycompose/snapshots", {**body, "name": "base"})
    took = time.monotonic() - began  # the moments lie within it: on a busy machine it is ten times what it is elsewhere
    engine.json("POST", "/containers/the-web/start")
    place = random.Random(rounds)
    for number in range(rounds):
        assert engine.run("the-web", "cat", "/data/file") == "base\n", f"round {number}"
        engine.run("the-web", "sh", "-c", f"echo later{number} > /data/file")
        engine.json("POST", "/containers/the-web/stop?t=0")
        killer = threading.Timer(place.uniform(0, 1.2 * took), kill, [engine.pid, engine.keeper_pid])
        killer.start()
        with contextlib.suppress(OSError, HTTPException):
            engine.request("POST", "/pycompose/snapshots", {**body, "name": "late"})
        killer.join()
        command("start")  # the next keeper and engine
        assert engine.run("the-web", "cat", "/data/file") == f"later{number}\n", f"round {number}"
        command("snapshot", "restore", "base")  # starts what ran
    command("down", "-v", "-t", "0")
    command("snapshot", "rm", *command("snapshot", "ls", "-q").stdout.split())
    layers = engine.layout.layered
    wait_for(lambda: not any(layers.iterdir()), lambda: f"layers stay: {list(layers.iterdir())}")
    command("engine", "stop", "--force")
    assert_nothing_left(command.root)
