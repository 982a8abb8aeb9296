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
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left

from pycompose import (
    AsyncStack,
    EngineError,
    LoadError,
    OneOffOptions,
    OperationError,
    Stack,
    StackError,
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
    directory = tmp_path_factory.mktemp("engine")
    subprocess.run(
        [str(PYCOMPOSE), "--root", str(directory), "image", "import", "-c", 'CMD ["sh"]', "-", "box"],
        input=busybox_rootfs().read(),
        capture_output=True,
        check=True,
    )
    yield directory
    Command(directory, directory)("engine", "stop", "--force")
    assert_nothing_left(directory)


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
    assert "3 passed" in python(root, example, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_site.py")
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
