"""`order: start-first` with a fixed port: the new container takes the port over, and no request is lost meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command, free_port
from support.engine_root import assert_nothing_left, wait_for
from support.load import Client, Load

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

SERVER = Path(__file__).parents[1] / "support" / "keep_alive_server.py"
PYTHON = Path(sys.executable).resolve()
MOUNTS = [f"{path}:{path}:ro" for path in dict.fromkeys(["/usr", "/lib", "/lib64", str(PYTHON.parents[1])])]
CHECK = "grep -qi ' 00000000000000000000000000000000:0050 .* 0A ' /proc/net/tcp6"


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    root = tmp_path / "root"
    root.mkdir()
    command = Command(root, tmp_path)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    yield command
    command("down", "-t", "1", check=False)
    command("engine", "stop", "--force")
    assert_nothing_left(root)


def service(
    version: str, port: int, *, healthy: bool = True, action: str = "pause", **more: object
) -> dict[str, object]:
    return {
        "image": "busybox",
        "command": [str(PYTHON), "/server.py", "80", version, "0.3"],
        "volumes": [*MOUNTS, f"{SERVER}:/server.py:ro"],
        "ports": [f"{port}:80"],
        "stop_grace_period": "5s",
        "healthcheck": {
            "test": ["CMD", "busybox", "sh", "-c", CHECK if healthy else "exit 1"],
            "interval": "100ms",
            "timeout": "20s",
            "retries": 300 if healthy else 2,
        },
        "deploy": {"update_config": {"order": "start-first", "failure_action": action}},
        **more,
    }


def write(command: Command, **services: dict[str, object]) -> None:
    (command.directory / "compose.yaml").write_text(json.dumps({"name": "rolling", "services": services}))


def answer(port: int, host: str = "127.0.0.1") -> str:
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=10) as response:
        return str(response.read().decode())


def test_no_request_is_lost_over_several_updates(command: Command) -> None:
    """IPv4 by translation, [::1] by the relay, connections that are kept and fresh ones."""
    port = free_port()
    write(command, web=service("v0", port))
    command("up", "-d", "--wait")
    kept = [Client("127.0.0.1", 150, kept=True)] * 8 + [Client("::1", 50, kept=True)] * 4
    fresh = [Client("127.0.0.1", 75, kept=False)] * 6 + [Client("::1", 50, kept=False)] * 3
    with Load(port, kept + fresh) as load:
        for number in range(1, 4):
            write(command, web=service(f"v{number}", port))
            command("up", "-d", "--wait")
            assert answer(port) == f"v{number}"
            assert answer(port, "[::1]") == f"v{number}"
    print(f"{load.answers.total()} requests, {load.rate:.0f} a second: {dict(load.answers)}")
    assert load.lost == [], f"{len(load.lost)} of {load.answers.total()}"
    assert set(load.answers) == {"v0", "v1", "v2", "v3"}


LOAD = [
    Client("127.0.0.1", 50, kept=True),
    Client("::1", 25, kept=True),
    Client("127.0.0.1", 50, kept=False),
    Client("::1", 25, kept=False),
]


@pytest.mark.parametrize("action", ["pause", "rollback"])
def test_one_that_never_gets_healthy(command: Command, action: str) -> None:
    """The old container keeps the port, whatever becomes of the new one, and a mended file is taken after that."""
    port = free_port()
    write(command, web=service("good", port))
    command("up", "-d", "--wait")
    before = command.ps()["rolling-web-1"]["ID"]
    with Load(port, LOAD) as load:
        write(command, web=service("bad", port, healthy=False, action=action))
        failed = command("up", "-d", check=False)
        assert failed.returncode == 1 and "unhealthy" in failed.stderr
        assert answer(port) == answer(port, "[::1]") == "good"
        if action == "rollback":
            assert [row["ID"] for row in command.ps().values()] == [before]
        write(command, web=service("mended", port))
        command("up", "-d", "--wait")
        assert answer(port) == answer(port, "[::1]") == "mended"
    assert load.lost == [], f"{len(load.lost)} of {load.answers.total()}"
    assert set(load.answers) == {"good", "mended"}
    assert list(command.ps()) == ["rolling-web-1"]


def test_a_dependant_with_restart_is_replaced_without_a_gap(command: Command) -> None:
    port = free_port()
    front = service("front", port, depends_on={"api": {"condition": "service_healthy", "restart": True}})
    api = service("v0", 0, ports=[])
    write(command, api=api, front=front)
    command("up", "-d", "--wait")
    before = command.ps()
    with Load(port, LOAD) as load:
        write(command, api=service("v1", 0, ports=[]), front=front)
        plan = command("plan", check=False).stdout
        assert "service api is replaced and restarts those that depend on it" in plan
        command("up", "-d", "--wait")
    after = command.ps()
    assert load.lost == [], f"{len(load.lost)} of {load.answers.total()}"
    assert all(before[name]["ID"] != after[name]["ID"] for name in before)
    assert command("plan").stdout.startswith("rolling: nothing to do")


@pytest.mark.parametrize("killed", ["engine", "command"])
def test_killed_in_the_middle(command: Command, killed: str) -> None:
    """At moments spread over an update: the port leads to the old or the new container all the while."""
    port = free_port()
    write(command, web=service("v0", port))
    command("up", "-d", "--wait")
    with Load(port, LOAD) as load:
        for number in range(1, 7):
            write(command, web=service(f"v{number}", port))
            running = subprocess.Popen(
                [PYCOMPOSE, "--root", command.root, "up", "-d"], cwd=command.directory,
                env=os.environ | {"PYCOMPOSE_WARM": "0"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that was faster than that leaves nothing to kill
                running.wait(0.5 * number)
            if killed == "engine":
                os.kill(command.engine()["pid"], signal.SIGKILL)
            else:
                running.kill()
            running.wait()
            assert answer(port) in (f"v{number - 1}", f"v{number}")
            command("up", "-d", "--wait")
            assert answer(port) == answer(port, "[::1]") == f"v{number}"
            assert list(command.ps()) == ["rolling-web-1"]
    assert load.lost == [], f"{len(load.lost)} of {load.answers.total()}"


def test_down_right_after(command: Command) -> None:
    """While the new container stands by, and just after it has taken over: nothing is left (the fixture looks)."""
    port = free_port()
    for number in range(2):
        write(command, web=service("v0", port))
        command("up", "-d", "--wait")
        write(command, web=service("v1", port))
        running = subprocess.Popen(
            [PYCOMPOSE, "--root", command.root, "up", "-d"],
            cwd=command.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if number:
            wait_for(lambda: answer(port) == "v1", lambda: "the new container has no port")
        else:
            wait_for(lambda: len(command.ps()) == 2, lambda: "the new container does not come")
        running.send_signal(signal.SIGINT)
        running.wait()
        command("down", "-t", "1")
        assert command.ps() == {}
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 1)
