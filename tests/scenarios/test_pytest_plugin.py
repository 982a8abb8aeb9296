"""The pytest plugin in a project that has packages called engine, compose and schemas; alone and under xdist."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

STACK = """
services:
  web:
    image: busybox
    command: sh -c 'mkdir -p /www && echo hello > /www/index.html && echo serving && exec httpd -f -v -p 80 -h /www'
    stop_signal: SIGKILL
    ports: ["8080:80"]
    volumes: ["data:/data"]
    healthcheck:
      test: wget -q -O /dev/null http://127.0.0.1/
      interval: 1s
      start_period: 20s
volumes:
  data:
"""

COMMON = """
import os, time, urllib.request
import compose, engine, schemas, pytest

def get(stack):
    host, port = stack.address("web", 80)
    return urllib.request.urlopen(f"http://{host}:{port}/", timeout=10).read().decode()
"""

VISITS = (
    COMMON
    + """
@pytest.mark.parametrize("number", range(8))
def test_visit(stack, number):
    with open(os.environ["PROJECTS"], "a") as file:
        file.write(f"{stack.project}\\n")
    assert get(stack) == "hello\\n"
    time.sleep(float(os.environ.get("PAUSE", "0")))
"""
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("plugin")
    command = Command(root, root)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    yield root
    command("engine", "stop", "--force")
    assert_nothing_left(root)


@pytest.fixture
def command(root: Path, tmp_path: Path) -> Iterator[Command]:
    project = tmp_path / "shop"
    project.mkdir()
    (project / "compose.yaml").write_text(STACK)
    (project / "pytest.ini").write_text("[pytest]\n")
    for name in ("compose", "engine", "schemas"):
        (project / name).mkdir()
        (project / name / "__init__.py").write_text("")
    command = Command(root, project)
    yield command
    assert command("lease", "ls", "--quiet").stdout == ""
    assert command("container", "ls", "--all", "--quiet").stdout == ""
    assert command("volume", "ls", "--quiet").stdout == ""


def start(command: Command, test: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    (command.directory / "test_it.py").write_text(test)
    plugins = [
        "-p",
        "pycompose.pytest_plugin",
        "-p",
        "no:cacheprovider",
        *(["-p", "xdist"] if "-n" in arguments else []),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *plugins, "-q", *arguments],
        cwd=command.directory,
        env={
            # Not a worker of ours, should this run be one of several side by side.
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")},
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYCOMPOSE_ROOT": str(command.root),
            "PROJECTS": str(command.directory / "projects"),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(command: Command, test: str, *arguments: str) -> tuple[int, str]:
    process = start(command, test, *arguments)
    output, _ = process.communicate(timeout=100)
    return process.returncode, output


def projects(command: Command) -> list[str]:
    file = command.directory / "projects"
    return file.read_text().split() if file.exists() else []


def test_the_object(command: Command) -> None:
    code, output = run(
        command,
        COMMON
        + """
import asyncio, pathlib, threading
from pycompose.pytest_plugin import AsyncStack, StackError

def test_it(function_stack):
    stack = function_stack
    result = stack.exec("web", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\\n", "err\\n")
    assert stack.exec("web", "sh", "-c", "echo $A", environment={"A": "b"}).check().stdout == "b\\n"
    assert "serving" in stack.logs("web")
    stack.exec("web", "sh", "-c", "echo one > /data/f").check()
    with pytest.raises(StackError, match="save"):
        stack.reset()
    stack.save()
    stack.exec("web", "sh", "-c", "echo two > /data/f").check()
    stack.reset()
    assert stack.exec("web", "cat", "/data/f").stdout == "one\\n"
    before = stack.address("web", 80)
    stack.restart("web"); stack.stop("web"); stack.start("web"); stack.wait_healthy("web")
    assert stack.address("web", 80) == before and get(stack) == "hello\\n"
    with pytest.raises(StackError, match=r"nothing leads .*ports that are: 80\\)"):
        stack.address("web", 81)
    with pytest.raises(StackError, match="not healthy within 0.5 s: nobody: no container"):
        stack.wait_healthy("nobody", timeout=0.5)
    stack.kill("web")
    with pytest.raises(StackError, match="web: exited"):
        stack.wait_healthy(timeout=0.5)
    threading.Timer(0.7, lambda: stack.start("web")).start()
    stack.wait_healthy("web")
    stack.kill("web")
    with pytest.raises((OSError, StackError)):
        get(stack)

def test_async(async_stack):
    async def main():
        assert await async_stack.address("web", 80) == async_stack.stack.address("web", 80)
        assert (await async_stack.exec("web", "true")).exit_code == 0
    asyncio.run(main())

@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_deadlines(async_stack, backend):
    anyio = pytest.importorskip("anyio")
    if backend == "trio":
        pytest.importorskip("trio")
    def commands():
        found = pathlib.Path("/proc").glob("[0-9]*/cmdline")
        lines = [read(path) for path in found]
        return [line for line in lines if async_stack.project.encode() in line and b"pycompose" in line]
    def read(path):
        try:
            return path.read_bytes()
        except OSError:
            return b""
    async def main():
        with anyio.move_on_after(2) as scope:
            await async_stack.exec("web", "sleep", "1000")
        assert scope.cancelled_caught and commands() == []
        with anyio.move_on_after(2) as scope:
            await async_stack.wait_healthy("nobody")
        assert scope.cancelled_caught and commands() == []
        assert (await async_stack.exec("web", "true")).exit_code == 0
    anyio.run(main, backend=backend)

def test_timeout(async_stack):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await async_stack.exec("web", "sleep", "1000")
        task = asyncio.create_task(async_stack.exec("web", "sleep", "1000"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    asyncio.run(main())
""",
    )
    assert code == 0, output


def test_failure_shows_logs_and_keeps(command: Command) -> None:
    code, output = run(
        command, COMMON + "\ndef test_it(module_stack):\n    get(module_stack)\n    assert 0\n", "--stack-keep=failed"
    )
    assert code == 1
    assert "Captured stdout of the services of shop-test-" in output and "response:200" in output
    project = output.split("stack kept: pycompose -p ")[1].split()[0]
    assert command("-p", project, "ps", "--services").stdout == "web\n"
    command("-p", project, "down", "-v")


def test_a_failed_test_that_took_the_project_away(command: Command) -> None:
    """There is nothing to be read of its services: that is told, and the tests that follow run."""
    code, output = run(
        command,
        COMMON
        + """
def test_it(module_stack):
    os.rename("../shop", "../gone")
    assert 0

def test_next(module_stack):
    os.rename("../gone", "../shop")
    assert get(module_stack) == "hello\\n"
""",
    )
    assert code == 1 and "1 failed, 1 passed" in output, output
    assert "(not known: " in output and "shop" in output, output


def test_failing_set_up_says_why(command: Command) -> None:
    file = command.directory / "compose.yaml"
    file.write_text(STACK.replace("exec httpd", "echo the reason && exit 3; httpd"))
    code, output = run(command, COMMON + "\ndef test_it(stack):\n    pass\n")
    assert code == 1
    assert "the stack did not come up" in output and "the reason" in output


def test_interrupted_set_up(command: Command) -> None:
    process = start(command, COMMON + "\ndef test_it(stack):\n    pass\n")
    wait_for(lambda: command("lease", "ls", "-q").stdout, lambda: "no lease")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0


def test_reuse(command: Command) -> None:
    for _ in range(2):
        code, output = run(command, VISITS, "--stack-reuse", "-k", "visit and 0")
        assert code == 0, output
    (project,) = set(projects(command))
    assert "-reuse-" in project
    command("lease", "end", project)


def test_workers_share_a_stack(command: Command) -> None:
    code, output = run(command, VISITS, "-n", "4")
    assert code == 0, output
    assert len(projects(command)) == 8 and len(set(projects(command))) == 1


def test_a_stack_for_each_worker(command: Command) -> None:
    (command.directory / "pytest.ini").write_text("[pytest]\nstack_xdist = each\n")
    code, output = run(command, VISITS, "-n", "2")
    assert code == 0, output
    assert len(set(projects(command))) == 2


@pytest.mark.parametrize("xdist", ["shared", "each"])
def test_controller_killed(command: Command, xdist: str) -> None:
    (command.directory / "pytest.ini").write_text(f"[pytest]\nstack_xdist = {xdist}\n")
    process = start(command, VISITS, "-n", "4", PAUSE="1")
    wait_for(lambda: projects(command), lambda: "no test has begun")
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not command("lease", "ls", "-q").stdout, lambda: command("lease", "ls").stdout)


@pytest.mark.parametrize("xdist", ["shared", "each"])
def test_worker_killed(command: Command, xdist: str) -> None:
    """The controller reports it and replaces it; no other worker notices."""
    (command.directory / "pytest.ini").write_text(f"[pytest]\nstack_xdist = {xdist}\n")
    process = start(command, VISITS, "-n", "2", PAUSE="0.5")
    wait_for(lambda: len(projects(command)) >= 2, lambda: "no test has begun")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    output, _ = process.communicate(timeout=90)
    assert "1 failed, 7 passed" in output, output
    assert "crashed while running" in output
    time.sleep(0.1)


def test_nothing_heavy_without_a_fixture() -> None:
    code = "import sys, pytest; before = set(sys.modules); import pycompose.pytest_plugin; print(sorted(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert all(name.split(".")[0] == "pycompose" for name in ast.literal_eval(result.stdout)), result.stdout
