"""Stacks for tests, from the command line: `test`, leases, automatic ports, snapshots."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command, free_port
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
    command: sh -c 'mkdir -p /www && echo hello > /www/index.html && echo serving && exec httpd -f -p 80 -h /www'
    stop_signal: SIGKILL
    ports: ["127.0.0.1:{port}:80"]
    volumes: ["data:/data"]
    healthcheck:
      test: wget -q -O /dev/null http://127.0.0.1/
      interval: 1s
      start_period: 20s
volumes:
  data:
    name: fixed-data
"""
FETCH = f"{sys.executable} fetch.py"
FETCH_PY = """
import os, urllib.request
url = f"http://{os.environ['WEB_HOST']}:{os.environ['WEB_PORT']}/"
raise SystemExit(urllib.request.urlopen(url, timeout=10).read() != b"hello\\n")
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("stacks")
    command = Command(root, root)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    yield root
    command("engine", "stop", "--force")
    assert_nothing_left(root)


@pytest.fixture
def command(root: Path, tmp_path: Path) -> Iterator[Command]:
    project = tmp_path / "project"
    project.mkdir()
    (project / "compose.yaml").write_text(STACK.format(port=free_port()))
    (project / "fetch.py").write_text(FETCH_PY)
    command = Command(root, project)
    yield command
    assert_clean(command)


def assert_clean(command: Command) -> None:
    assert command("container", "ls", "--all", "--quiet").stdout == ""
    assert command("volume", "ls", "--quiet").stdout == ""
    assert command("lease", "ls", "--quiet").stdout == ""
    assert len(command("network", "ls", "--quiet").stdout.split()) == 3


def popen(command: Command, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(PYCOMPOSE), "--root", str(command.root), *arguments],
        cwd=command.directory,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- test


def test_the_commands_exit_code_and_environment(command: Command) -> None:
    result = command("test", "--", "sh", "-c", f"{FETCH} && env && exit 7", check=False)
    assert result.returncode == 7
    variables = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    assert variables["WEB_HOST"] == "127.0.0.1" and variables["WEB_80"] == variables["WEB_PORT"]
    assert variables["COMPOSE_PROJECT_NAME"].startswith("fixed-test-")
    assert "serving" in result.stderr and "exit code 7" in result.stderr


def test_sixteen_at_once(command: Command) -> None:
    """Of a file in which everything is fixed: port, names, subnet, address."""
    file = command.directory / "compose.yaml"
    address = "container_name: the-web\n    networks: {default: {ipv4_address: 10.213.77.9}}"
    subnet = "networks: {default: {ipam: {config: [{subnet: 10.213.77.0/24}]}}}\n"
    file.write_text(file.read_text().replace("container_name: the-web", address) + subnet)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: command("test", "-q", "--", "sh", "-c", FETCH), range(16)))
    assert [result.returncode for result in results] == [0] * 16


def test_reports(command: Command) -> None:
    command("test", "-q", "--report", "junit", "--", "true")
    suite = ElementTree.parse(command.directory / "pycompose-test.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")
    assert "serving" in (suite.findtext("system-err") or "")
    command("test", "-q", "--report", "json", "--report-file", "r.json", "--", "false", check=False)
    report = json.loads((command.directory / "r.json").read_text())
    assert report["exit_code"] == 1 and report["services"][0]["service"] == "web"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_reach_the_command(command: Command, number: signal.Signals) -> None:
    script = f"trap 'exit 42' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    process = popen(command, "test", "-q", "--", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 42


@pytest.mark.parametrize("seed", range(3))
def test_interrupted_set_up(command: Command, seed: int) -> None:
    process = popen(command, "test", "--", "sleep", "20")
    time.sleep(random.Random(seed).uniform(0.2, 0.8))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_killed(command: Command) -> None:
    process = popen(command, "test", "-q", "--", "sh", "-c", "echo ready; exec sleep 2")
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: not command("lease", "ls", "-q").stdout, lambda: "the lease stays")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("image: busybox", "image: 127.0.0.1:1/none"), "127.0.0.1:1/none"),
        (("http://127.0.0.1/", "http://127.0.0.1:81/"), "unhealthy"),
        (("exec httpd", "exit 3; httpd"), "3"),
    ],
)
def test_failing_set_up(command: Command, change: tuple[str, str], words: str) -> None:
    file = command.directory / "compose.yaml"
    file.write_text(file.read_text().replace(*change).replace("start_period: 20s", "retries: 1"))
    result = command("test", "--", "sh", "-c", "echo must not run", check=False)
    assert result.returncode == 1
    assert words in result.stderr and "the stack was not ready" in result.stderr
    assert "must not run" not in result.stdout


def test_keep_failed(command: Command) -> None:
    result = command("test", "-q", "--keep", "failed", "--", "false", check=False)
    project = result.stderr.split("pycompose -p ")[1].split()[0]
    assert command("-p", project, "ps", "--services").stdout == "web\n"
    assert command("lease", "ls", "-q").stdout == ""
    command("-p", project, "down", "-v")


# -- leases


def up(command: Command, lease: str) -> None:
    command("up", "-d", "--ephemeral", "--ports", "auto", "--lease", lease)


def test_renew_hand_over_release(command: Command) -> None:
    up(command, "ttl:1h")
    assert "ttl:3600s" in command("ls").stdout
    assert "ttl:7200s" in command("lease", "renew", "--ttl", "2h", "fixed").stdout
    command("lease", "hand-over", "fixed", f"pid:{os.getpid()}")
    assert f"pid:{os.getpid()}" in command("lease", "ls").stdout
    command("lease", "release", "fixed")
    assert command("lease", "ls", "-q").stdout == ""
    assert command("ps", "--services").stdout == "web\n"
    command("down", "-v")


def test_time_runs_out(command: Command) -> None:
    up(command, "ttl:1h")
    command("lease", "renew", "--ttl", "300ms", "fixed")
    wait_for(lambda: not command("lease", "ls", "-q").stdout, lambda: "the lease stays")


def test_descriptor_is_closed(command: Command) -> None:
    reader, writer = os.pipe()
    arguments = [str(PYCOMPOSE), "--root", str(command.root), "up", "-d", "--ephemeral", "--ports", "auto"]
    subprocess.run(
        [*arguments, "--lease", f"fd:{reader}"],
        cwd=command.directory,
        pass_fds=[reader],
        check=True,
        capture_output=True,
        timeout=60,
    )
    os.close(reader)
    assert command("lease", "ls", "-q").stdout
    os.close(writer)
    wait_for(lambda: not command("lease", "ls", "-q").stdout, lambda: "the lease stays")


def test_owner_killed_in_the_middle_of_a_build(command: Command) -> None:
    file = command.directory / "compose.yaml"
    inline = 'build: {dockerfile_inline: "FROM busybox\\nRUN echo begun && sleep 60\\n"}'
    file.write_text(file.read_text().replace("image: busybox", inline))
    owner = subprocess.Popen(["sleep", "60"])
    client = popen(command, "--progress", "plain", "up", "-d", "--ephemeral", "--lease", f"pid:{owner.pid}")
    begin = time.monotonic()
    assert client.stderr is not None and client.stdout is not None
    for line in client.stderr:
        if "begun" in line and "echo" not in line:
            break
    owner.kill()
    owner.wait()
    client.communicate(timeout=30)
    assert client.returncode != 0 and time.monotonic() - begin < 30
    wait_for(lambda: not command("lease", "ls", "-q").stdout, lambda: "the lease stays")
    assert "fixed" not in command("image", "ls").stdout


def test_nothing_is_created_under_a_lease_that_is_over(command: Command) -> None:
    command("container", "ls")
    engine = EngineRoot(command.root)
    body = {"Image": "busybox", "Labels": {"io.pycompose.lease": "0123456789abcdef"}}
    for path, what in (("containers", body), ("networks", {"Name": "n", **body}), ("volumes", {"Name": "vv", **body})):
        status, answer = engine.request("POST", f"/{path}/create", what)
        assert status == 409 and b"has ended" in answer
    gone = {"owner": {"pid": os.getpid(), "starttime": 1}}
    assert engine.request("POST", "/pycompose/leases", gone)[0] == 409
    assert engine.request("POST", "/pycompose/leases", {"owner": "me"})[0] == 400


def test_one_lease_for_a_project(command: Command) -> None:
    up(command, f"pid:{os.getpid()}")
    up(command, f"pid:{os.getpid()}")
    refused = command("up", "-d", "--lease", "ttl:1h", check=False)
    assert refused.returncode == 1 and "is held by pid:" in refused.stderr
    command("lease", "end", "fixed")


# -- ports


def test_automatic_ports_are_kept(command: Command) -> None:
    flags = ("--ephemeral", "--ports", "auto")
    command("up", "-d", *flags)
    port = json.loads(command("env", "--format", "json").stdout)["WEB_80"]
    assert command("port", "web", "80").stdout.strip() == f"127.0.0.1:{port}"
    assert command("env", "--format", "shell").stdout.splitlines()[1] == f"export WEB_PORT={port}"
    for change in (
        ["restart"],
        ["stop"],
        ["up", "-d", *flags],
        ["up", "-d", "--force-recreate", *flags],
        ["down", "-v"],
    ):
        command(*change)
    command("up", "-d", *flags)
    assert f"WEB_80={port}" in command("env").stdout
    assert "up" not in command("plan", check=False, PYCOMPOSE_PORTS="auto").stderr
    command("down", "-v")


@pytest.mark.parametrize("host", ["127.0.0.1:", "", "[::1]:"])
def test_automatic_ports_are_held_while_nothing_runs(command: Command, host: str) -> None:
    """By the engine, and after its death by the next one. A client is refused meanwhile; who else wants the port is, too."""
    file = command.directory / "compose.yaml"
    file.write_text(re.sub(r'"127.0.0.1:(\d+:80)"', rf'"{host}\1"', file.read_text()))
    flags = ("--ephemeral", "--ports", "auto")
    command("up", "-d", *flags)
    port = int(json.loads(command("env", "--format", "json").stdout)["WEB_80"])
    address = ("::1", port) if host == "[::1]:" else ("127.0.0.1", port)

    def taken() -> bool:
        with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as stranger:
            return stranger.connect_ex(address) == errno.ECONNREFUSED and _is_refused(stranger.family, address)

    command("stop")
    assert taken()
    os.kill(command.engine()["pid"], signal.SIGKILL)
    assert command("ps", "-a", "-q").stdout
    assert taken()
    command("start", "--wait")
    assert int(json.loads(command("env", "--format", "json").stdout)["WEB_80"]) == port
    with socket.create_connection(address, timeout=10):
        pass
    command("down", "-v")
    assert not taken()


def _is_refused(family: int, address: tuple[str, int]) -> bool:
    with socket.socket(family) as stranger:
        try:
            stranger.bind(address)
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


@pytest.mark.parametrize("count", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_worktrees_side_by_side(command: Command, tmp_path: Path, count: int) -> None:
    """One file with fixed ports in many directories: nothing but the directory differs."""
    text = (command.directory / "compose.yaml").read_text()
    text = (
        text.replace("name: fixed\n", "")
        .replace("    container_name: the-web\n", "")
        .replace("    name: fixed-data\n", "")
    )
    trees = []
    for number in range(count):
        directory = tmp_path / f"worktree{number}"
        directory.mkdir()
        (directory / "compose.yaml").write_text(text)
        trees.append(Command(command.root, directory))
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda tree: tree("up", "-d", PYCOMPOSE_PORTS="auto"), trees))
        ports = {json.loads(tree("env", "--format", "json").stdout)["WEB_PORT"] for tree in trees}
        assert len(ports) == count
        list(pool.map(lambda tree: tree("down", "-v", PYCOMPOSE_PORTS="auto"), trees))


# -- snapshots


def await_no_layers(command: Command) -> None:
    """Nothing refers to any; their files are deleted behind the answer."""
    directory = EngineRoot(command.root).layout.layered
    wait_for(lambda: not os.listdir(directory), lambda: os.listdir(directory))


def write(command: Command, text: str) -> None:
    command("exec", "-T", "web", "sh", "-c", f"echo {text} > /data/file")


def read(command: Command) -> str:
    return command("exec", "-T", "web", "cat", "/data/file").stdout.strip()


def test_snapshots(command: Command) -> None:
    up(command, f"pid:{os.getpid()}")
    write(command, "one")
    command("snapshot", "save", "first")
    write(command, "two")
    command("snapshot", "save", "second")
    write(command, "three")
    for name, text in (("first", "one"), ("second", "two"), ("first", "one")):
        command("snapshot", "restore", name)
        assert read(command) == text
        write(command, "spoilt")
    assert command("snapshot", "ls", "-q").stdout.split() == ["first", "second"]
    command("snapshot", "save", "first")
    command("snapshot", "rm", "second")
    command("snapshot", "restore", "first")
    assert read(command) == "spoilt"
    unknown = command("snapshot", "restore", "second", check=False)
    assert unknown.returncode == 1 and "second" in unknown.stderr
    command("lease", "end", "fixed")
    await_no_layers(command)


def test_a_snapshot_leaves_services_as_they_were(command: Command) -> None:
    command("up", "-d", "--wait")
    write(command, "one")
    command("pause")
    with ThreadPoolExecutor() as threads:  # two at once: one after the other, whichever comes first
        saves = [threads.submit(command, "snapshot", "save", name) for name in ("one", "two")]
        assert [save.result().stderr.count("Traceback") for save in saves] == [0, 0]
    assert command.ps()["the-web"]["State"] == "paused"
    command("unpause")
    write(command, "spoilt")
    command("pause")
    command("snapshot", "restore", "two")
    assert command.ps()["the-web"]["State"] == "paused"
    command("unpause")
    assert read(command) == "one"
    command("stop", "-t", "0")
    command("snapshot", "save", "two")
    assert command.ps()["the-web"]["State"] == "exited"
    command("down", "-v")
    command("snapshot", "rm", "one")
    command("snapshot", "rm", "two")
    await_no_layers(command)


def test_up_from(command: Command) -> None:
    command("up", "-d")
    write(command, "seeded")
    command("snapshot", "save", "seed")
    command("down", "-v")
    command("up", "-d", "--from", "seed")
    assert read(command) == "seeded"
    fetched = command("test", "-q", "--from", "seed", "--", str(PYCOMPOSE), "exec", "-T", "web", "cat", "/data/file")
    assert fetched.stdout == "seeded\n"
    command("down", "-v")
    command("snapshot", "rm", "seed")
    await_no_layers(command)
