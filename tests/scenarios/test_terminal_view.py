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
    from collections.abc import Iterator, Mapping
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

    def __init__(self, directory: Path, command: str, name: str = "tmux") -> None:
        self._socket = str(directory / name)
        self("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", str(directory), command)

    def __call__(self, *words: str) -> str:
        done = subprocess.run([str(TMUX), "-S", self._socket, *words], capture_output=True, text=True, check=True)
        return done.stdout

    def shows(self, *words: str, times: Mapping[str, int] | None = None) -> str:
        """The screen, once every one of ``words`` is on it; with ``times`` also what was scrolled away, in which words are so often."""
        deadline = time.monotonic() + 40
        history = ("-S", "-") if times else ()
        wanted = {**dict.fromkeys(words, 1), **(times or {})}
        while not all(
            (text := self("capture-pane", "-p", *history)).count(word) >= count for word, count in wanted.items()
        ):
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


def test_a_shell_files_and_plots(stack: Command, tmp_path: Path) -> None:
    pane = Pane(tmp_path, f"{PYCOMPOSE} --root {stack.root} tui; sleep 600")
    try:
        pane.shows("✗ ", "ready to serve")
        pane("send-keys", "Down", "5")
        pane.shows("processor", "memory", "processes")
        pane("send-keys", "6")
        pane.shows("level 1, waits for nothing", "waits for db started", "look here first")
        pane("send-keys", "x")
        pane.shows("/ #")
        pane("send-keys", "echo from-$((40+2)) > /tmp/note; cat /tmp/note", "Enter")
        pane.shows("from-42")
        pane("send-keys", "exit", "Enter")
        pane.shows("1 of 2 run", "level 1")
        pane("send-keys", "f")
        pane.shows("shop-db-1:/", "tmp/")
        pane("send-keys", "Escape")
        pane.shows("level 1")
        pane("send-keys", "q")
    finally:
        pane("kill-server")


def test_the_menu_of_up_opens_it(stack: Command, tmp_path: Path) -> None:
    """An `up` of what runs already attaches to it; in the view nothing of its output is drawn, and none of it is lost."""
    (tmp_path / "compose.yaml").write_text(FILE.replace("exec sleep 600", "while sleep 0.2; do echo tick; done"))
    stack("up", "--detach")
    pane = Pane(tmp_path, f"{PYCOMPOSE} --root {stack.root} up --menu; echo code $?; sleep 600")
    try:
        pane.shows("View", "Watch", "tick")
        pane("send-keys", "v")
        pane.shows("shop", "1 logs", "3 events", "db")
        pane("send-keys", "3")
        time.sleep(1)  # several lines come meanwhile, and the screen is to be the view's all the same
        assert "db-1" not in "".join(line for line in pane("capture-pane", "-p").splitlines() if "| tick" in line)
        pane("send-keys", "q")
        # What was on the screen before comes back first; the menu is written anew once the view has ended.
        text = pane.shows("| tick", times={"View   w": 2})
        assert "1 logs" not in text
        pane("send-keys", "d")
        pane.shows("code 0")
        assert stack.ps()["shop-db-1"]["State"] == "running"
    finally:
        pane("kill-server")


LONG = "a-service-whose-name-goes-on-and-on-until-the-63rd-character-is"


def test_it_follows_the_size_of_its_terminal(stack: Command, tmp_path: Path) -> None:
    """Started in a poor terminal, made wider and narrower under way, left alone without anybody attached, and looked at by a second."""
    (tmp_path / "compose.yaml").write_text(
        f"{FILE}  {LONG}: {{image: box, command: sleep 600, stop_grace_period: 0s}}\n"
    )
    stack("up", "--detach")
    pane = Pane(tmp_path, f"unset COLUMNS LINES; TERM=vt100 {PYCOMPOSE} --root {stack.root} tui; sleep 600")
    try:
        # State and name are both in sight, in 80 columns and with a name of 63 characters.
        text = pane.shows("2 of 3 run, look first at job", "✗ ", "…", "exited, exit code 3", "ready to serve")
        (line,) = (one for one in text.splitlines() if "a-service-" in one)
        assert "running" in line and line.split()[1].startswith("a-service-") and line.split()[1].endswith("acter-is")
        pane("resize-window", "-x", "160", "-y", "40")
        text = pane.shows(LONG, "2 of 3 run, look first at job", "q quit")
        assert max(map(len, text.splitlines())) > 80
        pane("resize-window", "-x", "60", "-y", "16")
        pane.shows("2 of 3 run", "exited, exit code 3")
        # A second terminal attaches, is as large as it is, and goes; the view is as it was.
        other = Pane(tmp_path, f"unset TMUX; {TMUX} -S {tmp_path / 'tmux'} attach; sleep 600", "second")
        try:
            pane("set-option", "window-size", "latest")
            other.shows("1 logs", "2 of 3 run, look first at job", "ready to serve")
        finally:
            other("kill-server")
        stack("pause", "db")
        pane.shows("‖ ", "paused")
        stack("unpause", "db")
        pane("send-keys", "q")
    finally:
        pane("kill-server")
