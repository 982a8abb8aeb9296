"""A stack with volumes, snapshots and a lease, on which anything is killed at any moment of anything."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

from .busybox_image import busybox_rootfs
from .command import PYCOMPOSE, Command
from .engine_root import EngineRoot, assert_nothing_left, wait_for
from .killing import kill_one
from .truth import lies

if TYPE_CHECKING:
    import random
    from pathlib import Path

STACK = """
name: chaos
services:
  db:
    image: busybox
    init: true
    command: sh -c 'cat /data/value; exec sleep 100000'
    stop_grace_period: 1s
    volumes: ["data:/data", "plain:/plain", "/anonymous"]
    healthcheck: {test: "true", interval: 200ms}
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
    develop: {watch: [{action: sync, path: ./source, target: /source}]}
  built:
    image: built
    profiles: [built]
    build: .
networks:
  back:
volumes:
  data:
  plain:
"""
DOCKERFILE = "FROM busybox\nARG ROUND\nRUN echo $ROUND >/round && sleep 0.2\nCOPY source /source\n"

VERBS = (
    ("up", "-d", "--wait"),
    ("up", "-d", "--force-recreate"),
    ("up", "-d", "--scale", "web=3"),
    ("stop",),
    ("start",),
    ("restart",),
    ("down",),
    ("kill", "web"),
    ("pause",),
    ("unpause",),
    ("snapshot", "save", "late"),
    ("snapshot", "restore", "base"),
    ("snapshot", "restore", "late"),
    ("-p", "leased", "up", "-d", "--lease", "pid:{owner}"),
    ("run", "--rm", "-T", "--no-deps", "web", "sh", "-c", "sleep 0.3; cat /plain/kept"),
    ("exec", "-T", "db", "sh", "-c", "sleep 0.3; cat /data/value"),
    ("cp", "source", "web:/copied"),
    ("cp", "db:/plain", "fetched"),
    ("build", "--build-arg", "ROUND={round}", "built"),
    ("watch",),
    ("volume", "create", "extra"),
    ("volume", "clone", "chaos_plain", "extra"),
    ("volume", "export", "-o", "exported.tar", "chaos_plain"),
    ("volume", "import", "--force", "extra", "kept.tar"),
    ("volume", "rm", "extra"),
    ("volume", "prune", "-f"),
    ("network", "create", "side"),
    ("network", "connect", "side", "chaos-web-1"),
    ("network", "disconnect", "side", "chaos-web-1"),
    ("network", "rm", "side"),
    ("container", "update", "--memory", "64m", "chaos-web-1"),
    ("image", "prune", "-f"),
)
_ENDLESS = ("watch",)
_SECONDS = 90
_BY_NAME = ("chaos-db-1", "chaos-web-1", "chaos-web-2", "chaos-web-3")


class Rig:
    """``killed`` and ``verbs`` count what was killed, and during what; ``story`` says it round by round."""

    def __init__(self, base: Path) -> None:
        project = base / "project"
        (project / "source").mkdir(parents=True)
        for number in range(40):
            (project / "source" / f"file{number}").write_text("content\n" * number)
        (project / "compose.yaml").write_text(STACK)
        (project / "Dockerfile").write_text(DOCKERFILE)
        self.command = Command(base / "root", project)
        self.engine = EngineRoot(base / "root")
        self.values = {"base"}
        self.story: list[str] = []
        self.killed: Counter[str] = Counter()
        self.verbs: Counter[str] = Counter()

    def prepare(self) -> None:
        self.command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
        self.command("up", "-d", "--wait")
        self.write("base")
        self.command("volume", "export", "-o", "kept.tar", "chaos_plain")
        self.command("snapshot", "save", "base")
        self.command("snapshot", "save", "late")

    def write(self, value: str) -> None:
        script = "".join(
            f"echo {content} >{path}.new && mv {path}.new {path} && sync {path}\n"
            for path, content in (("/data/value", value), ("/data/kept", "precious"), ("/plain/kept", "precious"))
        )
        self.command("exec", "-T", "db", "sh", "-ec", script)

    def round(self, place: random.Random, number: int, kills: int) -> None:
        """Verbs one after the other, until so many moments of killing have come."""
        owner = subprocess.Popen(["sleep", "1000"])
        told = [str(number)]
        try:
            while kills > 0:
                verb = [word.format(owner=owner.pid, round=number) for word in place.choice(VERBS)]
                kills -= self._verb(place, verb, kills, told)
        finally:
            owner.kill()
            owner.wait()
            self.story.append(", ".join(told))

    def _verb(self, place: random.Random, verb: list[str], kills: int, told: list[str]) -> int:
        """How many moments there were."""
        client = subprocess.Popen(
            [str(PYCOMPOSE), "--root", str(self.command.root), *verb],
            cwd=self.command.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        told.append(" ".join(verb))
        moments = place.choice((1, 1, 2, 3))
        for _ in range(min(moments, kills)):
            time.sleep(place.expovariate(6))
            if kind := kill_one(self.engine.layout, client.pid, place):
                self.killed[kind] += 1
                self.verbs[" ".join(word for word in verb[:2] if word.isalpha())] += 1
                told.append(f"killed {kind}")
        if verb[0] in _ENDLESS:
            client.kill()
        _, errors = client.communicate(timeout=_SECONDS)
        told.append(f"exit {client.returncode}")
        assert "Traceback" not in errors, f"{told}\n{errors}"
        return moments

    def check(self, number: int) -> None:
        """What the engine says is so; the stack comes up again; the volumes hold what was written last or what a snapshot held."""
        told: list[str] = []

        def true() -> bool:
            try:
                told[:] = lies(self.engine)
            except ConnectionError as error:  # an engine that has lost its keeper was serving its last requests
                told[:] = [str(error)]
                self.command("container", "ls", "-q")  # starts the next one
            return not told

        self.command("container", "ls", "-q")  # starts an engine where there is none
        wait_for(lambda: not self.command("lease", "ls", "-q").stdout, lambda: "a lease stays")
        wait_for(true, lambda: told, patience=40)
        self._take_away_extras()
        self.command("unpause", check=False)  # `up` does not, nor does Docker's
        self.command("up", "-d", "--wait", timeout=60)
        read = self.command("exec", "-T", "db", "cat", "/data/value", "/data/kept", "/plain/kept").stdout.split()
        assert read[1:] == ["precious", "precious"] and read[0] in self.values, read
        self.values.add(f"v{number}")
        self.write(f"v{number}")
        names = self.command("container", "ls", "--all", "--format", "{{.Names}}").stdout.split()
        assert sorted(names)[:2] == list(_BY_NAME[:2]) and set(names) <= set(_BY_NAME), names
        wait_for(true, lambda: told, patience=40)

    def _take_away_extras(self) -> None:
        """One-off containers of a `run` that was killed, and what the verbs make beside the stack, which is whole or not there."""
        names = self.command("container", "ls", "--all", "--format", "{{.Names}}").stdout.split()
        if extra := [name for name in names if name.startswith("chaos-web-run-")]:
            self.command("container", "rm", "--force", *extra)
        if "side" in self.command("network", "ls", "--format", "{{.Name}}").stdout.split():
            for name in names:
                self.command("network", "disconnect", "side", name, check=False)
            self.command("network", "rm", "side")
        volumes = self.command("volume", "ls", "-q").stdout.split()
        named = [name for name in volumes if len(name) < 64]
        assert [name for name in named if name != "extra"] == ["chaos_data", "chaos_plain"], volumes
        if "extra" in named:
            held = {path.name for path in (self.engine.layout.volumes / "extra" / "_data").iterdir()}
            assert held in (set(), {"kept"}), held
            self.command("volume", "rm", "extra")

    def close(self) -> None:
        self.command("down", "-v", timeout=60)
        self.command("snapshot", "rm", "base", "late", check=False)
        self.command("volume", "prune", "-f")
        self.command("engine", "stop", "--force")
        assert_nothing_left(self.command.root)
        state = self.engine.layout.state
        left = [path for noun in ("containers", "volumes", "layered") for path in (state / noun).iterdir()]
        assert not left, left
