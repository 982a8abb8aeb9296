"""The keeper with real and with faked engines: start, crash, giving up, finishing, and who survives whom."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.layout import Layout
from pycompose.engine.linux import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

REPOSITORY = Path(__file__).parents[2]
KEEPER = REPOSITORY / "pycompose/engine/runtime/keeper.py"

# Runs the keeper's main with another executable in the place of "python -m engine".
WITH_FAKE = """
import sys
sys.path.append(sys.argv[1])
from pycompose.engine.runtime import keeper
sys.executable = sys.argv[2]
sys.exit(keeper.main(sys.argv[3:]))
"""

# A minimal engine: answers a connection with its pid, and does what the first byte says.
FAKE_ENGINE = """#!{python} -IS
import os, socket, sys, json
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
assert arguments["-m"] == "pycompose.engine"
listener = socket.socket(fileno=int(arguments["--listen-fd"]))
keeper = socket.socket(fileno=int(arguments["--keeper-fd"]))
listener.setblocking(True)
open(arguments["--root"] + "/fds", "w").write(" ".join(sorted(os.listdir("/proc/self/fd"))))
while True:
    connection, _ = listener.accept()
    with connection:
        word = connection.recv(1)
        if word == b"c":
            os.abort()
        if word == b"j":
            keeper.setblocking(True)
            keeper.send(json.dumps({{"id": 2, "op": "log", "form": "json"}}).encode())
            while "reply" not in json.loads(keeper.recv(1000)):
                pass
        if word == b"x":
            connection.sendall(b"bye")
            keeper.setblocking(True)
            keeper.send(json.dumps({{"id": 1, "op": "shutdown"}}).encode())
            keeper.recv(1000)
            connection.recv(1)
            sys.exit(0)
        connection.sendall(str(os.getpid()).encode())
"""


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def ask(layout: Layout, word: bytes = b"?") -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(layout.socket))
        connection.sendall(word)
        try:
            return connection.recv(100)
        except ConnectionResetError:
            return b""


class Instance:
    """A root with a keeper whose engine is ``program``."""

    def __init__(self, root: Path, program: str) -> None:
        self.layout = Layout.for_root(root)
        root.mkdir()
        self.program = root / "fake-engine"
        self.program.write_text(program)
        self.program.chmod(0o755)

    def start(self) -> int:
        command = [sys.executable, "-I", "-S", "-E", "-c", WITH_FAKE, str(REPOSITORY), str(self.program)]
        return subprocess.run([*command, "--root", str(self.layout.root)], timeout=20, check=False).returncode

    @property
    def keeper(self) -> int:
        return int(self.layout.lock.read_text())


@pytest.fixture
def faked(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "root", FAKE_ENGINE.format(python=sys.executable))
    yield made
    with contextlib.suppress(FileNotFoundError):
        os.kill(made.keeper, signal.SIGTERM)
        until(lambda: not made.layout.lock.exists())


def test_start_serve_and_finish(faked: Instance) -> None:
    assert faked.start() == 0
    mode = faked.layout.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    engine = int(ask(faked.layout))
    assert process.is_alive(engine, process.start_time(engine))
    # Standard streams, the listener and the channel; two more are the file written and the listing itself.
    assert len((faked.layout.root / "fds").read_text().split()) == 7
    assert faked.start() == 75
    keeper = faked.keeper
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(faked.layout.socket))
        connection.sendall(b"x")
        assert connection.recv(10) == b"bye"
    until(lambda: process.start_time(keeper) is None)
    assert not faked.layout.run.exists()


def test_a_crashed_engine_is_started_again(faked: Instance) -> None:
    assert faked.start() == 0
    first = int(ask(faked.layout))
    assert ask(faked.layout, b"c") == b""
    # The socket is the keeper's: the next client waits rather than being refused.
    assert int(ask(faked.layout)) != first
    assert "the engine ended with exit code 134" in faked.layout.engine_log.read_text()


def test_a_client_that_comes_while_the_engine_leaves_is_served(faked: Instance) -> None:
    assert faked.start() == 0
    first = int(ask(faked.layout))
    with socket.socket(socket.AF_UNIX) as leaving, socket.socket(socket.AF_UNIX) as coming:
        leaving.connect(str(faked.layout.socket))
        leaving.sendall(b"x")
        assert leaving.recv(10) == b"bye"
        coming.settimeout(10)
        coming.connect(str(faked.layout.socket))
        coming.sendall(b"?")
        leaving.close()
        assert int(coming.recv(100)) != first


@contextlib.contextmanager
def foreground(faked: Instance, listener: socket.socket, pid: str = "$$") -> Iterator[subprocess.Popen[bytes]]:
    """A keeper that is passed ``listener``, as a service manager does it."""
    passed = fcntl.fcntl(listener, fcntl.F_DUPFD_CLOEXEC, 10)
    script = f'export LISTEN_FDS=1 LISTEN_PID={pid}; exec "$@" 3<&{passed} {passed}<&-'
    keeper = [sys.executable, "-I", "-S", "-E", "-c", WITH_FAKE, str(REPOSITORY), str(faked.program), "--foreground"]
    with subprocess.Popen(
        ["bash", "-c", script, "bash", *keeper, "--root", str(faked.layout.root)],
        pass_fds=(passed,),
        stderr=subprocess.PIPE,
    ) as started:
        os.close(passed)
        try:
            yield started
        finally:
            started.terminate()


def test_a_socket_that_was_passed(faked: Instance) -> None:
    """Who connects while no engine runs is served by the next one: the socket and its file are the service manager's."""
    faked.layout.run.mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(str(faked.layout.socket))
        listener.listen()
        inode = faked.layout.socket.stat().st_ino
        waiting.settimeout(10)
        waiting.connect(str(faked.layout.socket))
        waiting.sendall(b"?")
        with foreground(faked, listener) as first:
            assert int(waiting.recv(100)) != first.pid
            # None but the listener and the channel: what was passed is not passed on.
            assert len((faked.layout.root / "fds").read_text().split()) == 7
            assert ask(faked.layout, b"x") == b"bye"
            assert first.wait(10) == 0
        assert faked.layout.socket.stat().st_ino == inode
        with foreground(faked, listener) as second:
            assert ask(faked.layout).isdigit()
            second.send_signal(signal.SIGTERM)
            second.wait(10)
        assert faked.layout.socket.stat().st_ino == inode


def test_what_is_passed_to_others_or_is_another_socket(faked: Instance, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "other.sock"))
        listener.listen()
        with foreground(faked, listener) as refused:
            assert refused.wait(10) == 1 and refused.stderr is not None
            told = refused.stderr.read().decode()
            assert "other.sock" in told and str(faked.layout.socket) in told and told.count("\n") == 1
        with foreground(faked, listener, pid="1") as own:
            until(faked.layout.socket.exists)
            assert ask(faked.layout).isdigit()
            own.send_signal(signal.SIGTERM)
            own.wait(10)


def test_a_keeper_outlives_a_killed_starter(faked: Instance) -> None:
    """Clients are connected as soon as there is a socket; who has started it all may be gone by then."""
    dying = "import os; me, read = os.getpid(), os.read\nos.read = lambda *a: os._exit(9) if os.getpid() == me else read(*a)\n"
    killed = WITH_FAKE.replace("sys.exit(", f"{dying}sys.exit(")
    command = [sys.executable, "-I", "-S", "-E", "-c", killed, str(REPOSITORY), str(faked.program)]
    assert subprocess.run([*command, "--root", str(faked.layout.root)], timeout=20, check=False).returncode == 9
    until(faked.layout.socket.exists)
    assert ask(faked.layout).isdigit()


def test_its_own_lines_have_the_form_of_the_engines(faked: Instance) -> None:
    assert faked.start() == 0
    first = int(ask(faked.layout))
    assert ask(faked.layout, b"c") == b""
    until(lambda: (said := faked.layout.engine_log.read_text()).endswith("\n") and "exit code" in said)
    line = faked.layout.engine_log.read_text()
    assert re.fullmatch(
        r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=error source=engine\.runtime\.keeper"
        r' msg="the engine ended with exit code 134"\n',
        line,
    )
    until(lambda: ask(faked.layout, b"j") not in (b"", str(first).encode()))
    assert ask(faked.layout, b"c") == b""
    until(lambda: faked.layout.engine_log.read_text().count("exit code") == 2)
    last = json.loads(faked.layout.engine_log.read_text().splitlines()[-1])
    assert (last["source"], last["msg"]) == ("engine.runtime.keeper", "the engine ended with exit code 134")


def test_giving_up_on_an_engine_that_only_crashes(tmp_path: Path) -> None:
    made = Instance(tmp_path / "root", "#!/bin/sh\necho the reason >&2\nexit 3\n")
    assert made.start() == 0
    until(lambda: not made.layout.socket.exists())
    log = made.layout.engine_log.read_text()
    assert log.count("the reason") == 5
    assert "giving up" in log
    # The lock is free again: a later command may try its luck.
    until(lambda: made.start() == 0)
    until(lambda: not made.layout.socket.exists())


def test_a_killed_keeper_can_be_followed(faked: Instance) -> None:
    assert faked.start() == 0
    engine = int(ask(faked.layout))
    os.kill(faked.keeper, signal.SIGKILL)
    until(lambda: faked.start() == 0)
    assert int(ask(faked.layout)) != engine
    os.kill(engine, signal.SIGKILL)


def test_start_errors_are_told(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    command = [sys.executable, "-I", "-S", "-E", str(KEEPER), "--root", str(blocker / "root")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "Not a directory" in result.stderr
    result = subprocess.run([*command, "--wrong"], capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 2


def test_the_real_engine_comes_up_and_goes(tmp_path: Path) -> None:
    layout = Layout.for_root(tmp_path / "root")
    command = [sys.executable, "-I", "-S", "-E", str(KEEPER), "--root", str(layout.root)]
    assert subprocess.run(command, timeout=20, check=False).returncode == 0
    keeper = int(layout.lock.read_text())
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(layout.socket))
        connection.sendall(b"GET /pycompose/engine HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["keeper_pid"] == keeper
    resident = int((Path(f"/proc/{keeper}/statm")).read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    assert resident <= 15 << 20
    os.kill(keeper, signal.SIGTERM)
    until(lambda: process.start_time(keeper) is None)
    assert not layout.run.exists()


def test_imports_of_the_keeper_are_few() -> None:
    code = "import sys; sys.path.append(sys.argv[1]); from pycompose.engine.runtime import keeper; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-E", "-c", code, str(REPOSITORY)]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    tops = {name.partition(".")[0].removeprefix("_") for name in names}
    heavy = {
        "asyncio",
        "dataclasses",
        "hashlib",
        "inspect",
        "logging",
        "subprocess",
        "argparse",
        "tempfile",
        "shutil",
        "ssl",
    }
    assert not tops & heavy
    ours = {name.removeprefix("pycompose.") for name in names if name.startswith("pycompose.engine.")}
    assert {name.split(".")[1] for name in ours} == {"documents", "layout", "linux", "loglines", "refusals", "runtime"}
    assert "pycompose.engine.runtime.client" not in ours
    # A shim is a fork that may outlive an upgrade: what it would import later is another release's, or no longer there.
    assert {f"engine.runtime.{name}" for name in ("syslog", "logread", "logcompress", "foreign", "dns")} <= ours
