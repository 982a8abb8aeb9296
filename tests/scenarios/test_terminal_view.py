"""`pycompose tui` in a real terminal: tmux shows what a person would see, in 80 columns and with no colours."""

from __future__ import annotations

import shutil
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

TMUX = shutil.which("tmux")
pytestmark = [pytest.mark.root, pytest.mark.peer, pytest.mark.skipif(TMUX is None, reason="tmux is not installed")]

FILE = """
name: shop
services:
  db: {image: box, command: [sh, -c, "echo ready to serve; exec sleep 600"], stop_grace_period: 0s}
  job: {image: box, command: [sh, -c, "echo no queue; exit 3"], depends_on: [db]}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Command]:
    root = tmp_path / "root"
    subprocess.run(
        [str(PYCOMPOSE), "--root", str(root), "image", "import", "-c", 'CMD ["sh"]', "-", "box"],
        input=busybox_rootfs().read(),
        capture_output=True,
        check=True,
    )
    (tmp_path / "compose.yaml").write_text(FILE)
    command = Command(root, tmp_path)
    command("up", "--detach")
    yield command
    command("down", "-t", "0", check=False)
    command("engine", "stop", "--force")
    assert_nothing_left(root)


class Pane:
    """A tmux server of its own with one window of 80×24 that runs a command."""

    def __init__(self, directory: Path, command: str) -> None:
        self._socket = str(directory / "tmux")
        self("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", str(directory), command)

    def __call__(self, *words: str) -> str:
        done = subprocess.run([str(TMUX), "-S", self._socket, *words], capture_output=True, text=True, check=True)
        return done.stdout

    def shows(self, *words: str) -> str:
        """The screen, once every one of ``words`` is on it."""
        deadline = time.monotonic() + 40
        while not all(word in (text := self("capture-pane", "-p")) for word in words):
            assert time.monotonic() < deadline, text
            time.sleep(0.05)  # tmux tells nobody that a pane has changed
        return text


def test_the_terminal_view(stack: Command, tmp_path: Path) -> None:
    pane = Pane(tmp_path, f"NO_COLOR=1 {PYCOMPOSE} --root {stack.root} tui; sleep 600")
    try:
        text = pane.shows("1 of 2 run, look first at job", "● ", "✗ ", "exited, exit code 3", "ready to serve")
        assert max(map(len, text.splitlines())) <= 80
        pane("send-keys", "Down", "Down", "2")
        pane.shows("ended with exit code 3", "no queue")
        stack("pause", "db")
        pane.shows("‖ ", "paused")
        stack("unpause", "db")
        pane("send-keys", "s")
        pane.shows("stop job", "exit code 0", "[y] do it")
        pane("send-keys", "n")
        pane.shows("3 events  4 start")
        pane("send-keys", "Up", "s")
        pane.shows("stop db", "Container shop-db-1  Stopped")
        pane("send-keys", "y")
        pane.shows("it goes on")
        pane("send-keys", "Enter")
        pane.shows("exited, exit code 137")
        assert stack.ps()["shop-db-1"]["State"] == "exited"
        pane("send-keys", "q")
    finally:
        pane("kill-server")
