"""`up --watch` and `watch &` as developers have them run all day."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

FILE = r"""
name: watched
services:
  web:
    build: {context: ., dockerfile_inline: "FROM box\nCOPY dep /dep\n"}
    stop_signal: SIGKILL
    command: sh -c 'echo started with $$(cat /dep); exec sleep 600'
    develop:
      watch:
        - {path: ./src, target: /src, action: sync, initial_sync: true, include: ["*.py", "sub/**"]}
        - {path: ./script, target: /script, action: sync+exec, exec: {command: cp /script /ran}}
        - {path: ./conf, action: restart}
        - {path: ./dep, action: rebuild}
"""


class Running:
    """A command in the background of a shell, where SIGINT is ignored to begin with."""

    def __init__(self, command: Command, *words: str) -> None:
        self.process = subprocess.Popen(
            [str(PYCOMPOSE), "--root", str(command.root), *words],
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
        self.text = ""

    def expect(self, pattern: str, patience: float = 30) -> None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + patience
        while not (found := re.search(pattern, self.text)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert data, f"{pattern!r} did not come: {self.text!r}"
            self.text += data.decode()
        self.text = self.text[found.end() :]

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    directory = tmp_path / "watched"
    (directory / "src" / "sub").mkdir(parents=True)
    for name in ("src/a.py", "src/b.txt", "script", "conf", "dep"):
        (directory / name).write_text("one")
    (directory / "compose.yaml").write_text(FILE)
    command = Command(tmp_path / "root", directory)
    command("image", "import", "-c", 'CMD ["sh"]', "-", "box", stdin=busybox_rootfs().read())
    yield command
    command("down", "--volumes")
    command("engine", "stop", "--force")
    assert_nothing_left(tmp_path / "root")


def test_up_watch_goes_on_over_restarts_and_rebuilds(command: Command) -> None:
    running = Running(command, "up", "--watch")
    running.expect(r"web-1  \| started with one")
    running.expect("Watch enabled")
    assert command("exec", "-T", "web", "ls", "/src").stdout == "a.py\n"
    (command.directory / "src" / "sub" / "c.txt").write_text("two")
    (command.directory / "src" / "b.txt").write_text("two")
    running.expect("Syncing service 'web' after 1 change was detected")
    assert command("exec", "-T", "web", "cat", "/src/sub/c.txt").stdout == "two"
    (command.directory / "script").write_text("two")
    running.expect("Syncing service 'web'")
    (command.directory / "conf").write_text("two")
    running.expect(r"web-1  \| started with one")
    assert command("exec", "-T", "web", "cat", "/ran").stdout == "two"
    first = command.ps()["watched-web-1"]["ID"]
    (command.directory / "dep").write_text("two")
    running.expect(r"web-1  \| started with two")
    assert command.ps()["watched-web-1"]["ID"] != first
    assert running.interrupt() == 130
    assert command.ps()["watched-web-1"]["State"] == "exited"


def test_watch_in_the_background_ends_by_sigint_and_leaves_the_project(command: Command) -> None:
    running = Running(command, "watch")
    running.expect("Watch enabled")
    assert running.interrupt() == 130
    assert command.ps()["watched-web-1"]["State"] == "running"
