"""Anything is killed at any moment of anything: afterwards the next command works, volumes hold what they held, nothing leaks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import EngineRoot, assert_nothing_left, processes, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(1500)]

STACK = """
name: chaos
services:
  db:
    image: busybox
    init: true
    command: sh -c 'cat /data/value; exec sleep 100000'
    stop_grace_period: 1s
    volumes: ["data:/data", "plain:/plain", "/anonymous"]
    healthcheck: {test: "true", interval: 1s}
    restart: on-failure
  web:
    image: busybox
    init: true
    command: sleep 100000
    stop_grace_period: 1s
    depends_on: {db: {condition: service_healthy}}
    volumes: ["plain:/plain:ro"]
    ports: ["80"]
    networks: [default, back]
networks:
  back:
volumes:
  data:
  plain:
"""
VERBS = (
    ("up", "-d", "--wait"),
    ("up", "-d", "--force-recreate"),
    ("up", "-d", "--scale", "web=3"),
    ("stop",),
    ("start",),
    ("restart",),
    ("down",),
    ("snapshot", "save", "late"),
    ("snapshot", "restore", "base"),
    ("snapshot", "restore", "late"),
    ("-p", "leased", "up", "-d", "--lease", "pid:{owner}"),
)


class Rig:
    def __init__(self, base: Path) -> None:
        project = base / "project"
        project.mkdir()
        (project / "compose.yaml").write_text(STACK)
        self.command = Command(base / "root", project)
        self.engine = EngineRoot(base / "root")
        self.command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
        self.command("up", "-d", "--wait")
        self.write("base")
        self.command("snapshot", "save", "base")
        self.command("snapshot", "save", "late")
        self.values = {"base"}
        self.story: list[str] = []

    def write(self, value: str) -> None:
        for path in ("/data/value", "/data/kept", "/plain/kept"):
            content = value if path == "/data/value" else "precious"
            self.command(
                "exec", "-T", "db", "sh", "-c", f"echo {content} >{path}.new && mv {path}.new {path} && sync {path}"
            )

    def round(self, place: random.Random, number: int) -> None:
        owner = subprocess.Popen(["sleep", "1000"])
        verb = [word.format(owner=owner.pid) for word in place.choice(VERBS)]
        client = subprocess.Popen(
            [str(PYCOMPOSE), "--root", str(self.command.root), *verb],
            cwd=self.command.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        told = [f"{number}: {' '.join(verb)}"]
        for _ in range(place.choice((1, 1, 2, 3))):
            time.sleep(place.expovariate(6))
            told.append(self._kill(place, client.pid))
        if place.random() < 0.5:
            owner.kill()
        _, errors = client.communicate(timeout=90)
        owner.kill()
        owner.wait()
        self.story.append(", ".join([*told, f"exit {client.returncode}"]))
        assert "Traceback" not in errors, f"{self.story[-1]}\n{errors}"

    def _kill(self, place: random.Random, client: int) -> str:
        kinds: dict[str, list[int]] = {"client": [client]}
        for pid in processes(self.engine.layout):
            with suppress(OSError), open(f"/proc/{pid}/cmdline") as file:
                words = file.read().split("\0")
                program = words[0].rpartition("/")[2].partition(" ")[0]
                if program.startswith("python"):
                    program = "engine" if "--keeper-fd" in words else "keeper"
                kinds.setdefault(program, []).append(pid)
        for kind, pid in self._supervisors():
            kinds.setdefault(kind, []).append(pid)
        kind = place.choice(sorted(kinds))
        victim = place.choice(kinds[kind])
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        return f"killed {kind}"

    def _supervisors(self) -> Iterator[tuple[str, int]]:
        """Shims and guards of this root, not of other engines on the machine."""
        layout = self.engine.layout
        titles = {f"pycompose-shim {path.name[:12]}": "shim" for path in (layout.state / "containers").iterdir()}
        titles |= {f"pycompose-guard {path.stem}": "guard" for path in (layout.run / "leases").glob("*.sock")}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError), open(f"/proc/{pid}/cmdline") as file:
                kind = titles.get(file.read().rstrip("\0"))
                if kind:
                    yield kind, int(pid)

    def check(self, number: int) -> None:
        """The stack comes up again, and the volumes hold what was written last or what a snapshot held."""
        self.command("up", "-d", "--wait", timeout=60)
        read = self.command("exec", "-T", "db", "cat", "/data/value", "/data/kept", "/plain/kept").stdout.split()
        assert read[1:] == ["precious", "precious"] and read[0] in self.values, read
        self.values.add(f"v{number}")
        self.write(f"v{number}")
        wait_for(lambda: not self.command("lease", "ls", "-q").stdout, lambda: "a lease stays")
        names = self.command("container", "ls", "--all", "--format", "{{.Names}}").stdout.split()
        assert sorted(names)[:2] == ["chaos-db-1", "chaos-web-1"] and set(names) <= {
            "chaos-db-1",
            *(f"chaos-web-{i}" for i in (1, 2, 3)),
        }
        volumes = self.command("volume", "ls", "-q").stdout.split()
        named = [name for name in volumes if len(name) < 64]
        assert named == ["chaos_data", "chaos_plain"], volumes

    def close(self) -> None:
        self.command("down", "-v", timeout=60)
        self.command("snapshot", "rm", "base", "late", check=False)
        self.command("volume", "prune", "-f")
        self.command("engine", "stop", "--force")
        assert_nothing_left(self.command.root)
        state = self.engine.layout.state
        left = [path for noun in ("containers", "volumes", "layered") for path in (state / noun).iterdir()]
        assert not left, left


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.mark.parametrize("seconds", [6, pytest.param(600, marks=pytest.mark.slow)])
def test_anything_is_killed(rig: Rig, seconds: float) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or time.time())
    place = random.Random(seed)
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        try:
            rig.round(place, number)
            rig.check(number)
        except BaseException:
            print(f"seed {seed}", *rig.story[-8:], rig.engine.log()[-4000:], sep="\n")
            raise
    print(f"{number} rounds")
