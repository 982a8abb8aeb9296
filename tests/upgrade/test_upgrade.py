"""Today's engine over what an earlier one has started: containers outlive the engine, also where the next is a later one.

The earlier one is taken from the history. First its keeper stays and starts today's engine, as after an upgrade in place; then
both are killed, and today's keeper and engine adopt the earlier shims and guards.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command import Command
from support.engine_root import EngineRoot, wait_for
from support.older import OlderRelease

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

COMMITS = ("2996a74", "74b4975", "c4c71a1")
"""One whose package was called ``engine`` and whose records had no versions, and two of those that followed."""
NETWORK = {"NetworkMode": "net"}


@dataclass(frozen=True)
class Before:
    """What the earlier engine has started, and how it was found there."""

    engine: EngineRoot
    older: OlderRelease
    owner: subprocess.Popen[bytes]
    lease: str
    states: dict[str, tuple[int, str]]
    """Process id and time of start of each container that runs."""
    port: int


def start(engine: EngineRoot, name: str, command: list[str], host: dict[str, Any], **members: Any) -> None:
    body = {"Image": "busybox", "Cmd": command, "HostConfig": host, **members}
    engine.json("POST", f"/containers/create?name={name}", body)
    engine.json("POST", f"/containers/{name}/start")


def look(engine: EngineRoot, name: str) -> dict[str, Any]:
    found: dict[str, Any] = engine.json("GET", f"/containers/{name}/json")
    return found


def states(engine: EngineRoot) -> dict[str, tuple[int, str]]:
    found = {}
    for row in engine.json("GET", "/containers/json"):
        state = look(engine, row["Id"])["State"]
        found[row["Names"][0][1:]] = (state["Pid"], state["StartedAt"])
    return found


def begin(engine: EngineRoot, owner: int) -> str:
    """A stack with something of everything; the id of its lease."""
    engine.import_busybox()
    engine.json("POST", "/networks/create", {"Name": "net"})
    serve = "mkdir /w; echo page >/w/index.html; echo served; exec httpd -f -p 80 -h /w"
    start(
        engine,
        "web",
        ["sh", "-c", serve],
        {
            **NETWORK,
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        },
        ExposedPorts={"80/tcp": {}},
        Healthcheck={"Test": ["CMD", "true"], "Interval": 1_000_000_000},
        NetworkingConfig={"EndpointsConfig": {"net": {"Aliases": ["www"]}}},
    )
    engine.json("POST", "/volumes/create", {"Name": "data"})
    (engine.layout.volumes / "data" / "_data" / "file").write_text("seeded")
    engine.json("POST", "/pycompose/snapshots", {"group": "g", "name": "seed", "volumes": {"data": "data"}})
    start(engine, "db", ["sh", "-c", "echo changed >/data/file; exec sleep 1000"], {**NETWORK, "Binds": ["data:/data"]})
    fields = Path(f"/proc/{owner}/stat").read_text(errors="replace").rpartition(")")[2].split()
    lease = engine.json("POST", "/pycompose/leases", {"owner": {"pid": owner, "starttime": int(fields[19])}})["Id"]
    start(engine, "leased", ["sleep", "1000"], NETWORK, Labels={"io.pycompose.lease": lease})
    start(engine, "ended", ["sh", "-c", "exit 7"], NETWORK)
    engine.json("POST", "/containers/ended/wait")
    start(engine, "steady", ["sleep", "1000"], {**NETWORK, "RestartPolicy": {"Name": "unless-stopped"}})
    wait_for(lambda: look(engine, "web")["State"]["Health"]["Status"] == "healthy", lambda: look(engine, "web"))
    return str(lease)


@pytest.fixture(params=COMMITS)
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Before]:
    older = OlderRelease.install(request.param, tmp_path)
    engine = EngineRoot(tmp_path / "root", command=older.command)
    owner = subprocess.Popen(["sleep", "3600"])
    try:
        engine.start()
        lease = begin(engine, owner.pid)
        port = look(engine, "web")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
        yield Before(engine, older, owner, lease, states(engine), int(port))
    except BaseException:
        engine.kill_all()
        raise
    finally:
        owner.kill()
        owner.wait()


def check(engine: EngineRoot, before: Before) -> None:
    """Nothing was restarted, and everything that the earlier engine has made works."""
    assert {name: states(engine)[name] for name in before.states} == before.states
    assert engine.run("web", "cat", "/w/index.html") == "page\n"
    assert engine.request("GET", "/containers/web/logs?stdout=1")[1].endswith(b"served\n")
    with urllib.request.urlopen(f"http://127.0.0.1:{before.port}/", timeout=10) as answer:
        assert answer.read() == b"page\n"
    assert engine.run("db", "wget", "-q", "-O", "-", "http://www/") == "page\n"
    assert engine.run("db", "cat", "/data/file") == "changed\n"
    assert look(engine, "web")["State"]["Health"]["Status"] == "healthy"
    assert look(engine, "ended")["State"]["ExitCode"] == 7
    assert engine.json("GET", f"/pycompose/leases/{before.lease}")["State"] == "held"


def test_todays_engine_over_what_an_earlier_one_started(before: Before) -> None:
    engine = before.engine
    # The earlier keeper with today's engine.
    before.older.upgrade()
    pid = engine.pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: engine.is_up() and engine.pid != pid, engine.log)
    check(engine, before)
    start(engine, "between", ["sleep", "1000"], {**NETWORK, "RestartPolicy": {"Name": "always"}})
    assert engine.run("between", "wget", "-q", "-O", "-", "http://web/") == "page\n"
    engine.json("POST", "/containers/between/update", {"RestartPolicy": {"Name": "no"}})
    engine.json("POST", "/containers/between/restart?t=0")

    # Today's keeper and engine.
    keeper, pid = engine.keeper_pid, engine.pid
    os.kill(keeper, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    engine.await_gone(keeper, pid)
    today = EngineRoot(engine.layout.root)
    today.start()
    check(today, before)
    assert states(today)["between"]

    today.json("POST", "/containers/web/restart?t=0")
    assert today.run("db", "wget", "-q", "-O", "-", "http://www/") == "page\n"
    today.json("POST", "/containers/steady/stop?t=0")
    assert look(today, "steady")["State"]["ExitCode"] == 137
    today.json("POST", "/containers/db/stop?t=0")
    today.json("POST", "/pycompose/snapshots/g/seed/restore", {"volumes": {"data": "data"}})
    today.json("POST", "/containers/db/start")
    assert today.run("db", "sh", "-c", "cat /data/file || true") == "changed\n"  # its command has written again
    today.json("POST", "/containers/db/stop?t=0")
    today.json("POST", "/pycompose/snapshots/g/seed/restore", {"volumes": {"data": "data"}})
    start(today, "reader", ["sh", "-c", "cat /data/file"], {"Binds": ["data:/data"]})
    today.json("POST", "/containers/reader/wait")
    assert today.request("GET", "/containers/reader/logs?stdout=1")[1].endswith(b"seeded")

    before.owner.kill()
    before.owner.wait()
    wait_for(lambda: today.request("GET", "/containers/leased/json")[0] == 404, today.log)
    for name in ("web", "db", "between", "ended", "steady", "reader"):
        today.json("DELETE", f"/containers/{name}?force=1")
    today.json("DELETE", "/networks/net")
    today.json("DELETE", "/volumes/data")
    today.close()


def newer(engine: EngineRoot, place: str) -> str:
    """Leave something that a pycompose to come has written; the path that the refusal has to name."""
    layout = engine.layout
    id = engine.json("GET", "/containers/json?all=1")[0]["Id"]
    engine.stop()
    if place == "status.json":
        path = layout.container_state(id) / "status.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"v": 99}))
        return str(path)
    database = sqlite3.connect(layout.database)
    if place == "record":
        text = json.dumps({"v": 99, "id": id})
        database.execute("UPDATE record SET body = ? WHERE kind = 'container'", (text,))
    else:
        database.execute("PRAGMA user_version=99")
    database.commit()
    database.close()
    return str(layout.database)


@pytest.mark.parametrize("place", ["database", "record", "status.json"])
def test_what_is_newer_is_refused_in_one_line(tmp_path: Path, place: str) -> None:
    engine = EngineRoot(tmp_path / "root")
    engine.start()
    engine.import_busybox()
    start(engine, "one", ["true"], {})
    engine.json("POST", "/containers/one/wait")
    path = newer(engine, place)
    command = Command(engine.layout.root, tmp_path)
    answer = command("container", "ls", check=False)
    print(answer.stderr)
    assert answer.returncode == 1
    said = [line for line in answer.stderr.splitlines() if path in line]
    assert len(said) == 1 and "version 99" in said[0] and "install the newer one" in said[0]
    wait_for(lambda: not engine.layout.socket.exists(), engine.log)
