"""Bad input gets one clear message with its place, the usual exit code, no traceback, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command, free_port
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("bad-input")
    command = Command(root, root)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    yield root
    command("engine", "stop", "--force")
    assert_nothing_left(root)


@pytest.fixture
def command(root: Path, tmp_path: Path) -> Iterator[Command]:
    project = tmp_path / "project"
    project.mkdir()
    command = Command(root, project)
    yield command
    assert command("container", "ls", "--all", "--quiet").stdout == ""
    assert [
        line for line in command("network", "ls", "--format", "json").stdout.splitlines() if "project" in line
    ] == []


# name, file, what the message must say after `compose.yaml:LINE:COLUMN: `
REFUSED = [
    ("unknown key", "services:\n  web:\n    image: busybox\n    comand: 'true'\n", "4:5", "comand"),
    ("wrong type", "services:\n  web:\n    image: busybox\n    ports: 80\n", "4:5", "ports"),
    (
        "cycle",
        "services:\n  a:\n    image: busybox\n    depends_on: [b]\n  b:\n    image: busybox\n    depends_on: [a]\n",
        "",
        "cycle",
    ),
    ("undefined network", "services:\n  web:\n    image: busybox\n    networks: [back]\n", "4:16", "back"),
    ("missing required variable", "services:\n  web:\n    image: ${IMAGE:?set the image}\n", "3:5", "set the image"),
    ("not YAML", "services: [\n", "", ""),
]


@pytest.mark.parametrize(("text", "place", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
@pytest.mark.parametrize("verb", ["config", "up"])
def test_refused_files(command: Command, verb: str, text: str, place: str, words: str) -> None:
    file = command.directory / "compose.yaml"
    file.write_text(text)
    result = command(verb, *(["-d"] if verb == "up" else []), check=False)
    assert result.returncode not in (0, None)
    assert f"compose.yaml:{place}" in result.stderr
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 4


def test_no_file(command: Command) -> None:
    result = command("up", "-d", check=False)
    assert result.returncode != 0
    assert "compose.yaml" in result.stderr


def test_file_that_is_a_directory(command: Command) -> None:
    (command.directory / "compose.yaml").mkdir()
    result = command("up", "-d", check=False)
    assert result.returncode != 0
    assert "compose.yaml" in result.stderr


def test_taken_port(command: Command) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (command.directory / "compose.yaml").write_text(
            f"services:\n  web:\n    image: busybox\n    command: sleep 1000\n    ports: ['127.0.0.1:{port}:80']\n"
        )
        result = command("up", "-d", check=False)
    assert result.returncode == 1
    wanted = (
        f"compose.yaml:5:13: port {port} is used by {Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"
    )
    assert wanted in result.stderr
    assert result.stderr.count("--ports auto") == 1
    assert "userland proxy" not in result.stderr
    assert "Creating" not in result.stderr
    command("down")


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_taken_port_replaces_nothing(command: Command, address: str) -> None:
    """A change to a port that somebody has leaves the old container serving; the same port on another address is free."""
    text = "services:\n  web:\n    image: busybox\n    command: sleep 1000\n    init: true\n    ports: ['127.0.0.1:{}:80']\n"
    file = command.directory / "compose.yaml"
    file.write_text(text.format(free_port()))
    command("up", "-d")
    before = command("ps", "-q").stdout
    with socket.socket() as other:
        other.bind((address, 0))
        other.listen()
        port = other.getsockname()[1]
        file.write_text(text.format(port))
        result = command("up", "-d", check=False)
        assert result.returncode == 1
        assert f"compose.yaml:6:13: port {port} is used by" in result.stderr
        assert command("ps", "-q").stdout == before
        if address != "0.0.0.0":
            file.write_text(text.format(port).replace("127.0.0.1", "127.0.0.2"))
            command("up", "-d")
            assert command("ps", "-q").stdout != before
    command("down")


def test_port_of_another_container(command: Command) -> None:
    text = "name: {}\nservices:\n  web:\n    image: busybox\n    command: sleep 1000\n    init: true\n    ports: ['127.0.0.1:{}:80']\n"
    port = free_port()
    file = command.directory / "compose.yaml"
    file.write_text(text.format("first", port))
    command("up", "-d")
    file.write_text(text.format("second", port))
    result = command("up", "-d", check=False)
    assert f"compose.yaml:7:13: port {port} is used by container first-web-1 of project first" in result.stderr
    command("-p", "second", "down")
    command("-p", "first", "down")


def test_what_cannot_be_is_found_before_anything_is_made(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(
        "services:\n  a:\n    image: busybox\n    command: sleep 9\n    ports: ['8080:80']\n    depends_on: {b: {condition: service_healthy}}\n"
        "  b:\n    image: busybox\n    command: sleep 9\n    ports: ['8080:81']\n    volumes: ['v:/v']\n"
    )
    result = command("up", "-d", check=False)
    assert result.returncode == 15
    assert "compose.yaml:5:13: services.a.ports[0]: port 8080 is also published by service b" in result.stderr
    assert "compose.yaml:6:18: services.a.depends_on.b: service a waits for b to be healthy" in result.stderr
    assert "compose.yaml:11:15: services.b.volumes[0]: 'v:/v' names no volume" in result.stderr
    assert "Creating" not in result.stderr


def test_a_script_that_is_not_executable(command: Command) -> None:
    (command.directory / "run.sh").write_text("#!/bin/sh\n")
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    image: busybox\n    command: /run.sh\n    volumes: ['./run.sh:/run.sh', './nothing:/x']\n"
    )
    result = command("up", "-d", check=False)
    assert result.returncode == 1
    assert "compose.yaml:4:5: /run.sh is not executable; chmod +x run.sh" in result.stderr
    assert "compose.yaml:5:35: nothing did not exist and is created as an empty directory" in result.stderr
    command("down")


def test_verbs_name_what_does_not_exist(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    image: busybox\n    command: sleep 1000\n    init: true\n  job:\n    image: busybox\n    command: sh -c 'exit 7'\n"
    )
    command("up", "-d")
    for words in (("exec", "wbe", "true"), ("stats", "--no-stream", "wbe"), ("logs", "wbe"), ("wait", "wbe")):
        result = command(*words, check=False)
        assert (result.returncode, result.stderr) == (1, "no such service: wbe (did you mean web?)\n"), words
    ended = command("wait", "job", check=False)
    assert ended.returncode == 7
    assert ended.stdout.endswith("exited with status code 7\n")
    command("up", "-d", "--timings", "trace.json")
    assert (command.directory / "trace.json").is_file()
    assert command("system", "df").stdout.splitlines()[1].split()[-2:] == ["0B", "(0%)"]  # the one image is in use
    command("down")


def test_an_engine_that_is_restarted_leaves_containers_running(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    image: busybox\n    command: sleep 1000\n    init: true\n"
    )
    command("up", "-d")
    name = f"{command.directory.name}-web-1"
    before, pids = json.loads(command("container", "inspect", name).stdout)[0]["State"], command.engine()
    refused = command("engine", "stop", check=False)
    assert refused.returncode == 1
    assert "stop them first, or pass --force, which stops them" in refused.stderr
    assert '"pycompose engine restart" keeps them running' in refused.stderr
    assert "containers running: 1" in command("engine", "restart").stdout
    after, others = json.loads(command("container", "inspect", name).stdout)[0]["State"], command.engine()
    assert (after["Pid"], after["StartedAt"]) == (before["Pid"], before["StartedAt"])
    assert pids["pid"] != others["pid"] and pids["keeper_pid"] != others["keeper_pid"]
    command("down")


def test_a_volume_that_somebody_else_has_made_stays_and_is_told_of(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    image: busybox\n    command: 'true'\n    volumes: ['data:/data']\nvolumes: {data: }\n"
    )
    name = f"{command.directory.name}_data"
    command("volume", "create", name)
    command("up", "-d")
    assert f"volume {name} was not made for this project and stays" in command("down", "-v").stderr
    command("volume", "rm", name)


def test_an_engine_that_does_not_run_has_a_status(tmp_path: Path) -> None:
    nobody = Command(tmp_path / "nobody", tmp_path)
    status = nobody("engine", "status", "--format", "json", check=False)
    assert (status.returncode, json.loads(status.stdout)) == (3, {"running": False})


def test_missing_executable(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    image: busybox\n    command: no-such-program\n"
    )
    result = command("up", "-d", check=False)
    assert result.returncode != 0
    assert "compose.yaml:4:5: no-such-program is not found in $PATH of busybox" in result.stderr
    command("down")


def test_missing_image(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    image: 127.0.0.1:1/no/such:image\n  other:\n    image: busybox\n    command: sleep 1000\n"
    )
    result = command("up", "-d", check=False)
    assert result.returncode != 0
    assert "no/such" in result.stderr
    command("down")


def test_a_key_that_cannot_be_carried_out(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    image: busybox\n    command: sleep 1000\n    storage_opt:\n      size: 1G\n    isolation: process\n"
    )
    for verb in (("up", "-d"), ("run", "--rm", "web", "true")):
        result = command(*verb, check=False)
        assert result.returncode == 15
        assert "compose.yaml:5:5: services.web.storage_opt is not supported: " in result.stderr
    (command.directory / "compose.yaml").write_text(
        "services:\n  web:\n    image: busybox\n    command: sleep 1000\n    isolation: process\n    stop_signal: KILL\n"
    )
    result = command("up", "-d")
    assert "compose.yaml:5:5: services.web.isolation has no effect: " in result.stderr
    assert command("up", "-d").stderr.count("has no effect") == 0
    command("down")


# What a shell does to a command: script, exit code, words on stderr.
SHELL = [
    ("a full disk behind stdout", "$P version >/dev/full", 1, "No space left on device"),
    ("no stdout", "$P version >&-", 0, ""),
    ("no streams at all", "$P version <&- >&- 2>&-", 0, ""),
    ("a reader that left", "$P --help | head -c0; exit ${PIPESTATUS[0]}", 0, ""),
    ("a directory that is gone", "mkdir x; cd x; rmdir ../x; $P ps", 1, "No such file or directory"),
    ("a pipe that nobody writes to", "mkfifo compose.yaml; $P config", 15, "empty compose file"),
    ("a file without end", "$P -f /dev/zero config", 15, "without end"),
    ("a helper outside PATH", "$P logout registry.test", 1, "is no name of a credential helper"),
    ("a configuration of another shape", "echo '{\"auths\":[1]}' > docker/config.json; $P logout registry.test", 1, "no JSON object"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "code", "words"), [case[1:] for case in SHELL], ids=[case[0] for case in SHELL])
def test_shells(tmp_path: Path, script: str, code: int, words: str) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text('{"credsStore": "../../bin/sh"}')
    environment = {
        **os.environ,
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "P": f"{sys.executable} -m pycompose.compose.cli.main",
    }
    environment |= {"PYCOMPOSE_ROOT": str(tmp_path / "root"), "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
