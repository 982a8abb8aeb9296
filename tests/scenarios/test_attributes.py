"""Attributes of the specification at work: each is read back from the kernel, from inside the container, or from inspect."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("attributes")
    command = Command(root, root)
    command("image", "import", "-c", 'CMD ["sh"]', "-", "busybox", stdin=busybox_rootfs().read())
    yield root
    command("engine", "stop", "--force")
    assert_nothing_left(root)


@pytest.fixture
def command(root: Path, tmp_path: Path) -> Iterator[Command]:
    directory = tmp_path / "demo"
    directory.mkdir()
    command = Command(root, directory)
    yield command
    command("-p", "demo", "down", "-v", "-t", "0")
    assert command("container", "ls", "--all", "--quiet").stdout == ""


def write(command: Command, text: str, **files: str) -> None:
    (command.directory / "compose.yaml").write_text(text)
    for name, content in files.items():
        (command.directory / name.replace("_", ".")).write_text(content)


def inspect(command: Command, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(command("container", "inspect", name).stdout)
    return found[0]


def test_restart_policy(command: Command) -> None:
    """One whose restarts are counted whatever its code, with a delay of its own; one whose long runs end the count."""
    write(
        command,
        "services:\n"
        "  each:\n    image: busybox\n    command: cut -d' ' -f1 /proc/uptime\n"
        "    deploy: {restart_policy: {condition: any, max_attempts: 2, delay: 400ms}}\n"
        "  window:\n    image: busybox\n    volumes: [runs:/runs]\n"
        "    command: sh -c 'echo run >> /runs/log; [ $$(wc -l < /runs/log) -gt 3 ] || sleep 0.6; exit 1'\n"
        "    deploy: {restart_policy: {condition: on-failure, max_attempts: 1, delay: 0s, window: 500ms}}\n"
        "volumes: {runs: }\n",
    )
    assert "no effect" not in command("up", "-d").stderr

    def settled(name: str, restarts: int) -> bool:
        tree = inspect(command, name)
        return bool(tree["State"]["Status"] == "exited" and tree["RestartCount"] == restarts)

    wait_for(lambda: settled("demo-each-1", 2), "two restarts")
    policy = inspect(command, "demo-each-1")["HostConfig"]["RestartPolicy"]
    assert policy == {"Name": "always", "MaximumRetryCount": 2, "Delay": 400_000_000, "Window": 0}
    times = [float(line) for line in command("logs", "--no-log-prefix", "each").stdout.split()]
    assert len(times) == 3
    assert all(later - earlier >= 0.39 for earlier, later in pairwise(times))
    wait_for(lambda: settled("demo-window-1", 3), "three restarts, of which only the last counts")


UPDATE = (
    "services:\n  web:\n    image: busybox\n    command: sh -c '[ $$HOSTNAME != b ] && exec sleep 1000; sleep 0.3; exit 4'\n"
    "    hostname: %s\n    stop_signal: SIGKILL\n"
    "    deploy: {replicas: 2, update_config: {monitor: 5s, failure_action: %s}}\n"
)


def test_an_update_is_monitored(command: Command) -> None:
    write(command, UPDATE % ("a", "pause"))
    command("up", "-d")
    before = {name: inspect(command, name)["Id"] for name in ("demo-web-1", "demo-web-2")}
    write(command, UPDATE % ("b", "pause"))
    assert "monitor demo-web-1" in command("plan", check=False).stdout
    failed = command("up", "-d", check=False)
    assert failed.returncode == 1
    assert "container demo-web-1 exited (4) while it was monitored" in failed.stderr
    assert inspect(command, "demo-web-1")["Id"] != before["demo-web-1"]
    assert inspect(command, "demo-web-2")["Id"] == before["demo-web-2"], "the rest stays as it is"
    write(command, UPDATE % ("b", "continue"))
    assert command("up", "-d", check=False).returncode == 1
    assert inspect(command, "demo-web-2")["Id"] != before["demo-web-2"]
    write(command, UPDATE % ("b", "rollback"))
    assert "there is no rollback" in command("plan", check=False).stderr
