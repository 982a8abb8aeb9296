"""A lease's owner is killed at a random moment, then engine and keeper as well: nothing of the stack is left, and the
stack of another owner is untouched. Nobody calls for an engine afterwards: the guard has to."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import EngineRoot, assert_nothing_left, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(1500)]

STACK = """
services:
  db:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: ["data:/data", "/anonymous"]
    ports: ["5432"]
  web:
    build:
      dockerfile_inline: |
        FROM busybox
        ARG ROUND
        RUN echo $$ROUND > /round && sleep 0.05
        RUN sleep 0.05 && echo done >> /round
      args: {ROUND: "${ROUND:-0}"}
    command: sleep 1000
    stop_signal: SIGKILL
    networks: [default, back]
    depends_on: [db]
networks:
  back:
volumes:
  data:
"""


class Rig:
    """One engine root with the stack of a bystander, and rounds of violence against another one."""

    def __init__(self, base: Path) -> None:
        directory = base / "project"
        directory.mkdir()
        (directory / "compose.yaml").write_text(STACK)
        self.command = Command(base / "root", directory)
        self.engine = EngineRoot(base / "root")
        self.command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
        self.bystander = subprocess.Popen(["sleep", "3600"])
        self.command("-p", "bystander", "up", "-d", "--lease", f"pid:{self.bystander.pid}")
        self.before = self.containers("bystander")

    def containers(self, project: str) -> dict[str, tuple[str, int]]:
        """Name -> state and pid of a project's containers."""
        rows = self.json("/containers/json?all=1&filters=" + _label(project))
        found: dict[str, tuple[str, int]] = {}
        for row in rows:
            tree = self.json(f"/containers/{row['Id']}/json")
            found[row["Names"][0]] = (row["State"], tree["State"]["Pid"])
        return found

    def json(self, path: str) -> Any:
        return self.engine.json("GET", path)

    def round(self, number: int, delay: float) -> None:
        owner = subprocess.Popen(["sleep", "3600"])
        project = f"round{number}"
        client = subprocess.Popen(
            [
                str(PYCOMPOSE),
                "--root",
                str(self.command.root),
                "-p",
                project,
                "up",
                "-d",
                "--lease",
                f"pid:{owner.pid}",
            ],
            cwd=self.command.directory,
            env={**os.environ, "ROUND": str(number)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        _kill(owner)
        time.sleep(random.choice((0.0, 0.0, 0.01, 0.05)))
        keeper, engine = self.engine.keeper_pid, self.engine_pid()
        for pid in random.sample([keeper, engine], 2):
            os.kill(pid, signal.SIGKILL)
        client.wait(timeout=60)
        self.await_guards()
        self.assert_gone(project)

    def engine_pid(self) -> int:
        children = f"/proc/{self.engine.keeper_pid}/task/{self.engine.keeper_pid}/children"
        with open(children) as file:
            for pid in file.read().split():
                with open(f"/proc/{pid}/cmdline") as command:
                    if "--keeper-fd" in command.read().split("\0"):
                        return int(pid)
        raise AssertionError("the keeper has no engine")

    def await_guards(self) -> None:
        """Only the bystander's lease has a guard any more: the others' guards have seen to it that all is gone."""
        directory = self.engine.layout.run / "leases"
        wait_for(
            lambda: len(list(directory.glob("*.sock"))) == 1,
            lambda: f"guards: {list(directory.glob('*'))}\n{self.engine.log()[-3000:]}",
        )

    def assert_gone(self, project: str) -> None:
        self.command("container", "ls", "--quiet")  # starts the engine, when no lease had been registered yet
        assert self.containers(project) == {}
        assert self.json("/networks?filters=" + _label(project)) == []
        assert self.json("/volumes?filters=" + _label(project))["Volumes"] == []
        state = self.engine.layout.state
        known = {row["Id"] for row in self.json("/containers/json?all=1")}
        known |= {row["Name"] for row in self.json("/volumes")["Volumes"]}

        def strangers() -> set[str]:
            return {path.name for noun in ("containers", "volumes") for path in (state / noun).iterdir()} - known

        wait_for(lambda: not strangers(), lambda: f"left on disk: {strangers()}")  # files go behind the answer
        assert not list((state / "ingest").glob("*"))
        assert self.containers("bystander") == self.before

    def close(self) -> None:
        _kill(self.bystander)
        listing = "/containers/json?all=1&filters=" + _label("bystander")
        wait_for(lambda: not self.json(listing), lambda: "the bystander's stack stays")
        self.command("engine", "stop", "--force")
        assert_nothing_left(self.command.root)


def _label(project: str) -> str:
    from urllib.parse import quote

    return quote(json.dumps({"label": [f"com.docker.compose.project={project}"]}))


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.mark.parametrize("rounds", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_owner_then_engine_and_keeper_killed(rig: Rig, rounds: int) -> None:
    random.seed(rounds)
    for number in range(rounds):
        rig.round(number, random.uniform(0.0, 1.1))


def test_owner_killed_while_the_engine_is_there(rig: Rig) -> None:
    owner = subprocess.Popen(["sleep", "3600"])
    rig.command("-p", "one", "up", "-d", "--lease", f"pid:{owner.pid}")
    assert len(rig.containers("one")) == 2
    _kill(owner)
    rig.await_guards()
    rig.assert_gone("one")


def test_guard_killed(rig: Rig) -> None:
    """The engine forks another one, and that one works."""
    owner = subprocess.Popen(["sleep", "3600"])
    rig.command("-p", "one", "up", "-d", "--lease", f"pid:{owner.pid}")
    sockets = rig.engine.layout.run / "leases"
    guards = _guards(rig.engine.keeper_pid)
    assert len(guards) == 2 == len(list(sockets.iterdir()))
    for pid in guards:
        os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: len(_guards(rig.engine.keeper_pid)) == 2 and not set(guards) & set(_guards(rig.engine.keeper_pid)),
        lambda: "no new guards",
    )
    _kill(owner)
    rig.await_guards()
    rig.assert_gone("one")


def _guards(keeper: int) -> list[int]:
    found = []
    with open(f"/proc/{keeper}/task/{keeper}/children") as file:
        for pid in file.read().split():
            with open(f"/proc/{pid}/cmdline") as command:
                if command.read().startswith("pycompose-guard"):
                    found.append(int(pid))
    return found
