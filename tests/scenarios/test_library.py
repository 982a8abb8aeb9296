"""The library: its examples as they stand, on an engine of their own, and what it promises beyond them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from support.command import root_with_box

from pycompose import (
    AsyncStack,
    EngineError,
    LoadError,
    OneOffOptions,
    OperationError,
    Stack,
    StackError,
    TimedOut,
    UpOptions,
    connect,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "library"

CELLS = """
import ast, asyncio, inspect, sys
names = {}
async def cells():
    for cell in open(sys.argv[1]).read().split("# %%")[1:]:
        value = eval(compile(cell, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(value):
            await value
asyncio.run(cells())
"""
"""What a notebook does: one running loop, cell after cell."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with root_with_box(tmp_path_factory.mktemp("engine")) as directory:
        yield directory


@pytest.fixture
def example(root: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(EXAMPLES, tmp_path / "library")
    yield tmp_path / "library"
    stack = Stack(tmp_path / "library" / "compose.yaml", root=str(root), environment={"IMAGE": "box"})
    stack.down(volumes=True, timeout=0)


def python(root: Path, directory: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env={**os.environ, "PYCOMPOSE_ROOT": str(root), "IMAGE": "box"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_test(root: Path, example: Path) -> None:
    assert "5 passed" in python(root, example, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_site.py")
    assert connect(root=str(root)).containers.list(all=True) == []


def test_the_script(root: Path, example: Path) -> None:
    Stack(example / "compose.yaml", root=str(root), environment={"IMAGE": "box"}).up("seed", wait=False)
    stack = Stack(example / "compose.yaml", root=str(root), environment={"IMAGE": "box"})
    assert stack.wait("seed") == {"notes-seed-1": 0}
    assert python(root, example, "backup.py", "copy").strip() == "notes: 7 bytes in copy"
    assert (example / "copy").read_text() == "seeded\n"


def test_the_notebook(root: Path, example: Path) -> None:
    lines = python(root, example, "-c", CELLS, "session.py").splitlines()
    assert lines[:4] == ["['seed', 'web']", "seed exited ", "web running healthy", "hello from notes"]
    assert "serving" in lines
    assert connect(root=str(root)).containers.list(all=True) == []


def test_promises(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "name: lib\nservices:\n"
        "  web: {image: box, command: sleep 600, stop_signal: SIGKILL, expose: ['80']}\n"
        "  job: {image: box, command: sh -c 'echo out; echo err >&2; exit 4', profiles: [jobs]}\n"
        "  sick: {image: box, command: sleep 600, stop_signal: SIGKILL, profiles: [sick],"
        " healthcheck: {test: 'exit 1', interval: 100ms, retries: 1}}\n"
    )
    stack = Stack(file, root=str(root), profiles=("*",))
    stack.up("web", options=UpOptions(scale={"web": 2}))
    assert [(one.name, one.number, one.state) for one in stack.ps()] == [
        ("lib-web-1", 1, "running"),
        ("lib-web-2", 2, "running"),
    ]
    host, port = stack.address("web", 80)
    assert (host.count("."), port) == (3, 80)
    with pytest.raises(OperationError, match="nothing leads to web:81/tcp"):
        stack.address("web", 81)

    done = stack.run("job")
    assert (done.exit_code, done.stdout, done.stderr) == (4, "out\n", "err\n")
    done = stack.run(
        "job", options=OneOffOptions(entrypoint=("sh", "-c", "id -u; echo $A"), environment={"A": "b"}, user="1000")
    )
    assert (done.exit_code, done.stdout) == (0, "1000\nb\n")
    assert len(stack.ps()) == 2, "one-off containers are gone"

    with pytest.raises(StackError, match="unhealthy") as caught:
        stack.up("sick")
    assert caught.value.result is not None
    assert [str(key) for key, _ in caught.value.result.failures] == ["wait until healthy lib-sick-1"]

    stack.pause("web")
    assert {one.state for one in stack.ps("web")} == {"paused"}
    stack.unpause("web")
    stack.stop("web", timeout=0)
    assert {one.exit_code for one in stack.ps("web")} == {137}
    stack.start("web")

    async def cancelled() -> None:
        with anyio.move_on_after(0.2) as scope:
            await AsyncStack(file, root=str(root)).wait("web")
        assert scope.cancelled_caught

    anyio.run(cancelled)
    anyio.run(cancelled, backend="trio")

    stack.down(volumes=True, timeout=0)
    assert stack.ps() == []
    assert stack.down().plans[0].empty

    file.write_text("services:\n  web: {imag: box}\n")
    with pytest.raises(LoadError, match=r"compose\.yaml:2:9"):
        load(file)
    with pytest.raises(EngineError, match="nobody listens"):
        connect("unix:///nowhere/engine.sock").containers.list()


PROGRAMS = """
name: programs
services:
  db:
    image: box
    command: sh -c 'echo up; touch /ready; while :; do sleep 1; done'
    healthcheck: {test: test -f /ready, interval: 1s, start_interval: 100ms, start_period: 30s}
    stop_signal: SIGKILL
  tool: {image: box, command: sh -c 'exit 3', profiles: [tools]}
"""


@pytest.fixture
def programs(root: Path, tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "compose.yaml").write_text(PROGRAMS)
    stack = Stack(tmp_path / "compose.yaml", root=str(root))
    stack.up(wait_timeout=60)
    yield stack
    stack.down(timeout=0)


def commands_of(stack: Stack) -> list[str]:
    return [row["CMD"] for row in stack.top("db")["programs-db-1"]]


def test_commands_are_given_input_and_time(programs: Stack) -> None:
    much = "x" * 3_000_000
    assert programs.exec("db", "cat", input=much).check().stdout == much
    assert programs.exec("db", "head", "-c", "3", input=much).check().stdout == "xxx"
    assert programs.exec("db", "cat", input=b"").check().stdout == ""
    assert programs.run("db", "cat", input="in\n").check().stdout == "in\n"

    with pytest.raises(TimedOut) as caught:
        programs.exec("db", "sh", "-c", "echo first; sleep 4711; true", timeout=0.5)
    assert caught.value.completed is not None
    assert caught.value.completed.stdout == "first\n"
    assert not any("4711" in line for line in commands_of(programs)), "its children have ended as well"
    with pytest.raises(TimeoutError):
        programs.run("db", "sleep", "4711", timeout=0.5)
    assert [one.name for one in programs.ps()] == ["programs-db-1"]
    with pytest.raises(TimedOut):
        programs.wait("db", timeout=0.2)


def test_who_names_a_service_enables_its_profile(programs: Stack) -> None:
    assert programs.run("tool").exit_code == 3
    assert [str(one.key) for one in programs.plan("tool").operations if one.verb == "create"] == [
        "create programs-tool-1"
    ]
    programs.up("tool", wait=False)
    assert programs.wait("tool") == {"programs-tool-1": 3}
    assert programs.rm("tool") == ["programs-tool-1"]
    assert programs.plan().empty


def test_files_go_in_and_out(programs: Stack, tmp_path: Path) -> None:
    programs.scale({"db": 2}, wait_timeout=60)
    (tmp_path / "there").write_text("and back")
    programs.copy_to("db", tmp_path / "there", "/copied")
    assert [programs.exec("db", "cat", "/copied", index=number).stdout for number in (1, 2)] == ["and back"] * 2
    programs.copy_from("db", "/copied", tmp_path / "back", index=2)
    assert (tmp_path / "back").read_text() == "and back"
    with pytest.raises(OperationError, match="no such file"):
        programs.copy_to("db", tmp_path / "nothing", "/copied")


def test_a_stack_for_as_long_as_it_is_needed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(PROGRAMS.replace("sleep 1;", "sleep 1; echo tick;"))
    stack = Stack(tmp_path / "compose.yaml", root=str(root), ephemeral=True)
    with pytest.raises(ZeroDivisionError), stack.running(wait_timeout=60):
        with stack.follow("db") as lines:
            first, second = next(lines), next(lines)
        assert (first.service, first.text, second.text) == ("db", "up", "tick")
        assert list(lines) == [], "it is closed"
        _ = 1 / 0
    assert stack.ps() == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_is_given_up_is_ended(root: Path, tmp_path: Path, backend: str) -> None:
    (tmp_path / "compose.yaml").write_text(PROGRAMS)

    async def program() -> None:
        stack = AsyncStack(tmp_path / "compose.yaml", root=str(root))
        async with stack.running(wait_timeout=60):
            for call in (stack.exec, stack.run):
                with anyio.move_on_after(0.5) as scope:
                    await call("db", "sleep", "4711")
                assert scope.cancelled_caught
            assert not any("4711" in row["CMD"] for row in (await stack.top("db"))["programs-db-1"])
            assert [one.name for one in await stack.ps()] == ["programs-db-1"]
            with anyio.move_on_after(0.5) as scope:
                async with stack.follow("db") as lines:
                    async for line in lines:
                        assert line.text == "up"
            assert scope.cancelled_caught
            async with anyio.create_task_group() as group:
                group.start_soon(stack.kill)
                assert [line.text async for line in stack.follow()] == ["up"], "it ends with its containers"

    anyio.run(program, backend=backend)
    assert connect(root=str(root)).containers.list(all=True) == []
