"""`up --watch` and `watch &` as developers have them run all day."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.edits import edit
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

FILE = r"""
name: watched
services:
  web:
    build: {context: ., dockerfile_inline: "FROM box\nCOPY dep /dep\n"}
    stop_signal: SIGKILL
    command: sh -c 'echo started with $$(cat /dep); exec sleep 600'
    develop:
      watch:
        - {path: ./src, target: /src, action: sync, initial_sync: true, include: ["*.py", "sub/**"]}
        - {path: ./script, target: /script, action: sync+exec, exec: {command: cp /script /ran}}
        - {path: ./conf, action: restart}
        - {path: ./dep, action: rebuild}
"""


class Running:
    """A command in the background of a shell, where SIGINT is ignored to begin with."""

    def __init__(self, command: Command, *words: str) -> None:
        self.process = subprocess.Popen(
            [str(PYCOMPOSE), "--root", str(command.root), *words],
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
        self.text = ""

    def expect(self, pattern: str, patience: float = 30) -> None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + patience
        while not (found := re.search(pattern, self.text)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert data, f"{pattern!r} did not come: {self.text!r}"
            self.text += data.decode()
        self.text = self.text[found.end() :]

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    directory = tmp_path / "watched"
    (directory / "src" / "sub").mkdir(parents=True)
    for name in ("src/a.py", "src/b.txt", "script", "conf", "dep"):
        (directory / name).write_text("one")
    (directory / "compose.yaml").write_text(FILE)
    command = Command(tmp_path / "root", directory)
    command("image", "import", "-c", 'CMD ["sh"]', "-", "box", stdin=busybox_rootfs().read())
    yield command
    command("down", "--volumes")
    command("engine", "stop", "--force")
    assert_nothing_left(tmp_path / "root")


def test_up_watch_goes_on_over_restarts_and_rebuilds(command: Command) -> None:
    running = Running(command, "up", "--watch")
    running.expect(r"web-1  \| started with one")
    running.expect("Watch enabled")
    assert command("exec", "-T", "web", "ls", "/src").stdout == "a.py\n"
    (command.directory / "src" / "sub" / "c.txt").write_text("two")
    (command.directory / "src" / "b.txt").write_text("two")
    running.expect("Syncing service 'web' after 1 change was detected")
    assert command("exec", "-T", "web", "cat", "/src/sub/c.txt").stdout == "two"
    (command.directory / "script").write_text("two")
    running.expect("Syncing service 'web'")
    (command.directory / "conf").write_text("two")
    running.expect(r"web-1  \| started with one")
    assert command("exec", "-T", "web", "cat", "/ran").stdout == "two"
    first = command.ps()["watched-web-1"]["ID"]
    (command.directory / "dep").write_text("two")
    running.expect(r"web-1  \| started with two")
    assert command.ps()["watched-web-1"]["ID"] != first
    assert running.interrupt() == 130
    assert command.ps()["watched-web-1"]["State"] == "exited"


def test_watch_in_the_background_ends_by_sigint_and_leaves_the_project(command: Command) -> None:
    running = Running(command, "watch")
    running.expect("Watch enabled")
    assert running.interrupt() == 130
    assert command.ps()["watched-web-1"]["State"] == "running"


STRESS = """
name: stressed
services:
  web:
    image: box
    stop_signal: SIGKILL
    command: sleep 600
    working_dir: /src
    develop:
      watch:
        - {path: ./src, target: /src, action: sync, initial_sync: true}
        - {path: ./src/never, action: rebuild}
        - {path: ./later/src, target: /later, action: sync}
"""


def listing(top: Path) -> str:
    """What `LIST` prints of the same tree."""
    lines = []
    for path in sorted(top.rglob("*")):
        name = f"./{path.relative_to(top)}"
        if path.is_symlink():
            lines.append(f"{name} -> {path.readlink()}")
        elif path.is_dir():
            lines.append(f"{name}/")
        else:
            lines.append(f"{name} {path.read_text()}")
    return "\n".join(sorted(lines))


LIST = r"""
cd "$1" || exit; find . -mindepth 1 | while read -r f; do
  if [ -L "$f" ]; then echo "$f -> $(readlink "$f")"; elif [ -d "$f" ]; then echo "$f/"; else echo "$f $(cat "$f")"; fi
done"""


def expect_same(command: Command, here: Path, there: str, patience: float = 60) -> None:
    """Wait until the container has what is below ``here``, and nothing else."""
    deadline = time.monotonic() + patience
    want = listing(here)
    while (got := in_container(command, there)) != want:
        assert time.monotonic() < deadline, f"want:\n{want}\ngot:\n{got}"


def in_container(command: Command, top: str) -> str:
    return "\n".join(sorted(command("exec", "-T", "web", "sh", "-c", LIST, "sh", top, check=False).stdout.splitlines()))


@pytest.mark.parametrize("edits", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_container_has_what_the_source_has(command: Command, edits: int) -> None:
    source = command.directory / "src"
    (command.directory / "compose.yaml").write_text(STRESS)
    running = Running(command, "watch")
    running.expect("does not exist yet")
    # Between the start and "Watch enabled" somebody goes on working.
    (source / "early").write_text("1")
    (source / "sub").rmdir()
    running.expect("Watch enabled")
    expect_same(command, source, "/src")
    random = Random(edits)
    for number in range(edits):
        edit(random, source)
        if number % 50 == 49:
            expect_same(command, source, "/src")
    # thousands at once, as by `git switch`
    shutil.rmtree(source)
    for number in range(2000):
        path = source / f"{number % 40}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    later = command.directory / "later" / "src"
    later.mkdir(parents=True)
    (later / "file").write_text("1")
    expect_same(command, source, "/src")
    expect_same(command, later, "/later")
    assert running.interrupt() == 130
