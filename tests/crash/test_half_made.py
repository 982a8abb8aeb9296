"""Whatever ends a command between the creation of a container and its last secret, the next `up` does not take it for finished."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.cutting_proxy import CuttingProxy
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

FILE = """
name: half
services:
  web:
    image: box
    command: sleep 600
    stop_signal: SIGKILL
    user: "1234:2345"
    volumes: [/anonymous]
    environment: {ROUND: "${ROUND:-1}"}
    secrets: [{source: secret, mode: 0400}]
    configs: [{source: config, target: /config, mode: 0400}]
secrets: {secret: {file: ./secret}}
configs: {config: {content: from the file}}
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    top = tmp_path_factory.mktemp("half")
    (top / "half").mkdir()
    (top / "half" / "compose.yaml").write_text(FILE)
    command = Command(top / "root", top / "half")
    command("image", "import", "-c", 'CMD ["sh"]', "-", "box", stdin=busybox_rootfs().read())
    yield command
    command("engine", "stop", "--force")
    assert_nothing_left(top / "root")


@pytest.fixture(autouse=True)
def clean(command: Command) -> Iterator[None]:
    (command.directory / "secret").write_text("hidden")
    yield
    command("down", "--volumes")
    assert command("volume", "ls", "-q").stdout == ""


def killed_at(
    command: Command, tmp_path: Path, pattern: str, *, answered: bool, stranger: bool, **environment: str
) -> None:
    """`up -d`, killed when a request passes (or its answer has come)."""
    path = tmp_path / "proxy.sock"
    started: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        started[0].send_signal(signal.SIGKILL)
        started[0].wait()

    engine = command.engine()["socket"]
    with CuttingProxy(path, engine, pattern, kill, answered=answered, stranger=stranger) as proxy:
        started.append(
            subprocess.Popen(
                [str(PYCOMPOSE), "-H", f"unix://{path}", "up", "-d", "-t", "0"],
                cwd=command.directory,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        out, _ = started[0].communicate(timeout=60)
        assert started[0].returncode == -signal.SIGKILL, out.decode()
        assert proxy.reached.wait(10)


def is_whole(command: Command) -> None:
    assert {name: row["State"] for name, row in command.ps().items()} == {"half-web-1": "running"}
    shown = command("exec", "-T", "web", "cat", "/run/secrets/secret", "/config").stdout
    assert shown == "hiddenfrom the file"


@pytest.mark.parametrize("stranger", [False, True], ids=["pycompose", "docker"])
@pytest.mark.parametrize(
    ("pattern", "answered"),
    [("POST .*/containers/create", True), ("PUT ", False), ("PUT ", True), ("POST .*/rename", False)],
    ids=["created", "before the files", "after the files", "before it has its name"],
)
def test_a_command_killed_half_way(
    command: Command, tmp_path: Path, pattern: str, answered: bool, stranger: bool
) -> None:
    killed_at(command, tmp_path, pattern, answered=answered, stranger=stranger)
    assert list(command.ps()) == ["unfinished_half-web-1"]
    command("start", check=False)
    assert command.ps()["unfinished_half-web-1"]["State"] == "created"
    command("up", "-d")
    is_whole(command)
    # the same with a container that is to be replaced
    killed_at(command, tmp_path, pattern, answered=answered, stranger=stranger, ROUND="2")
    assert command.ps()["half-web-1"]["State"] == "running"
    command("up", "-d", "-t", "0", ROUND="2")
    is_whole(command)
    assert command("exec", "-T", "web", "sh", "-c", "echo $ROUND").stdout == "2\n"


def test_a_secret_that_cannot_be_read_leaves_nothing(command: Command, tmp_path: Path) -> None:
    (command.directory / "secret").unlink()
    failed = command("up", "-d", check=False)
    assert failed.returncode == 1
    assert f"{command.directory}/secret: No such file or directory" in failed.stderr
    assert command.ps() == {}
    failed = command("run", "--rm", "web", "true", check=False)
    assert failed.returncode == 1
    assert command("container", "ls", "-aq").stdout == ""
    (command.directory / "secret").write_text("hidden")
    command("up", "-d")
    is_whole(command)
