"""A user's day with the command line, on our engine and, where PYCOMPOSE_TEST_DOCKER_HOST names one, on dockerd."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import tarfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command, free_port
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

PEER = os.environ.get("PYCOMPOSE_TEST_DOCKER_HOST", "")
IMAGE = "pycompose-test-busybox"


@dataclass(frozen=True, slots=True)
class Stack:
    """One project directory and the command in it. ``base`` are the arguments that choose the engine."""

    base: tuple[str, ...]
    directory: Path
    name: str

    def write(self, text: str, name: str = "compose.yaml") -> None:
        (self.directory / name).write_text(text.replace("IMAGE", IMAGE))

    def popen(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "COMPOSE_", "PYCOMPOSE_"))
        }
        clean |= {"COMPOSE_PROJECT_NAME": self.name, "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            [str(PYCOMPOSE), *self.base, *words],
            cwd=self.directory,
            env=clean,
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(
        self, *words: str, code: int | None = 0, stdin: str = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        process = self.popen(*words, stdin=subprocess.PIPE)
        out, err = process.communicate(stdin, timeout=timeout)
        assert "Traceback" not in err, err
        if code is not None:
            assert process.returncode == code, f"{words}: exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def ps(self) -> dict[str, dict[str, Any]]:
        rows = map(json.loads, self("ps", "--all", "--format", "json").stdout.splitlines())
        return {row["Name"].removeprefix(f"{self.name}-"): row for row in rows}

    def states(self) -> dict[str, str]:
        return {name: row["State"] for name, row in self.ps().items()}

    def ids(self) -> dict[str, str]:
        return {name: row["ID"] for name, row in self.ps().items()}


def _load(base: tuple[str, ...], directory: Path) -> None:
    done = subprocess.run(
        [str(PYCOMPOSE), *base, "image", "import", "-c", 'CMD ["sh"]', "-", IMAGE],
        cwd=directory,
        input=busybox_rootfs().read(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(
    scope="module",
    params=[
        "own",
        pytest.param("dockerd", marks=[pytest.mark.slow, pytest.mark.skipif(not PEER, reason="no dockerd")]),
    ],
)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    directory = tmp_path_factory.mktemp("engine")
    if request.param == "dockerd":
        _load(("-H", PEER), directory)
        yield ("-H", PEER)
        return
    chosen = ("--root", str(directory))
    _load(chosen, directory)
    yield chosen
    Command(directory, directory)("engine", "stop", "--force")
    assert_nothing_left(directory)


@pytest.fixture
def stack(base: tuple[str, ...], tmp_path: Path) -> Iterator[Stack]:
    directory = tmp_path / "project"
    directory.mkdir()
    name = "pct" + re.sub(r"[^a-z0-9]", "", tmp_path.name.lower())[-30:]
    one = Stack(base, directory, name)
    yield one
    one("-p", name, "down", "-v", "--remove-orphans", "-t", "0", code=None)
    assert one("container", "ls", "-aq", "--filter", f"label=com.docker.compose.project={name}").stdout == ""
    assert one("network", "ls", "-q", "--filter", f"label=com.docker.compose.project={name}").stdout == ""


SLEEPER = "{image: IMAGE, command: sleep 1000, stop_signal: SIGKILL"


def test_up_ps_logs_exec_down(stack: Stack) -> None:
    stack.write(
        f"services:\n  web: {SLEEPER}, environment: {{A: '1'}}}}\n  job: {{image: IMAGE, command: echo done}}\n"
    )
    first = stack("up", "-d")
    assert f"Container {stack.name}-web-1  Started" in first.stderr
    assert stack.states()["web-1"] == "running"
    assert stack("exec", "-T", "web", "sh", "-c", "echo $A; exit 7", code=7).stdout == "1\n"
    assert stack("exec", "web", "cat", stdin="typed").stdout == "typed"
    assert stack("exec", "-e", "B=2", "-w", "/tmp", "web", "sh", "-c", "echo $B; pwd").stdout == "2\n/tmp\n"
    assert stack("logs", "job").stdout == "job-1  | done\n"
    assert stack("logs", "--no-log-prefix").stdout == "done\n"
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z done\n", stack("logs", "-t", "--no-log-prefix", "job").stdout)
    assert stack("ps", "--services").stdout == "web\n"
    assert stack("ps", "--status", "exited", "--format", "{{.Service}}").stdout == "job\n"
    assert [one["Name"] for one in json.loads(stack("ls", "--format", "json").stdout) if one["Name"] == stack.name]
    down = stack("down")
    assert f"Network {stack.name}_default  Removed" in down.stderr
    assert "No resource found to remove" in stack("down").stderr


def test_nothing_changes_when_nothing_changed(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}}}\n")
    stack("up", "-d")
    before = stack.ids()
    assert stack("plan").stdout == f"{stack.name}: nothing to do\n"
    assert f"Container {stack.name}-web-1  Running" in stack("up", "-d").stderr
    assert stack.ids() == before


def test_changed_field_is_named_and_replaced(stack: Stack) -> None:
    stack.write(
        f"services:\n  web: {SLEEPER}}}\n  db:\n    image: IMAGE\n    command: sleep 999\n    environment:\n      A: one\n"
    )
    stack("up", "-d")
    before = stack.ids()
    stack.write(
        f"services:\n  web: {SLEEPER}}}\n  db:\n    image: IMAGE\n    command: sleep 999\n    environment:\n      A: two\n"
    )
    plan = stack("plan", code=2).stdout
    assert re.search(r"environment\.A changed \(\S*compose\.yaml:7:7\): one → two", plan)
    assert plan.splitlines()[:2] == [f"{stack.name}: 1 step", f"1. recreate {stack.name}-db-1"]
    assert "rename" in stack("plan", "--steps", code=2).stdout
    stack("up", "-d", "-t", "0")
    after = stack.ids()
    assert after["web-1"] == before["web-1"]
    assert after["db-1"] != before["db-1"]
    assert stack("exec", "-T", "db", "sh", "-c", "echo $A").stdout == "two\n"


def test_anonymous_volumes_survive_recreation(stack: Stack) -> None:
    text = f"services:\n  web: {SLEEPER}, volumes: [/keep], environment: {{A: '%s'}}}}\n"
    stack.write(text % 1)
    stack("up", "-d")
    stack("exec", "-T", "web", "sh", "-c", "echo precious > /keep/file")
    stack.write(text % 2)
    stack("up", "-d")
    assert stack("exec", "-T", "web", "cat", "/keep/file").stdout == "precious\n"
    stack("up", "-d", "-V", "--force-recreate")
    assert stack("exec", "-T", "web", "ls", "/keep").stdout == ""


def test_named_volumes_survive_down_and_not_down_v(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}, volumes: ['data:/data']}}\nvolumes: {{data: }}\n")
    stack("up", "-d")
    stack("exec", "-T", "web", "touch", "/data/file")
    stack("down")
    stack("up", "-d")
    assert stack("exec", "-T", "web", "ls", "/data").stdout == "file\n"
    stack("down", "-v")
    stack("up", "-d")
    assert stack("exec", "-T", "web", "ls", "/data").stdout == ""


def test_config_and_secret_contents_count(stack: Stack) -> None:
    stack.write(
        f"services:\n  web: {SLEEPER}, configs: [{{source: c, target: /etc/c, mode: 0400, uid: '7'}}], secrets: [s]}}\n"
        "configs: {c: {file: ./c.txt}}\nsecrets: {s: {file: ./s.txt}}\n"
    )
    (stack.directory / "c.txt").write_text("first\n")
    (stack.directory / "s.txt").write_text("hidden\n")
    stack("up", "-d")
    before = stack.ids()
    assert stack("exec", "-T", "web", "cat", "/etc/c", "/run/secrets/s").stdout == "first\nhidden\n"
    assert stack("exec", "-T", "web", "stat", "-c", "%u %a", "/etc/c").stdout == "7 400\n"
    (stack.directory / "c.txt").write_text("second\n")
    assert "configs_content.c changed" in stack("plan", code=2).stdout
    stack("up", "-d")
    assert stack.ids() != before
    assert stack("exec", "-T", "web", "cat", "/etc/c").stdout == "second\n"


def test_secrets_in_a_read_only_container(stack: Stack) -> None:
    if stack.base[0] == "-H":
        pytest.skip("dockerd refuses files for read-only containers")
    stack.write(
        f"services:\n  web: {SLEEPER}, read_only: true, secrets: [s]}}\nsecrets: {{s: {{environment: TOKEN}}}}\n"
    )
    (stack.directory / ".env").write_text("TOKEN=hidden\n")
    stack("up", "-d")
    assert stack("exec", "-T", "web", "cat", "/run/secrets/s").stdout == "hidden"
    assert stack("exec", "-T", "web", "touch", "/x", code=None).returncode != 0


def test_conditions_in_order(stack: Stack) -> None:
    stack.write(
        "services:\n"
        "  db: {image: IMAGE, command: sh -c 'sleep 0.3; touch /ready; sleep 1000', stop_signal: SIGKILL,"
        " healthcheck: {test: test -e /ready, interval: 1s, start_period: 5s}}\n"
        "  init: {image: IMAGE, command: echo seeded, depends_on: {db: {condition: service_healthy}}}\n"
        f"  web: {SLEEPER}, depends_on: {{init: {{condition: service_completed_successfully}}}}}}\n"
    )
    up = stack("up", "-d", "--wait").stderr
    lines = [line.strip().removeprefix(f"Container {stack.name}-") for line in up.splitlines()]
    wanted = ["db-1  Started", "db-1  Healthy", "init-1  Started", "init-1  Exited", "web-1  Started"]
    assert [line for line in lines if line in wanted] == wanted
    assert stack("plan").stdout.endswith("nothing to do\n")


def test_ready_is_noticed_at_once_whatever_the_interval(stack: Stack) -> None:
    if stack.base[0] == "-H":
        pytest.skip("dockerd waits one interval before its first probe")
    stack.write(
        "services:\n"
        "  db: {image: IMAGE, command: sh -c 'sleep 0.3; touch /ready; sleep 1000', stop_signal: SIGKILL,"
        " healthcheck: {test: test -e /ready, interval: 30s}}\n"
        f"  web: {SLEEPER}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
    )
    stack("up", "-d", "--timings=trace.json")
    events = {
        one["args"]["operation"]: one
        for one in json.loads((stack.directory / "trace.json").read_text())["traceEvents"]
        if "ts" in one
    }
    wait = events[f"wait until healthy {stack.name}-db-1"]
    assert wait["dur"] < 1_500_000


def test_unhealthy_dependency_is_explained(stack: Stack) -> None:
    stack.write(
        "services:\n"
        "  db: {image: IMAGE, command: sh -c 'echo starting badly; sleep 1000', stop_signal: SIGKILL,"
        " healthcheck: {test: 'echo no luck; exit 3', interval: 0.2s, retries: 2}}\n"
        f"  web: {SLEEPER}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
        f"  other: {SLEEPER}}}\n"
    )
    failed = stack("up", "-d", code=1)
    assert f"dependency failed to start: container {stack.name}-db-1 is unhealthy" in failed.stderr
    for words in ("not started because of it: web", "exit code 3", "no luck", "starting badly", "hint:"):
        assert words in failed.stderr
    assert stack.states() == {"db-1": "running", "other-1": "running", "web-1": "created"}


def test_failed_start_can_be_mended(stack: Stack) -> None:
    stack.write(f"services:\n  bad: {{image: IMAGE, command: no-such-program}}\n  web: {SLEEPER}}}\n")
    failed = stack("up", "-d", code=1)
    assert "no-such-program" in failed.stderr
    assert stack.states()["web-1"] == "running"
    stack.write(f"services:\n  bad: {SLEEPER}}}\n  web: {SLEEPER}}}\n")
    stack("up", "-d")
    assert set(stack.states().values()) == {"running"}


def test_scale_up_and_down(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}}}\n")
    stack("up", "-d", "--scale", "web=3")
    assert sorted(stack.ps()) == ["web-1", "web-2", "web-3"]
    stack("scale", "web=1")
    assert sorted(stack.ps()) == ["web-1"]


def test_orphans(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}}}\n  old: {SLEEPER}}}\n")
    stack("up", "-d")
    stack.write(f"services:\n  web: {SLEEPER}}}\n")
    assert "Found orphan containers" in stack("up", "-d").stderr
    assert "old-1" in stack.ps()
    stack("up", "-d", "--remove-orphans")
    assert sorted(stack.ps()) == ["web-1"]


def test_run_returns_the_commands_code(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}, depends_on: [db], ports: ['{free_port()}:80']}}\n  db: {SLEEPER}}}\n")
    done = stack("run", "--rm", "-T", "-e", "X=y", "web", "sh", "-c", "echo $X; echo oops >&2; exit 9", code=9)
    assert (done.stdout, "oops" in done.stderr) == ("y\n", True)
    assert stack("run", "--rm", "-T", "--no-deps", "web", "cat", stdin="piped").stdout == "piped"
    assert stack.states() == {"db-1": "running"}
    identity = stack("run", "-d", "--name", f"{stack.name}-mine", "web").stdout.strip()
    assert re.fullmatch(r"[0-9a-f]{64}", identity)
    stack("down", "-t", "0", "--remove-orphans")


def test_attached_up_ends_with_its_containers(stack: Stack) -> None:
    stack.write(
        "services:\n  a: {image: IMAGE, command: sh -c 'echo one; sleep 0.2; exit 3'}\n  b: {image: IMAGE, command: echo two}\n"
    )
    done = stack("up")
    assert "Attaching to a-1, b-1" in done.stdout
    for line in ("a-1  | one", "b-1  | two", "a-1 exited with code 3", "b-1 exited with code 0"):
        assert line in done.stdout


def test_exit_code_from(stack: Stack) -> None:
    stack.write(f"services:\n  t: {{image: IMAGE, command: sh -c 'sleep 0.2; exit 5'}}\n  web: {SLEEPER}}}\n")
    stack("up", "--exit-code-from", "t", code=5)
    assert set(stack.states().values()) == {"exited"}
    stack("up", "--abort-on-container-exit", code=5)


def test_ctrl_c_stops_gracefully(stack: Stack) -> None:
    stack.write(
        "services:\n  web: {image: IMAGE, command: [sh, -c, 'trap \"echo bye; exit 0\" TERM; echo up; while :; do sleep 0.1; done']}\n"
    )
    process = stack.popen("up")
    assert process.stdout is not None
    for line in process.stdout:
        if line == "web-1  | up\n":
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "web-1  | bye" in out
    assert "Gracefully stopping..." in err
    assert stack.ps()["web-1"]["ExitCode"] == 0


def test_logs_follow_until_the_end(stack: Stack) -> None:
    script = "for i in 1 2 3; do echo $$i; done; while [ ! -e /go ]; do sleep 0.02; done; echo 4"
    stack.write(f"services:\n  web: {{image: IMAGE, command: ['sh', '-c', '{script}']}}\n")
    stack("up", "-d")
    process = stack.popen("logs", "-f")
    # It ends only when somebody follows, however slow the machine is.
    assert lines_until(process, "3") == [f"web-1  | {number}" for number in (1, 2, 3)]
    stack("exec", "-T", "web", "touch", "/go")
    assert process.communicate(timeout=30)[0] == "web-1  | 4\nweb-1 exited with code 0\n"
    assert process.returncode == 0
    assert stack("logs", "--tail", "2", "--no-log-prefix").stdout == "3\n4\n"


def test_stop_start_restart_kill_pause_rm(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}, depends_on: [db]}}\n  db: {SLEEPER}}}\n")
    stack("up", "-d")
    stack("stop", "-t", "1")
    assert set(stack.states().values()) == {"exited"}
    stack("start")
    assert set(stack.states().values()) == {"running"}
    stack("pause", "web")
    assert stack.states()["web-1"] == "paused"
    stack("unpause", "web")
    stack("kill", "-s", "KILL", "web")
    assert stack.ps()["web-1"]["ExitCode"] == 137
    stack("restart", "-t", "0", "web")
    assert stack.states()["web-1"] == "running"
    stack("rm", "-fs", "web")
    assert sorted(stack.ps()) == ["db-1"]
    stack("create")
    assert stack.states() == {"db-1": "running", "web-1": "created"}


def test_restart_takes_dependants_along(stack: Stack) -> None:
    stack.write(
        f"services:\n  db: {SLEEPER}}}\n  web: {SLEEPER}, depends_on: {{db: {{condition: service_started, restart: true}}}}}}\n"
    )
    stack("up", "-d")

    def started() -> str:
        return stack("container", "inspect", "-f", "{{.State.StartedAt}}", f"{stack.name}-web-1").stdout

    before = started()
    stack("restart", "-t", "0", "db")
    assert started() != before


def test_two_directories_with_one_name(stack: Stack, tmp_path: Path) -> None:
    stack.write(f"name: {stack.name}\nservices:\n  web: {SLEEPER}}}\n")
    stack("up", "-d")
    other = tmp_path / "elsewhere"
    other.mkdir()
    second = Stack(stack.base, other, stack.name)
    second.write(f"name: {stack.name}\nservices:\n  web: {SLEEPER}}}\n")
    refused = second("up", "-d", code=1)
    assert str(stack.directory) in refused.stderr
    assert str(other) in refused.stderr
    assert stack.states() == {"web-1": "running"}


def test_down_without_a_file(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}, profiles: [extra]}}\n  db: {SLEEPER}}}\n")
    stack("--profile", "extra", "up", "-d")
    (stack.directory / "compose.yaml").unlink()
    stack("down", "-t", "0")
    assert stack("ps", "-aq").stdout == ""


def test_profiles_do_not_keep_containers_from_down(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}, profiles: [extra]}}\n  db: {SLEEPER}}}\n")
    stack("--profile", "extra", "up", "-d")
    stack("down", "-t", "0")
    assert stack.ps() == {}


def test_one_shot_is_success_for_wait(stack: Stack) -> None:
    stack.write(f"services:\n  seed: {{image: IMAGE, command: 'true'}}\n  web: {SLEEPER}}}\n")
    stack("up", "-d", "--wait")
    stack.write(
        "services:\n  seed: {image: IMAGE, command: 'false'}\n"
        "  web: {image: IMAGE, command: sleep 1000, stop_signal: SIGKILL, healthcheck: {test: sleep 0.5, interval: 1s}}\n"
    )
    assert "exited (1)" in stack("up", "-d", "--wait", code=1).stderr


def test_wait_timeout(stack: Stack) -> None:
    stack.write(
        "services:\n  web: {image: IMAGE, command: sleep 1000, stop_signal: SIGKILL, healthcheck: {test: 'false', interval: 5s, start_period: 60s}}\n"
    )
    started = time.monotonic()
    assert "application not healthy after 1s" in stack("up", "-d", "--wait", "--wait-timeout", "1", code=1).stderr
    assert time.monotonic() - started < 15


def test_cp_both_ways(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}}}\n")
    stack("up", "-d")
    (stack.directory / "tree" / "sub").mkdir(parents=True)
    (stack.directory / "tree" / "sub" / "file").write_text("data")
    stack("cp", "tree", "web:/tmp")
    assert stack("exec", "-T", "web", "cat", "/tmp/tree/sub/file").stdout == "data"
    stack("cp", "tree/sub/file", "web:/tmp/renamed")
    stack("cp", "web:/tmp/renamed", "back")
    assert (stack.directory / "back").read_text() == "data"
    stack("cp", "web:/tmp/tree", "out")
    assert (stack.directory / "out" / "sub" / "file").read_text() == "data"
    assert "no such" in stack("cp", "nowhere", "web:/tmp", code=1).stderr.lower()


def test_ports_and_names(stack: Stack) -> None:
    port = free_port()
    stack.write(
        "services:\n"
        f"  web: {{image: IMAGE, command: httpd -f -p 80 -h /etc, stop_signal: SIGKILL, ports: ['127.0.0.1:{port}:80'],"
        " networks: {default: {aliases: [nickname]}}}\n"
        f"  client: {SLEEPER}}}\n"
    )
    stack("up", "-d")
    assert stack("port", "web", "80").stdout == f"127.0.0.1:{port}\n"
    assert f"127.0.0.1:{port}->80/tcp" in stack.ps()["web-1"]["Ports"]
    for name in ("web", "nickname", f"{stack.name}-web-1"):
        assert "root:" in stack("exec", "-T", "client", "wget", "-qO-", f"http://{name}/passwd").stdout


def test_copies_of_what_is_no_plain_file(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}, scale: 2}}\n")
    stack("up", "-d")
    tree = stack.directory / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "first").write_text("same")
    os.link(tree / "first", tree / "sub" / "second")
    os.mkfifo(tree / "fifo")
    (tree / "two\nlines").write_text("x")
    with open(tree / "sparse", "wb") as file:
        file.truncate(64 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"end")
    with socket.socket(socket.AF_UNIX) as door, contextlib.chdir(tree):
        door.bind("socket")
    said = stack("cp", "tree", "web:/tmp").stderr
    assert said.count("socket is a socket: left out") == 1
    for replica in ("1", "2"):
        inside = ("exec", "-T", "--index", replica, "web")
        assert stack(*inside, "sh", "-c", "test -p /tmp/tree/fifo && stat -c %h /tmp/tree/first").stdout == "2\n"
        assert stack(*inside, "cat", "/tmp/tree/two\nlines").stdout == "x"
        assert stack(*inside, "tail", "-c", "3", "/tmp/tree/sparse").stdout == "end"
    assert "cannot be copied" in stack("cp", "tree/socket", "web:/tmp", code=1).stderr
    stack("cp", "web:/tmp/tree", "back")
    back = stack.directory / "back"
    assert stat.S_ISFIFO((back / "fifo").stat().st_mode)
    assert (back / "first").stat().st_ino == (back / "sub" / "second").stat().st_ino
    assert (back / "two\nlines").read_text() == "x"
    sparse = (back / "sparse").stat()
    assert (sparse.st_size, sparse.st_blocks < 1024) == ((64 << 20) + 3, True)
    stack("exec", "-T", "-u", "0", "--privileged", "web", "mknod", "/tmp/tree/null", "c", "1", "3")
    assert "tree/null is a device: left out" in stack("cp", "web:/tmp/tree", "again").stderr
    assert "null is a device" in stack("cp", "web:/tmp/tree/null", "null", code=1).stderr
    assert not (stack.directory / "null").exists()
    stack("cp", "web:/tmp/tree/fifo", "fifo")
    assert stat.S_ISFIFO((stack.directory / "fifo").stat().st_mode)
    with open(stack.directory / "tar", "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(tree / "first", "piped")
    with open(stack.directory / "tar", "rb") as packed:
        process = stack.popen("cp", "-", "web:/tmp", stdin=packed)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    for replica in ("1", "2"):
        assert stack("exec", "-T", "--index", replica, "web", "cat", "/tmp/piped").stdout == "same"


def test_hooks(stack: Stack) -> None:
    stack.write(
        "services:\n  web:\n    image: IMAGE\n    command: sleep 1000\n    stop_signal: SIGKILL\n    volumes: ['.:/host']\n"
        "    post_start: [{command: sh -c 'echo started >> /host/hooks'}]\n"
        "    pre_stop: [{command: [sh, -c, 'echo stopping >> /host/hooks']}]\n"
    )
    stack("up", "-d")
    stack("down")
    assert (stack.directory / "hooks").read_text() == "started\nstopping\n"


PRE_START = (
    "services:\n"
    "  db: {image: IMAGE, command: httpd -f -p 80 -h /etc, stop_signal: SIGKILL}\n"
    "  web:\n    image: IMAGE\n    command: sleep 1000\n    stop_signal: SIGKILL\n    depends_on: [db]\n"
    "    environment: {WHO: service}\n    working_dir: /srv\n    user: '7'\n    deploy: {replicas: 2}\n"
    "    volumes: ['.:/host', data:/data, /anonymous]\n    configs: [{source: note, uid: '7', mode: 0400}]\n"
    "    pre_start:\n"
    "      - command: [sh, -c, 'echo first $$WHO $$MORE $$(id -u) $$PWD $$(cat /note) >> /host/ran; echo said']\n"
    "        environment: {MORE: hook}\n        user: root\n"
    "      - {command: [sh, -c, 'id -u >> /host/ran; exit CODE'], image: OTHER, user: root}\n"
    "      - {command: [sh, -c, 'echo each >> /host/ran; echo x > /anonymous/mark'], user: root, per_replica: true}\n"
    "volumes: {data: }\nconfigs: {note: {content: config}}\n"
)


def test_pre_start_hooks(stack: Stack) -> None:
    other = f"{stack.name}-other"
    stack("image", "tag", IMAGE, other)
    ran = stack.directory / "ran"
    stack.write(PRE_START.replace("CODE", "3").replace("OTHER", other))
    printed = stack("plan", code=2).stdout
    hook = f"{stack.name}-web-pre_start-0"
    assert f"run {hook}" in printed and "it has not run for" in printed and "compose.yaml:" in printed
    assert f"Container {hook}  Exited" in stack("--dry-run", "up", "-d").stderr
    failed = stack("up", "-d", code=1)
    assert "pre_start[1] exited with code 3" in failed.stderr and "not started because of it: web" in failed.stderr
    assert ran.read_text() == "first service hook 0 /srv config\n0\n"
    assert stack.states() == {"db-1": "running", "web-1": "created", "web-2": "created"}
    kept = stack("container", "ls", "-aq", "--filter", "label=com.docker.compose.hook=pre_start").stdout.split()
    assert len(kept) == 1
    # The step that succeeded is not run again; what the others share is there.
    (stack.directory / "compose.yaml").unlink()
    assert "pre_start[1] exited with code 3" in stack("-p", stack.name, "start", code=1).stderr
    assert ran.read_text().splitlines()[1:] == ["0", "0"]
    stack.write(PRE_START.replace("CODE", "0").replace("OTHER", other))
    ran.write_text("")
    stack("up", "-d")
    assert ran.read_text() == "first service hook 0 /srv config\n0\neach\neach\n"
    assert stack("exec", "-T", "--index", "2", "web", "cat", "/anonymous/mark").stdout == "x\n"
    assert stack("container", "ls", "-aq", "--filter", "label=com.docker.compose.hook").stdout == ""
    assert "nothing to do" in stack("plan").stdout
    # Not on another start, not for another replica (but what is for each); again where the service is recreated.
    ran.write_text("")
    stack("stop", "-t", "0")
    stack("up", "-d", "--scale", "web=3")
    stack("restart", "-t", "0", "web")
    assert ran.read_text() == "each\n"
    ran.write_text("")
    stack("up", "-d", "--force-recreate", "--no-deps", "--scale", "web=1", "web")
    assert ran.read_text() == "first service hook 0 /srv config\n0\neach\n"
    stack("down", "-t", "0")
    stack("image", "rm", other)


def test_a_pre_start_hook_that_is_interrupted_leaves_nothing(stack: Stack) -> None:
    stack.write(
        "services:\n  web: {image: IMAGE, command: sleep 1000, stop_signal: SIGKILL,"
        " pre_start: [{command: [sh, -c, 'echo begun; sleep 1000']}]}\n"
    )
    attached = stack.popen("up")
    assert attached.stdout is not None
    while (line := attached.stdout.readline()) and "begun" not in line:
        pass
    assert "pre_start[0]" in line
    attached.send_signal(signal.SIGINT)
    assert attached.wait(30) == 130
    attached.communicate()
    assert stack.states() == {"web-1": "created"}
    assert stack("container", "ls", "-aq", "--filter", "label=com.docker.compose.hook").stdout == ""


def test_pre_stop_hooks_need_no_model(stack: Stack) -> None:
    text = (
        "services:\n  web:\n    image: IMAGE\n    command: sleep 1000\n    stop_signal: SIGKILL\n    volumes: ['.:/host']\n"
        "    pre_stop: [{command: [sh, -c, 'echo $$WHY >> /host/hooks'], environment: {WHY: before}}]\n"
    )
    stack.write(text)
    stack("up", "-d")
    (stack.directory / "compose.yaml").unlink()
    hooks = stack.directory / "hooks"
    stack("-p", stack.name, "stop")
    assert hooks.read_text() == "before\n"
    stack("-p", stack.name, "start")
    stack("-p", stack.name, "restart")
    assert hooks.read_text() == "before\n" * 2
    stack("-p", stack.name, "down")
    assert hooks.read_text() == "before\n" * 3
    stack.write(text)
    attached = stack.popen("up")
    assert attached.stdout is not None
    assert "Attaching to web-1" in attached.stdout.readline()
    while stack.states().get("web-1") != "running":
        assert attached.poll() is None
    attached.send_signal(signal.SIGINT)
    attached.communicate(timeout=30)
    assert hooks.read_text() == "before\n" * 4
    stack.write(text.replace("WHY: before", "WHY: later"))
    assert "pre_stop" in stack("plan", code=2).stdout


def test_a_pre_stop_hook_that_fails_fails_the_stop(stack: Stack) -> None:
    stack.write("services:\n  web: {image: IMAGE, command: sleep 1000, pre_stop: [{command: sh -c 'exit 3'}]}\n")
    stack("up", "-d")
    failed = stack("stop", "-t", "0", code=1)
    assert "pre_stop hook of" in failed.stderr and "exited with code 3" in failed.stderr
    assert stack.states() == {"web-1": "running"}
    stack("kill")


def test_a_pre_stop_hook_that_fails_does_not_keep_the_container(stack: Stack) -> None:
    text = "services:\n  web: {image: IMAGE, command: sleep 1000, pre_stop: [{command: sh -c 'exit %d'}]}\n"
    stack.write(text % 3)
    stack("up", "-d")
    stack.write(text % 4)
    # The hook that is repaired is the one that runs before the old container stops.
    assert "exited with code 3" in stack("up", "-d", "-t", "0").stderr
    assert stack.states() == {"web-1": "running"}
    assert "exited with code 4" in stack("down", "-t", "0").stderr
    assert stack.states() == {}


def test_a_changed_hook_takes_effect(stack: Stack) -> None:
    plain = f"services:\n  web: {SLEEPER}"
    for hook, want in (("", ""), ("one", "one"), ("two", "two"), ("", "")):
        line = f", post_start: [{{command: sh -c 'echo {hook} > /mark'}}]" if hook else ""
        stack.write(f"{plain}{line}}}\n")
        stack("up", "-d", "-t", "0")
        assert stack("exec", "-T", "web", "sh", "-c", "cat /mark || true").stdout.strip() == want
        assert stack("plan").stdout.endswith("nothing to do\n")


def test_renewed_anonymous_volumes(stack: Stack) -> None:
    stack.write(
        f"services:\n  web: {SLEEPER}, volumes: [/data, 'named:/named']}}\n  other: {SLEEPER}}}\nvolumes: {{named: }}\n"
    )
    stack("up", "-d")
    before = {name: row["ID"] for name, row in stack.ps().items()}
    stack("exec", "-T", "web", "touch", "/data/old", "/named/old")
    stack("up", "-d", "--force-recreate", "-t", "0", "web")
    assert stack("exec", "-T", "web", "ls", "/data", "/named").stdout == "/data:\nold\n\n/named:\nold\n"
    stack("up", "-d", "-V", "-t", "0")
    assert stack("exec", "-T", "web", "ls", "/data", "/named").stdout == "/data:\n\n/named:\nold\n"
    assert stack.ps()["other-1"]["ID"] == before["other-1"]
    stack("down", "-v", "-t", "0")


def test_secrets_belong_to_the_user_of_the_service(stack: Stack) -> None:
    (stack.directory / "file").write_text("in a file")
    stack.write(
        "services:\n"
        "  numbers: {image: IMAGE, command: sleep 1000, stop_signal: SIGKILL, user: '1234:2345', <<: &files {secrets: ["
        "{source: value, mode: 0400}, {source: file, mode: 0400}, {source: value, target: given, uid: '7', mode: 0400}],"
        " configs: [{source: config, target: /config, mode: 0440}]}}\n"
        "  named: {build: {dockerfile_inline: \"FROM IMAGE\\nRUN mkdir -p /etc && echo 'me:x:77:88::/:/bin/sh' > /etc/passwd &&"
        " echo 'us:x:99:' > /etc/group\\nUSER me\"}, command: sleep 1000, stop_signal: SIGKILL, <<: *files}\n"
        f"  group: {{image: {stack.name}-named, depends_on: [named], user: 'me:us', command: sleep 1000, stop_signal: SIGKILL, <<: *files}}\n"
        "  root: {image: IMAGE, command: sleep 1000, stop_signal: SIGKILL, <<: *files}\n"
        "secrets: {value: {environment: HOME}, file: {file: ./file}}\nconfigs: {config: {content: x}}\n"
    )
    stack("up", "-d", "--build")
    owners = {"numbers": ("1234", "2345"), "named": ("77", "88"), "group": ("77", "99"), "root": ("0", "0")}
    for service, (uid, gid) in owners.items():
        files = ["/run/secrets/value", "/run/secrets/file", "/run/secrets/given", "/config"]
        shown = stack("exec", "-T", "-u", "0", service, "stat", "-c", "%u:%g %a", *files).stdout
        assert shown == f"{uid}:{gid} 400\n{uid}:{gid} 400\n7:{gid} 400\n{uid}:{gid} 440\n", service
        assert stack("exec", "-T", service, "cat", "/run/secrets/file").stdout == "in a file"
    stack("down", "-v", "-t", "0", "--rmi", "local")


def test_changed_network_is_made_anew(stack: Stack) -> None:
    text = f"services:\n  web: {SLEEPER}}}\nnetworks: {{default: {{internal: %s}}}}\n"
    stack.write(text % "false")
    stack("up", "-d")
    stack.write(text % "true")
    assert "has another configuration (internal)" in stack("plan", code=2).stdout
    stack("up", "-d", "-t", "0")
    assert stack("network", "inspect", "-f", "{{.Internal}}", f"{stack.name}_default").stdout == "true\n"
    assert stack.states() == {"web-1": "running"}
    assert stack("plan").stdout.endswith("nothing to do\n")


def test_shared_network_namespace(stack: Stack) -> None:
    stack.write(
        "services:\n  vpn: {image: IMAGE, command: httpd -f -p 81 -h /etc, stop_signal: SIGKILL}\n"
        f"  app: {SLEEPER}, network_mode: 'service:vpn'}}\n"
    )
    stack("up", "-d")
    assert "root:" in stack("exec", "-T", "app", "wget", "-qO-", "http://127.0.0.1:81/passwd").stdout
    assert stack("plan").stdout.endswith("nothing to do\n")


def test_parallel_ups_take_turns(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}}}\n  db: {SLEEPER}}}\n")
    processes = [stack.popen("up", "-d") for _ in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert stack.states() == {"db-1": "running", "web-1": "running"}
    assert len(stack("network", "ls", "-q", "--filter", f"name={stack.name}_default").stdout.split()) == 1


def test_watch_syncs(stack: Stack) -> None:
    source = stack.directory / "src"
    source.mkdir()
    (source / "first").write_text("1")
    stack.write(
        "services:\n  web:\n    image: IMAGE\n    command: sleep 1000\n    stop_signal: SIGKILL\n    develop:\n      watch:\n"
        "        - {action: sync, path: ./src, target: /app, ignore: ['*.tmp'], initial_sync: true}\n"
    )
    stack("up", "-d")
    process = stack.popen("watch", "--no-up")
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "Watch enabled" in line:
                break
        (source / "second.tmp").write_text("no")
        (source / "second").write_text("2")
        for line in process.stderr:
            if "Syncing" in line:
                break
        assert stack("exec", "-T", "web", "sh", "-c", "cd /app; cat first second; ls").stdout == "12first\nsecond\n"
        (source / "first").unlink()
        for line in process.stderr:
            if "Syncing" in line:
                break
        assert stack("exec", "-T", "web", "ls", "/app").stdout == "second\n"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_listings_and_pictures(stack: Stack) -> None:
    stack.write(
        f"services:\n  web: {SLEEPER}, depends_on: [db]}}\n  db: {SLEEPER}, volumes: ['data:/data']}}\nvolumes: {{data: }}\n"
    )
    stack("up", "-d")
    assert f"{stack.name}-db-1" in stack("images").stdout
    assert "sleep 1000" in stack("top", "web").stdout
    assert stack("volumes", "-q").stdout == f"{stack.name}_data\n"
    assert f"{stack.name}-web-1" in stack("stats", "--no-stream").stdout
    assert "after   db (started)" in stack("graph").stdout
    assert stack("graph", "--format", "mermaid").stdout.startswith("flowchart TD")
    svg = stack("graph", "--format", "svg").stdout
    assert svg.startswith("<svg")
    import xml.etree.ElementTree

    xml.etree.ElementTree.fromstring(svg)
    assert '"status": "Done"' in stack("--progress", "json", "restart", "-t", "0", "web").stderr
    assert stack("--progress", "quiet", "restart", "-t", "0", "web").stderr == ""


def test_commit_export_and_wait(stack: Stack) -> None:
    stack.write("services:\n  web: {image: IMAGE, command: sh -c 'echo x > /made; sleep 0.5; exit 4'}\n")
    stack("up", "-d")
    assert stack("wait", "web", code=4).stdout.endswith("exited with status code 4\n")
    image = f"{stack.name}:made"
    stack("--dry-run", "commit", "web", image)
    stack("image", "inspect", image, code=1)
    stack("commit", "-p=false", "-m", "why", "web", image)
    assert stack("image", "inspect", "-f", "{{.Comment}}", image).stdout == "why\n"
    assert stack("container", "run", "--rm", "--network", "none", image, "cat", "/made").stdout == "x\n"
    stack("image", "rm", image)
    stack("export", "-o", "out.tar", "web")
    import tarfile

    with tarfile.open(stack.directory / "out.tar") as tar:
        assert "made" in {name.removeprefix("./") for name in tar.getnames()}


def test_build_and_up(stack: Stack) -> None:
    (stack.directory / "app").mkdir()
    (stack.directory / "app" / "hello").write_text("hello\n")
    (stack.directory / "app" / "Dockerfile").write_text(
        f'FROM {IMAGE}\nARG WHO=nobody\nCOPY hello /hello\nENV WHO=$WHO\nCMD ["sleep", "1000"]\n'
    )
    stack.write("services:\n  web: {build: {context: ./app, args: {WHO: me}}, stop_signal: SIGKILL}\n")
    try:
        stack("build")
        stack("up", "-d")
        assert stack("exec", "-T", "web", "sh", "-c", "cat /hello; echo $WHO").stdout == "hello\nme\n"
        before = stack.ids()
        stack("up", "-d", "--build")
        assert stack.ids() == before
        (stack.directory / "app" / "hello").write_text("changed\n")
        stack("up", "-d", "--build")
        assert stack("exec", "-T", "web", "cat", "/hello").stdout == "changed\n"
    finally:
        stack("down", "--rmi", "local", "-t", "0")
    assert stack("image", "ls", "-q", f"{stack.name}-web").stdout == ""


def test_a_built_image_is_the_projects(stack: Stack) -> None:
    """It carries the project's labels; what is run from it by other means does not belong to the project."""
    (stack.directory / "Dockerfile").write_text(f'FROM {IMAGE}\nCMD ["sleep", "1000"]\n')
    named = f"{stack.name}-named"
    stack.write(f"services:\n  web: {{build: ., image: {named}}}\n  other: {{image: {IMAGE}, build: .}}\n")
    stack("build", "web")
    shown = json.loads(stack("image", "inspect", named).stdout)[0]["Config"]["Labels"]
    assert shown == {
        "com.docker.compose.project": stack.name,
        "com.docker.compose.service": "web",
        "com.docker.compose.version": "2.26.1",
    }
    stack("container", "create", "--name", f"{stack.name}-stranger", named)
    try:
        assert stack("ps", "-aq").stdout == ""
        stack("down", "--rmi", "local")
        assert stack("container", "inspect", f"{stack.name}-stranger", "-f", "{{.Name}}").stdout
    finally:
        stack("container", "rm", f"{stack.name}-stranger")
    stack("down", "--rmi", "local")
    assert stack("image", "ls", "-q", named).stdout == ""
    assert stack("image", "ls", "-q", IMAGE).stdout != ""  # not built here, whatever its service could build


def test_failed_build(stack: Stack) -> None:
    (stack.directory / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo about to fail; exit 3\n")
    stack.write("services:\n  web: {build: .}\n")
    failed = stack("up", "-d", code=17)
    assert "about to fail" in failed.stderr
    assert stack.ps() == {}


def test_dry_run_does_nothing(stack: Stack) -> None:
    stack.write(f"services:\n  web: {SLEEPER}}}\n")
    assert "DRY-RUN MODE" in stack("--dry-run", "up", "-d").stderr
    assert stack.ps() == {}
    stack("up", "-d")
    stack("--dry-run", "down")
    assert stack.states() == {"web-1": "running"}


def test_configs_and_secrets_with_owner_and_mode(stack: Stack) -> None:
    own = stack.base[0] == "--root"
    (stack.directory / "token").write_text("from a file")
    stack.write(
        f"""
services:
  web:
    image: IMAGE
    command: sleep 1000
    stop_signal: SIGKILL
    read_only: {str(own).lower()}
    configs: [{{source: greeting, target: /etc/greeting, uid: "7", gid: "8", mode: 0440}}]
    secrets: [{{source: token, mode: 0400}}]
configs: {{greeting: {{content: hello}}}}
secrets: {{token: {{file: ./token}}}}
"""
    )
    stack("up", "-d")
    show = "stat -c '%a %u %g' /etc/greeting /run/secrets/token; cat /etc/greeting /run/secrets/token"
    wanted = "440 7 8\n400 0 0\nhellofrom a file"
    assert stack("exec", "-T", "web", "sh", "-c", show).stdout == wanted
    assert stack("run", "--rm", "-T", "web", "sh", "-c", show).stdout == wanted
    stack("stop", "-t", "0")
    if own:
        stack("engine", "stop", "--force")
    stack("start")
    assert stack("exec", "-T", "web", "sh", "-c", show).stdout == wanted
    stack("stop", "-t", "0")
    if own:
        stack("engine", "stop", "--force")
        refused = stack("container", "start", f"{stack.name}-web-1", code=None)
        assert refused.returncode != 0 and "kept in memory only" in refused.stderr
    stack("up", "-d")
    assert stack("exec", "-T", "web", "sh", "-c", show).stdout == wanted
    assert stack("plan").stdout == f"{stack.name}: nothing to do\n"


def test_update_config_order_parallelism_and_delay(stack: Stack) -> None:
    text = (
        "services:\n  web:\n    image: IMAGE\n    command: sleep 1000\n    stop_signal: SIGKILL\n    environment: {A: '%s'}\n"
        "    deploy: {replicas: 2, update_config: {order: start-first, parallelism: 1, delay: 2s}}\n"
    )
    stack.write(text % "1")
    stack("up", "-d")
    stack.write(text % "2")
    began = time.monotonic()
    words = [line.split("Container ")[-1] for line in stack("up", "-d").stderr.splitlines()]
    assert time.monotonic() - began >= 2
    assert stack.states() == {"web-1": "running", "web-2": "running"}
    for name in ("web-1", "web-2"):
        shown = [word for word in words if word.startswith(f"{stack.name}-{name} ")]
        assert [one.rpartition("  ")[2] for one in shown if one.endswith(("Started", "Recreated"))] == [
            "Started",
            "Recreated",
        ]
    finished = [word.rpartition("  ") for word in words if word.endswith("Started")]
    assert [name for name, _, _ in finished] == [f"{stack.name}-web-1", f"{stack.name}-web-2"]
    assert stack("plan").stdout.endswith("nothing to do\n")


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    assert process.stdout is not None
    found = []
    for line in process.stdout:
        found.append(line.rstrip("\n"))
        if last in line:
            return found
    raise AssertionError(f"it ended with {process.wait()} before {last!r}: {found}")


@pytest.mark.parametrize("words", [("logs", "-f"), ("up",)], ids=["logs", "up"])
def test_who_follows_outlives_a_restart(stack: Stack, words: tuple[str, ...]) -> None:
    """Of the only service: for a moment nothing runs, which is not the end."""
    stack.write(
        "services:\n  web:\n    image: IMAGE\n    command: sh -c 'echo begun; exec sleep 1000'\n    init: true\n"
    )
    stack("up", "-d")
    process = stack.popen(*words)
    try:
        lines_until(process, "begun" if words[0] == "logs" else "Attaching")
        for _ in range(2):
            stack("restart")
            seen = lines_until(process, "begun")
            assert any("exited with code" in line for line in seen), seen
        stack("stop")
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()
