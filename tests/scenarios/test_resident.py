"""The resident process: a command through it cannot be told from one that starts anew, except by the time it takes."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import PYCOMPOSE
from support.engine_root import wait_for
from support.resident import ResidentProcess
from support.scripted_engine import Exchange, ScriptedEngine

from pycompose.compose.cli.table import COMPOSE, GROUPS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = "name: demo\nservices:\n  web: {image: x, ports: ['8080:80'], environment: {A: $B}}\n"


class Engine:
    """Answers as an engine with one container; or, asked to hold, takes requests and answers none."""

    def __init__(self, directory: Path) -> None:
        self.asked = threading.Event()
        self.hold = False
        self.client = 0
        """The process that asked last."""
        self.scripted = ScriptedEngine(directory, self._answer)

    def _answer(self, one: Exchange) -> None:
        self.client = struct.unpack("3i", one.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        self.asked.set()
        if self.hold:
            return
        if one.path == "/containers/json":
            labels = {"project": "demo", "service": "web", "oneoff": "False", "container-number": "1"}
            container = {
                "Id": "a" * 64,
                "Names": ["/demo-web-1"],
                "Image": "x",
                "ImageID": "y",
                "State": "running",
                "Status": "Up 1 second",
                "Created": 1,
                "Ports": [{"PrivatePort": 80, "PublicPort": 8080, "IP": "0.0.0.0", "Type": "tcp"}],
                "Labels": {f"com.docker.compose.{key}": value for key, value in labels.items()},
            }
            one.json([container])
        elif one.path.endswith("/logs"):
            one.chunked([b"\1\0\0\0\0\0\0\3hi\n", b"\2\0\0\0\0\0\0\3ho\n"])
        elif one.path.endswith("/json"):
            one.json({"message": f"no such thing: {one.path}"}, 404)
        elif one.method == "GET":
            one.json({})
        else:
            one.json({"message": f"refused: {one.path}"}, 409)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("e"))
    with engine.scripted:
        yield engine


@pytest.fixture(scope="module")
def shared(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResidentProcess]:
    resident = ResidentProcess(tmp_path_factory.mktemp("resident"))
    (resident.directory / "compose.yaml").write_text(_FILE)
    (resident.directory / "bad.yaml").write_text("services:\n  web: {imagine: x}\n")
    resident.environment["DOCKER_HOST"] = f"unix://{engine.scripted.path}"
    with resident:
        yield resident


@pytest.fixture
def resident(shared: ResidentProcess, engine: Engine) -> ResidentProcess:
    engine.hold = False
    engine.asked.clear()
    if not shared.pids():  # the test before this one has ended it
        shared.start()
    shared.await_ready()
    return shared


def is_warm(resident: ResidentProcess, engine: Engine, *before: str, **environment: str) -> bool:
    """Whether a command that is started by ``before`` is run by a worker: another process than was started asks."""
    command = [*before, str(PYCOMPOSE), "ls"]
    process = subprocess.Popen(
        command,
        cwd=resident.directory,
        env={**resident.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(60) == 0
    return engine.client != process.pid


def commands() -> list[tuple[str, ...]]:
    """Every verb's help, and every verb with nothing and with words that are wrong for most."""
    verbs: list[tuple[str, ...]] = [(name,) for name in (*COMPOSE, *PLAIN)]
    verbs += [(group, name) for group, (_, table) in GROUPS.items() for name in table]
    alone = {
        ("engine", "run"),
        ("engine", "restart"),
        ("engine", "stop"),
        ("watch",),
        ("events",),
        ("attach",),
        ("stats",),
        ("ui",),
        ("tui",),
        ("lsp",),
    }
    quiet = [
        verb for verb in verbs if verb not in alone and verb[-1] not in ("events", "attach", "stats", "completion")
    ]
    return [
        *((*verb, "--help") for verb in verbs),
        *quiet,
        *((*verb, "--no-such-flag") for verb in verbs[:10]),
        *((*verb, "web") for verb in quiet if verb[0] in COMPOSE),
    ]


MORE = (
    (),
    ("--version",),
    ("no-such-verb",),
    ("-f", "bad.yaml", "config"),
    ("-f", "/no/such/file", "up"),
    ("-f", "-", "config"),
    ("config", "--format", "json"),
    ("config", "--hash", "*"),
    ("--dry-run", "up", "-d"),
    ("ps", "--format", "json"),
    ("port", "web", "80"),
    ("config", "-o", "written"),
)


def compared(resident: ResidentProcess, words: tuple[str, ...]) -> None:
    stdin = _FILE.encode() if "-" in words else b""
    cold = resident.run(*words, warm=False, stdin=stdin, B="b")
    warm = resident.run(*words, stdin=stdin, B="b")
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr), words


@pytest.mark.timeout(300)
def test_the_same_bytes(resident: ResidentProcess, engine: Engine) -> None:
    assert is_warm(resident, engine)
    seldom = commands()
    # Each of the verbs, in each of its ways, would take minutes on a busy machine; --slow has them all.
    for words in (*MORE, *seldom[::5]):
        compared(resident, words)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_same_bytes_of_every_verb(resident: ResidentProcess) -> None:
    for words in commands():
        compared(resident, words)


def test_what_a_command_inherits(resident: ResidentProcess, engine: Engine) -> None:
    """Umask, directory, descriptors and their numbers, limits, ignored signals, arguments that are no text."""
    below = resident.directory / "below"
    below.mkdir()
    script = (
        f"umask 027; ulimit -f 0; exec 7<{resident.directory}/compose.yaml; cd {below};"
        f" {PYCOMPOSE} -f /dev/fd/7 config -q && umask 027 && ulimit -n 77 && {PYCOMPOSE} ls -q; echo $?"
    )
    done = subprocess.run(["sh", "-c", script], env=resident.environment, capture_output=True, check=False)
    assert done.stdout == b"demo\n0\n", done
    done = subprocess.run(
        ["sh", "-c", f"umask 027; {PYCOMPOSE} config -o out; ulimit -f 0; {PYCOMPOSE} config -o more"],
        cwd=resident.directory,
        env=resident.environment,
        capture_output=True,
        check=False,
    )
    assert (resident.directory / "out").stat().st_mode & 0o777 == 0o640
    assert done.returncode == 1 and b"File too large" in done.stderr
    compared(resident, ("-f", os.fsdecode(b"no-\xff-text.yaml"), "config"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
def test_signals(resident: ResidentProcess, engine: Engine, number: signal.Signals) -> None:
    """A command that is interrupted ends as one that was started anew."""
    codes = []
    for warm in ("1", "0"):
        engine.hold = True
        engine.asked.clear()
        process = subprocess.Popen(
            [str(PYCOMPOSE), "ps"],
            cwd=resident.directory,
            env={**resident.environment, "PYCOMPOSE_WARM": warm},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert engine.asked.wait(30)
        assert (engine.client != process.pid) == (warm == "1")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        codes.append((process.returncode, out, err))
    assert codes[0] == codes[1]
    assert codes[0][0] == (130 if number in (signal.SIGINT, signal.SIGTERM) else -number)


def test_what_the_first_command_ignored(engine: Engine, tmp_path: Path) -> None:
    """A resident that was started under nohup: others' commands still end at SIGHUP, and those under nohup do not."""
    resident = ResidentProcess(tmp_path)
    resident.environment["DOCKER_HOST"] = f"unix://{engine.scripted.path}"
    (tmp_path / "compose.yaml").write_text(_FILE)
    engine.hold = False
    first = ["sh", "-c", f"trap '' HUP INT; exec {PYCOMPOSE} version"]
    subprocess.run(first, env=resident.environment, capture_output=True, check=True)
    resident.await_ready()
    try:
        engine.hold = True
        for before, code in ((["env"], -signal.SIGHUP), (["nohup"], 130)):
            engine.asked.clear()
            process = subprocess.Popen(
                [*before, str(PYCOMPOSE), "ps"],
                cwd=tmp_path,
                env=resident.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert engine.asked.wait(30)
            assert engine.client != process.pid
            process.send_signal(signal.SIGHUP)
            if code == 130:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
            assert process.returncode == code, before
    finally:
        engine.hold = False
        resident.stop()


def test_it_sleeps_while_a_command_runs(resident: ResidentProcess, engine: Engine) -> None:
    engine.hold = True
    process = resident.begin("ps")
    assert engine.asked.wait(30)
    wait_for(lambda: len(resident.pids()) == 3, lambda: "nobody waits for the next command")
    pid = resident.pid
    wait_for(lambda: state(pid) == "S", lambda: "it does not come to rest")
    before = processor_time(pid)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    assert processor_time(pid) - before < 50
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_stop_and_continue(resident: ResidentProcess, engine: Engine) -> None:
    engine.hold = True
    process = resident.begin("ps")
    assert engine.asked.wait(30)
    worker = engine.client
    assert worker != process.pid
    process.send_signal(signal.SIGTSTP)
    wait_for(lambda: (state(process.pid), state(worker)) == ("T", "T"), lambda: "not stopped")
    process.send_signal(signal.SIGCONT)
    wait_for(lambda: "T" not in (state(process.pid), state(worker)), lambda: "not continued")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    process.communicate()


def test_the_resident_is_killed(resident: ResidentProcess, engine: Engine) -> None:
    """In the middle of a command: that command was killed, and so was whatever ran it."""
    engine.hold = True
    process = resident.begin("ps")
    assert engine.asked.wait(30)
    worker = engine.client
    assert worker != process.pid
    os.kill(resident.pid, signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (-signal.SIGKILL, b"", b"")
    wait_for(lambda: state(worker) in "ZX", lambda: "its worker lives")
    wait_for(lambda: not resident.pids(), lambda: "the one that waited lives")
    engine.hold = False
    done = resident.run("ls", "-q")  # a socket that nobody listens at
    assert (done.returncode, done.stdout) == (0, b"demo\n")
    resident.await_ready()  # another one has followed


def test_the_worker_is_killed(resident: ResidentProcess, engine: Engine) -> None:
    engine.hold = True
    process = resident.begin("ps")
    assert engine.asked.wait(30)
    assert engine.client != process.pid
    os.kill(engine.client, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL


def test_the_launcher_is_killed(resident: ResidentProcess, engine: Engine) -> None:
    """A command ends with the process that was started."""
    engine.hold = True
    process = resident.begin("ps")
    assert engine.asked.wait(30)
    worker = engine.client
    assert worker != process.pid
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: state(worker) in "ZX", lambda: "its worker lives")


@pytest.mark.root
def test_who_is_refused(resident: ResidentProcess, engine: Engine) -> None:
    """Other priorities, privileges, users, namespaces, groups, locales: the command runs in the process that was started."""
    assert is_warm(resident, engine)
    for before in (
        ["nice", "-n", "5"],
        ["setpriv", "--bounding-set", "-sys_nice"],
        ["setpriv", "--no-new-privs"],
        ["setpriv", "--groups", "12345"],
        ["unshare", "--net"],
        ["unshare", "--mount"],
        ["unshare", "--uts"],
        ["taskset", "1"],
    ):
        assert not is_warm(resident, engine, *before), before
    assert not is_warm(resident, engine, LC_CTYPE="C")
    assert not is_warm(resident, engine, PYCOMPOSE_WARM="0")
    assert is_warm(resident, engine)


def test_it_ends_when_nobody_comes(tmp_path: Path) -> None:
    resident = ResidentProcess(tmp_path, idle=0.1)
    resident.run("version")
    try:
        # Its lock is there from before it is started, so that this cannot be true before it has begun.
        wait_for(
            lambda: not [*resident.path.parent.glob(f"{resident.path.name}*"), *resident.pids()],
            lambda: "it stays",
            patience=60,
        )
    finally:
        resident.stop()


@pytest.mark.timeout(300)
def test_nothing_leaks(resident: ResidentProcess, engine: Engine) -> None:
    many(resident, 300)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_leaks_in_ten_thousand(resident: ResidentProcess, engine: Engine) -> None:
    many(resident, 10_000)


def many(resident: ResidentProcess, count: int) -> None:
    for _ in range(20):
        assert resident.run("ls", "-q").stdout == b"demo\n"
    resident.await_ready()
    pid, descriptors, memory = resident.pid, resident.descriptors(), resident.private_kilobytes()
    for _ in range(count):
        assert resident.run("ls", "-q").stdout == b"demo\n"
    resident.await_ready()
    assert resident.pid == pid
    assert resident.descriptors() == descriptors
    # Pages that a worker shares count as private when there is none; a leak of a few bytes a command would be megabytes.
    assert resident.private_kilobytes() < memory + 1024


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def processor_time(pid: int) -> int:
    """Milliseconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")
