"""`run`, `exec` and `cp` as scripts use them: whose container, which exit code, what stays behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

FILE = """
name: oneoff
services:
  web: {image: box, command: sleep 600, stop_grace_period: 0s}
  short: {image: box, command: echo short, profiles: [short]}
  tool: {image: box, command: sleep 600, stop_grace_period: 0s, profiles: [tools], depends_on: [web]}
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    directory = tmp_path_factory.mktemp("engine")
    command = Command(directory, directory)
    subprocess.run(
        [str(PYCOMPOSE), "--root", str(directory), "image", "import", "-c", 'CMD ["sh"]', "-", "box"],
        input=busybox_rootfs().read(),
        capture_output=True,
        check=True,
    )
    (directory / "compose.yaml").write_text(FILE)
    yield command
    command("engine", "stop", "--force")
    assert_nothing_left(directory)


@pytest.fixture(autouse=True)
def _clean(command: Command) -> Iterator[None]:
    yield
    command("--profile", "*", "down", "--volumes", "--remove-orphans")


def inspect(command: Command, name: str) -> dict[str, dict[str, object]]:
    found: list[dict[str, dict[str, object]]] = json.loads(command("container", "inspect", name).stdout)
    return found[0]


def test_a_named_service_needs_no_profile(command: Command) -> None:
    assert command("run", "--rm", "tool", "echo", "ran").stdout == "ran\n"
    assert {row["Service"] for row in command.ps().values()} == {"web"}
    command("up", "-d", "tool")
    assert {row["Service"] for row in command.ps().values()} == {"web", "tool"}


def test_a_detached_run_keeps_its_input_open(command: Command) -> None:
    command("run", "-d", "--name", "oneoff-cat", "web", "cat")
    found = inspect(command, "oneoff-cat")
    assert found["State"]["Running"] and found["Config"]["OpenStdin"]


def test_exec_attach_and_port_fall_back_to_one_off_containers(command: Command) -> None:
    command("run", "-d", "-p", "80", "web", "sleep", "100")
    assert command("exec", "-T", "web", "echo", "in").stdout == "in\n"
    assert command("port", "web", "80").stdout.startswith("0.0.0.0:")
    assert "not running container #7" in command("exec", "-T", "--index", "7", "web", "true", check=False).stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("run", "--label", "x", "web", "true"), 1, "label must be set as KEY=VALUE"),
        (("run", "-P", "-p", "80", "web", "true"), 1, "--service-ports and --publish are incompatible"),
        (("run", "-p", "99999:1", "web", "true"), 1, "99999"),
        (("run",), 1, "at least 1 argument"),
        (("run", "-it", "web", "true"), 1, "the input device is not a TTY"),
        (("run", "--nosuch", "web"), 16, "unknown flag: --nosuch"),
        (("--dry-run", "run", "--rm", "web", "true"), 1, "interactive run is not supported in dry-run mode"),
        (("config", "nosuch"), 1, "no such service: nosuch"),
        (("-f", "nosuch.yaml", "config"), 14, "nosuch.yaml: no such file"),
        (("--env-file", "nosuch.env", "config"), 1, "couldn't find env file"),
        (("-p", "Bad!", "ps"), 1, "invalid project name"),
        (("--parallel", "x", "ps"), 1, "--parallel"),
        (("publish", "--app", "a/b"), 1, "not supported"),
    ],
)
def test_exit_codes_are_docker_composes(command: Command, words: tuple[str, ...], code: int, text: str) -> None:
    done = command(*words, check=False)
    assert (done.returncode, text in done.stderr) == (code, True), done.stderr


def test_exec_that_cannot_start(command: Command) -> None:
    command("up", "-d", "web")
    for words in (["nosuch"], ["-w", "/nosuch", "web", "true"]):
        words = words if "web" in words else ["web", *words]
        assert command("exec", "-T", *words, check=False).returncode == 127
    assert command("--dry-run", "exec", "-T", "web", "touch", "/made", check=False).returncode == 1
    assert command("exec", "-T", "web", "ls", "/made", check=False).returncode == 1


def test_what_cannot_start_is_told_by_the_line_that_asks_for_it(command: Command) -> None:
    """As `up` tells it. What the command line asks for has no line; who has a port is told all the same."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = command.directory / "wrong.yaml"
        ports = f'ports: ["127.0.0.1:{port}:80"]'
        file.write_text(
            f"name: oneoff\nservices:\n  web: {{image: box, command: nosuch, stop_grace_period: 0s, {ports}}}\n"
        )
        wrong = ("-f", str(file), "run", "--rm", "-T")
        place = re.escape(str(file))
        told = command(*wrong, "web", check=False)
        assert (told.returncode, bool(re.search(rf"^{place}:3:\d+: nosuch is not found in ", told.stderr, re.M))) == (
            1,
            True,
        )
        assert "nosuch is not found" not in command(*wrong, "web", "other", check=False).stderr
        told = command(*wrong, "--service-ports", "web", "true", check=False)
        assert re.search(rf"^{place}:3:\d+: port {port} is used by python", told.stderr, re.M), told.stderr
        told = command(*wrong, "-p", f"127.0.0.1:{port}:90", "web", "true", check=False)
        assert re.search(rf"^port {port} is used by python", told.stderr, re.M), told.stderr


def test_flags_of_old_are_still_taken(command: Command) -> None:
    done = command(
        "--no-ansi",
        "run",
        "--rm",
        "--volumes",
        "/x",
        "--volume",
        "/y",
        "--labels",
        "a=b",
        "web",
        "ls",
        "-d",
        "/x",
        "/y",
    )
    assert done.stdout == "/x\n/y\n" and "DEPRECATED" in done.stderr
    command("build", "--compress", "--force-rm", "--no-rm", "--parallel")
    command("pull", "--ignore-pull-failures", "--parallel")
    command("down", "--volume")


def test_input_can_be_left_out(command: Command) -> None:
    assert command("run", "--rm", "-T", "--interactive=false", "web", "cat", stdin=b"x").stdout == ""
    assert command("run", "--rm", "-T", "web", "cat", stdin=b"x").stdout == "x"


def test_sigterm_ends_a_run_that_does_not_listen(command: Command) -> None:
    process = subprocess.Popen(
        [str(PYCOMPOSE), "--root", str(command.root), "run", "--rm", "-T", "web", "sh", "-c", "echo up; sleep 600"],
        cwd=command.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 137
    assert command.ps() == {}


def test_cp_keeps_the_owner_and_copies_nothing_dry(command: Command, tmp_path: Path) -> None:
    command("up", "-d", "web")
    source = tmp_path / "file"
    source.write_text("x")
    os.chown(source, 1000, 1000)
    assert "web-1 copy" in command("cp", str(source), "web:/own").stderr
    command("--dry-run", "cp", str(source), "web:/dry")
    assert command("exec", "-T", "web", "stat", "-c", "%u:%g", "/own").stdout == "1000:1000\n"
    assert command("exec", "-T", "web", "ls", "/dry", check=False).returncode == 1


@pytest.mark.parametrize("flags", [(), ("--no-attach", "short"), ("--abort-on-container-exit",)])
def test_an_attached_up_of_what_ends_leaves_the_others_alone(command: Command, flags: tuple[str, ...]) -> None:
    command("up", "-d", "web")
    done = command("--profile", "short", "up", *flags, "short")
    assert "Attaching to short-1" in done.stdout
    assert command("ps", "--format", "{{.Service}} {{.State}}").stdout == "web running\n"
