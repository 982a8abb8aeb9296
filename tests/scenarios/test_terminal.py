"""The command on a real terminal: raw mode, window size, colours, live progress, detach keys."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


class Terminal:
    """A command with a terminal of its own, 40 rows by 120 columns."""

    def __init__(self, command: Command, *words: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(40, 120)
        environment = {**os.environ, "TERM": "xterm", "PYCOMPOSE_ROOT": str(command.root)}
        self.process = subprocess.Popen(
            [str(PYCOMPOSE), *words],
            cwd=command.directory,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.text = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, pattern: str, patience: float = 20) -> str:
        """Read until ``pattern`` appears; what came up to its end is taken off."""
        deadline = time.monotonic() + patience
        while True:
            found = re.search(pattern, self.text)
            if found:
                taken, self.text = self.text[: found.end()], self.text[found.end() :]
                return taken
            ready, _, _ = select.select([self.master], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{pattern!r} did not come: {self.text!r}"
            try:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"{pattern!r} did not come before the end: {self.text!r}") from None

    def end(self) -> int:
        code = self.process.wait(20)
        os.close(self.master)
        return code


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    base = tmp_path_factory.mktemp("terminal")
    (base / "demo").mkdir()
    (base / "demo" / "compose.yaml").write_text(
        "services:\n  web: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}\n"
        "  shell: {image: busybox, command: sh, tty: true, stdin_open: true, stop_signal: SIGKILL}\n"
    )
    one = Command(base / "root", base / "demo")
    one("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    one("up", "-d")
    yield one
    one("down", "-t", "0")
    one("engine", "stop", "--force")
    assert_nothing_left(one.root)


def test_exec_has_a_terminal(command: Command) -> None:
    terminal = Terminal(command, "exec", "web", "sh")
    terminal.expect(r"# ")
    terminal.type("stty size; tty\r")
    terminal.expect(r"40 120\r\n/dev/pts/\d+\r\n")
    terminal.resize(30, 100)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    for _ in range(20):
        terminal.type("stty size\r")
        if "30 100" in terminal.expect(r"\d+ \d+\r\n"):
            break
    else:
        pytest.fail("the window size did not follow")
    terminal.type("exit 3\r")
    assert terminal.end() == 3


def test_ctrl_c_goes_to_the_command(command: Command) -> None:
    terminal = Terminal(command, "exec", "web", "sh")
    terminal.expect(r"# ")
    terminal.type("sleep 100\r")
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.expect(r"\^C[\s\S]*# ")
    terminal.type("exit 5\r")
    assert terminal.end() == 5


def test_attach_and_detach(command: Command) -> None:
    terminal = Terminal(command, "attach", "shell")
    terminal.type("echo a$((1+1))b\r")
    terminal.expect(r"a2b")
    terminal.type("\x10\x11")
    terminal.expect("read escape sequence")
    assert terminal.end() == 1
    assert command.ps()["demo-shell-1"]["State"] == "running"


def test_run_with_a_terminal(command: Command) -> None:
    terminal = Terminal(command, "run", "--rm", "web", "sh", "-c", "stty size; read x; echo got $x; exit 6")
    terminal.expect(r"40 120")
    terminal.type("it\r")
    terminal.expect(r"got it")
    assert terminal.end() == 6


def test_progress_is_live(command: Command) -> None:
    terminal = Terminal(command, "up", "-d", "--force-recreate", "-t", "0")
    # In the order in which they were heard of, which is nobody's promise.
    shown = terminal.expect(r"\[\+\] Running 2/2[\s\S]*(shell-1[\s\S]*web-1|web-1[\s\S]*shell-1)")
    assert "\x1b[" in shown
    assert terminal.end() == 0
