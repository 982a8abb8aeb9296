"""Large projects, and services that wait for each other. How long that takes is measured by benchmarks/compare.py."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left, wait_for
from support.soaking import Held

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    directory = tmp_path / "project"
    directory.mkdir()
    command = Command(tmp_path / "root", directory)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    yield command
    command("engine", "stop", "--force")
    assert_nothing_left(command.root)


@pytest.mark.parametrize("count", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_many_services(command: Command, count: int) -> None:
    lines = ["services:"]
    for number in range(count):
        lines += [f"  s{number}:", "    image: busybox", "    command: sleep 100000", "    stop_signal: SIGKILL"]
        if number % 10:
            lines.append(f"    depends_on: [s{number // 10 * 10}]")
    (command.directory / "compose.yaml").write_text("\n".join(lines))
    pid = command.engine()["pid"]
    idle = 0
    for number in range(3):
        if number == 1:  # what is opened once has been opened
            wait_for(lambda: Held.by(pid).descriptors <= 24, lambda: f"{Held.by(pid)} held with nothing there")
            idle = Held.by(pid).descriptors
        command("up", "-d")
        before = command.ps()
        assert len(before) == count
        command("up", "-d")
        assert command.ps().keys() == before.keys()
        command("down")
        assert command.ps() == {}
    # Those of the last containers close a moment after the answer. SQLite may keep one more of its file, for a lock of its own.
    wait_for(lambda: Held.by(pid).descriptors <= idle + 1, lambda: f"{Held.by(pid)} held, {idle} before")


def test_a_ready_service_starts_its_dependant_long_before_the_interval_ends(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(
        """
services:
  early:
    image: busybox
    command: sh -c 'sleep 0.3; touch /ready; sleep 100000'
    stop_signal: SIGKILL
    healthcheck:
      test: test -e /ready
      interval: 30s
  late:
    image: busybox
    command: sleep 100000
    stop_signal: SIGKILL
    depends_on:
      early:
        condition: service_healthy
"""
    )
    command("up", "-d")
    listing = command("container", "inspect", "project-early-1", "project-late-1").stdout
    early, late = (datetime.fromisoformat(one["State"]["StartedAt"][:26] + "+00:00") for one in json.loads(listing))
    assert (late - early).total_seconds() < 15
    command("down")
