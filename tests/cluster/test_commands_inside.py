"""Commands in a container of a real cluster: with a terminal, with input, and with what the caller leaves open."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.conftest import Lab

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

STACK = """
services:
  web:
    image: "@IMAGE@"
    command: [sleep, "100000"]
    init: true
    stop_grace_period: 1s
    deploy: {endpoint_mode: dnsrr}
"""


def command(lab: Lab, *words: str) -> list[str]:
    nodes = [f"--node={one}" for one in lab.nodes]
    return [sys.executable, "-m", "pycompose.compose.cli.main", "exec", "--to", lab.to, *nodes, *words]


class Terminal:
    """`exec` with a terminal of its own, as a person sees it."""

    def __init__(self, lab: Lab, *words: str) -> None:
        self._master, slave = pty.openpty()
        self._set_size(41, 101)
        self.seen = b""
        self.process = subprocess.Popen(
            command(lab, *words),
            cwd=lab.directory,
            env={**os.environ, **lab.environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        self._set_size(rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def _set_size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, pattern: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while re.search(pattern.encode(), self.seen) is None:
            left = end - time.monotonic()
            assert left > 0, self.seen
            assert select.select([self._master], [], [], left)[0], self.seen
            try:
                data = os.read(self._master, 65536)
            except OSError:  # how Linux tells the end of a terminal
                data = b""
            assert data, self.seen
            self.seen += data
        self.seen = re.split(pattern.encode(), self.seen, maxsplit=1)[-1]

    def end(self) -> int:
        try:
            return self.process.wait(60)
        finally:
            self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self._master)


@pytest.fixture
def terminal(lab: Lab) -> Iterator[Terminal]:
    lab.write(STACK)
    lab.run("deploy")
    made = Terminal(lab, "web", "sh")
    yield made
    made.close()


def test_a_shell_with_a_terminal(terminal: Terminal) -> None:
    terminal.read_until(r"[#$] ")
    terminal.type("test -t 0 && test -t 1 && echo a ter''minal; stty size\n")
    terminal.read_until("a terminal\r\n41 101\r\n")
    terminal.resize(50, 120)
    terminal.type("while test \"$(stty size)\" != '50 120'; do sleep 0.1; done; echo fol''lowed\n")
    terminal.read_until("followed\r\n")
    terminal.type("sh -c 'echo run''ning; exec sleep 1000'\n")
    terminal.read_until("running\r\n")
    terminal.type("\x03")  # the program's there, not ours
    terminal.read_until(r"[#$] ")
    terminal.type("exit 7\n")
    assert terminal.end() == 7


def test_input_its_end_and_exit_codes(lab: Lab) -> None:
    lab.write(STACK)
    lab.run("deploy")

    def run(data: bytes, *words: str) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            command(lab, "-T", "web", *words),
            cwd=lab.directory,
            env={**os.environ, **lab.environment},
            input=data,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    everything = bytes(range(256)) * 4096
    assert run(everything, "cat") == (0, everything, b"")
    assert run(b"", "cat") == (0, b"", b"")
    assert run(b"a\nb\n", "sh", "-c", "read x; echo got $x; echo bad >&2; exit 5") == (5, b"got a\n", b"bad\n")
    assert run(everything, "true") == (0, b"", b"")  # who reads nothing ends all the same
    assert run(b"", "sh", "-c", "kill -9 $$")[0] == 137
    code, output, errors = run(b"", "/no/such/command")
    assert code in (126, 127)  # as the runtime tells the engine or the kubelet
    assert b"/no/such/command" in output + errors
    assert b"Traceback" not in errors


def test_a_caller_that_leaves_its_input_open(lab: Lab) -> None:
    """As a terminal's or a service's is: a command that does not wait for input is not waited for either."""
    lab.write(STACK)
    lab.run("deploy")
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            command(lab, "-T", "web", "sh", "-c", "echo out; exit 3"),
            cwd=lab.directory,
            env={**os.environ, **lab.environment},
            stdin=reading,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (3, b"out\n")
    finally:
        os.close(reading)
        os.close(writing)
