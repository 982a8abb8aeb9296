"""A disk that is full, has no inodes left, or has become read-only, with an engine and containers on it.

What ends and removes works: it is what makes room. What makes something new is refused in words, and leaves nothing half made.
What could not be written down is written when there is room again.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from support.command import Command
from support.engine_root import EngineRoot, processes, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

MOUNT = {"full": "size=24m", "no inodes": "size=64m,nr_inodes=1500"}


@dataclass(frozen=True)
class Disk:
    """A file system of its own with an engine's root on it."""

    kind: str
    place: Path

    def fill(self) -> None:
        """Take what there is, to the last byte or inode."""
        with contextlib.suppress(OSError):
            (self.place / "filling").mkdir()
        number = len(os.listdir(self.place / "filling"))
        try:
            if self.kind == "no inodes":
                while True:
                    number += 1
                    (self.place / "filling" / str(number)).touch(exist_ok=False)
            file = os.open(self.place / "filling" / "data", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
            try:
                for size in (1 << 20, 4096, 1):
                    with contextlib.suppress(OSError):
                        while os.write(file, bytes(size)):
                            pass
            finally:
                os.close(file)
        except OSError as error:
            assert error.errno == errno.ENOSPC

    def free(self) -> None:
        shutil.rmtree(self.place / "filling")


@pytest.fixture(params=list(MOUNT))
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", MOUNT[request.param], "none", str(place)], check=True)
    try:
        yield Disk(request.param, place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def engine(disk: Disk) -> Iterator[EngineRoot]:
    with EngineRoot(disk.place / "root") as engine:
        engine.import_busybox()
        yield engine
        with contextlib.suppress(FileNotFoundError):
            disk.free()


def run(engine: EngineRoot, name: str, host: dict[str, Any], command: tuple[str, ...] = ("sleep", "1000")) -> None:
    body = {"Image": "busybox", "Cmd": list(command), "HostConfig": host}
    engine.json("POST", f"/containers/create?name={name}", body)
    engine.json("POST", f"/containers/{name}/start")


def state(engine: EngineRoot, name: str) -> dict[str, Any]:
    found: dict[str, Any] = engine.json("GET", f"/containers/{name}/json")["State"]
    return found


def recorded(engine: EngineRoot, *kinds: str) -> list[tuple[str, str]]:
    """Records of these kinds in the database itself, whatever the engine holds in memory."""
    with contextlib.closing(sqlite3.connect(engine.layout.database)) as database:
        rows = database.execute("SELECT kind, id FROM record").fetchall()
    return [(kind, id) for kind, id in rows if kind in kinds]


def kill_engine(engine: EngineRoot) -> None:
    before = engine.pid
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: engine.is_up() and engine.pid != before, engine.log)


def words(answer: tuple[int, bytes]) -> str:
    """The error of an answer, or at the end of a streamed one."""
    status, body = answer
    last = json.loads(body.decode().strip().splitlines()[-1])
    message = str(last.get("message") or last.get("error"))
    assert status >= 500 or status == 200, (status, body)
    return message


def is_refused(engine: EngineRoot, answer: tuple[int, bytes]) -> None:
    message = words(answer)
    assert str(engine.layout.root) in message, message
    assert "on device" in message or "disk is full" in message or "unable to open" in message, message
    assert "make room" in message and "\n" not in message, message


def archive() -> bytes:
    """An image's root file system, larger than what room there may be."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in ("one", "two", "three"):
            member = tarfile.TarInfo(name)
            member.size = 1 << 20
            tar.addfile(member, io.BytesIO(os.urandom(member.size)))
    return data.getvalue()


def dockerfile() -> bytes:
    text = b"FROM busybox\nRUN echo built >/built\n"
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    return data.getvalue()


def tree(engine: EngineRoot) -> set[str]:
    """What there is of containers, volumes, layers and things under way."""
    state = engine.layout.state
    parts = ("containers", "volumes", "layered", "layers", "ingest")
    found = {f"{part}/{name}" for part in parts for name in os.listdir(state / part)}
    return {name for name in found if "removed" not in name and "removing" not in name}


def test_what_ends_and_removes_works(disk: Disk, engine: EngineRoot) -> None:
    engine.json("POST", "/networks/create", {"Name": "net"})
    engine.json("POST", "/volumes/create", {"Name": "data"})
    for name in ("stopped", "killed", "restarted", "removed", "pruned"):
        run(engine, name, {"NetworkMode": "net", "RestartPolicy": {"Name": "unless-stopped"}, "Binds": ["data:/data"]})
    run(engine, "steady", {"NetworkMode": "net"}, ("sh", "-c", "while :; do echo tick; sleep 0.2; done"))
    disk.fill()
    engine.json("POST", "/containers/pruned/stop?t=0")
    disk.fill()
    engine.json("POST", "/containers/stopped/stop?t=0")
    assert state(engine, "stopped")["Status"] == "exited"
    disk.fill()
    engine.json("POST", "/containers/killed/kill")
    wait_for(lambda: state(engine, "killed")["Status"] == "exited", engine.log)
    before = state(engine, "restarted")["Pid"]
    disk.fill()
    status, body = engine.request("POST", "/containers/restarted/restart?t=0")
    if disk.kind == "no inodes":  # overlayfs makes some files of its own in each mount
        assert status == 500 and b"mount overlay: No space left on device" in body
    else:
        assert state(engine, "restarted")["Running"] and state(engine, "restarted")["Pid"] != before
        assert engine.run("restarted", "hostname").strip() in engine.run("restarted", "cat", "/etc/hosts")

    # The next engine finds the same, whatever could be written down.
    disk.fill()
    kill_engine(engine)
    assert state(engine, "steady")["Running"]
    for name in ("stopped", "killed", "pruned"):
        found = state(engine, name)
        assert (found["Status"], found["ExitCode"]) == ("exited", 137), (name, found)

    disk.fill()
    engine.json("DELETE", "/containers/removed?force=1")
    assert engine.request("GET", "/containers/removed/json")[0] == 404
    disk.fill()
    assert len(engine.json("POST", "/containers/prune")["ContainersDeleted"]) >= 3
    for name in ("restarted", "steady"):
        disk.fill()
        assert engine.request("DELETE", f"/containers/{name}?force=1")[0] in (204, 404)
    disk.fill()
    engine.json("DELETE", "/networks/net")
    engine.json("DELETE", "/volumes/data")
    assert "Traceback" not in engine.log()

    disk.free()
    # What was held in memory is written within seconds; an engine that is killed before has only what the disk had taken.
    wait_for(lambda: not recorded(engine, "volume", "container"), engine.log)
    kill_engine(engine)
    assert engine.json("GET", "/containers/json?all=1") == []
    assert engine.json("GET", "/volumes")["Volumes"] == []
    assert "net" not in [network["Name"] for network in engine.json("GET", "/networks")]
    run(engine, "again", {"RestartPolicy": {"Name": "always"}})
    assert state(engine, "again")["Running"]


def test_networks_are_left_and_removed(disk: Disk, engine: EngineRoot) -> None:
    for name in ("one", "two", "three"):
        engine.json("POST", "/networks/create", {"Name": name})
    ports = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    run(engine, "runs", {"NetworkMode": "one", "PortBindings": ports})
    run(engine, "rests", {"NetworkMode": "one"})
    for name in ("runs", "rests"):
        engine.json("POST", "/networks/two/connect", {"Container": name})
    engine.json("POST", "/containers/rests/stop?t=0")
    for network in ("two", "one"):
        for name in ("runs", "rests"):
            disk.fill()
            engine.json("POST", f"/networks/{network}/disconnect", {"Container": name})
            assert network not in engine.json("GET", f"/containers/{name}/json")["NetworkSettings"]["Networks"]
    assert engine.run("runs", "ls", "/sys/class/net").split() == ["lo"]
    disk.fill()
    engine.json("DELETE", "/networks/two")
    disk.fill()
    assert sorted(engine.json("POST", "/networks/prune")["NetworksDeleted"]) == ["one", "three"]
    disk.free()
    engine.json("POST", "/volumes/create", {"Name": "data"})  # takes along what was held
    kill_engine(engine)
    for name in ("runs", "rests"):
        assert engine.json("GET", f"/containers/{name}/json")["NetworkSettings"]["Networks"] == {}
    assert {"one", "two", "three"}.isdisjoint(one["Name"] for one in engine.json("GET", "/networks"))
    assert "Traceback" not in engine.log()


def test_what_makes_is_refused_in_words(disk: Disk, engine: EngineRoot) -> None:
    engine.json("POST", "/volumes/create", {"Name": "data"})
    (engine.layout.volumes / "data" / "_data" / "file").write_text("precious")
    run(engine, "one", {})
    image = engine.request("GET", "/images/busybox/get")[1]
    build = dockerfile()
    before = tree(engine)
    disk.fill()
    create = {"Image": "busybox", "HostConfig": {"Binds": ["fresh:/bin"]}, "Volumes": {"/anonymous": {}}}
    owner = {"ttl": 60}
    for method, path, body in (
        ("POST", "/containers/create?name=two", {"Image": "busybox"}),
        ("POST", "/containers/create?name=two", create),
        ("POST", "/volumes/create", {"Name": "other"}),
        ("POST", "/pycompose/leases", {"owner": owner}),
        ("POST", "/pycompose/snapshots", {"group": "g", "name": "s", "volumes": {"data": "data"}}),
        ("PUT", "/pycompose/volumes/other/archive", archive()),
        ("POST", "/pycompose/volumes/data/clone", {"Target": "other"}),
        ("POST", "/images/create?fromSrc=-&repo=other", archive()),
        ("POST", "/images/load", image),
        ("POST", "/build?t=built", build),
    ):
        is_refused(engine, engine.request(method, path, body))
        assert tree(engine) == before, path
        disk.fill()
    assert [row["Names"] for row in engine.json("GET", "/containers/json?all=1")] == [["/one"]]
    assert [row["Name"] for row in engine.json("GET", "/volumes")["Volumes"]] == ["data"]
    assert engine.json("GET", "/pycompose/leases") == []
    assert (engine.layout.volumes / "data" / "_data" / "file").read_text() == "precious"
    assert "Traceback" not in engine.log()
    disk.free()
    engine.json("POST", "/containers/create?name=two", create)
    engine.json("POST", "/pycompose/snapshots", {"group": "g", "name": "s", "volumes": {"data": "data"}})


def test_the_command_brings_an_engine_up_there(disk: Disk, engine: EngineRoot, tmp_path: Path) -> None:
    """Engine and keeper are gone; the next command starts both, on a disk that takes nothing."""
    run(engine, "one", {})
    for filled in (False, True):
        keeper, pid = engine.keeper_pid, engine.pid
        os.kill(keeper, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        engine.await_gone(keeper, pid)
        if filled:
            disk.fill()
        answer = Command(engine.layout.root, tmp_path)(
            "container", "ls", "--quiet", check=False, PYCOMPOSE_IDLE_TIMEOUT="0"
        )
        assert answer.returncode == 0 and len(answer.stdout.split()) == 1, answer.stderr
    engine.json("POST", "/containers/one/stop?t=0")
    assert state(engine, "one")["ExitCode"] == 137
    # Now nothing is there that a running engine has: neither SQLite's own files nor those of /run.
    disk.free()
    engine.stop()
    disk.fill()
    command = Command(engine.layout.root, tmp_path)
    answer = command("container", "ls", "-aq", check=False, PYCOMPOSE_IDLE_TIMEOUT="0")
    if disk.kind == "no inodes":  # not even a socket
        assert answer.returncode == 1 and f"{engine.layout.run}" in answer.stderr, answer.stderr
        assert "No inodes left on device: make room" in answer.stderr, answer.stderr
    else:
        assert answer.returncode == 0 and len(answer.stdout.split()) == 1, answer.stderr
        command("engine", "stop")
    disk.free()


def test_a_job_that_is_due_while_nothing_can_be_written(disk: Disk, engine: EngineRoot) -> None:
    """Either its run is not begun, and tried again now and then instead of as fast as the engine can; or, where a record still
    found room and no container did, it has failed in words. It does not wait for ever."""
    schedule = {"Cron": "0 0 1 1 *", "MissedFires": "one"}
    engine.json(
        "PUT", "/pycompose/jobs/due", {"Container": {"Image": "busybox", "Cmd": ["true"]}, "Schedule": schedule}
    )
    with contextlib.closing(sqlite3.connect(engine.layout.database)) as database:  # the last fire was years ago
        database.execute("UPDATE record SET body = json_set(body, '$.cursor', 1000000000) WHERE kind = 'job'")
        database.commit()
    disk.fill()
    kill_engine(engine)

    def last() -> dict[str, Any]:
        return engine.json("GET", "/pycompose/jobs/due")["LastRun"] or {}

    refused = "scheduled jobs: cannot keep records"
    if disk.kind == "no inodes":  # else the log is on the full disk, too
        wait_for(lambda: refused in engine.log() or last().get("State") == "failed", engine.log, patience=60)
    if failed := last():
        assert str(engine.layout.root) in failed["Error"] and "make room" in failed["Error"], failed
    disk.free()
    if not failed:
        wait_for(last, engine.log, patience=60)
        first = engine.json("GET", "/pycompose/jobs/due/runs/1/wait")
        assert first["State"] == "succeeded" or "make room" in first["Error"], first
    again = engine.json("POST", "/pycompose/jobs/due/runs")["Iteration"]
    assert engine.json("GET", f"/pycompose/jobs/due/runs/{again}/wait")["State"] == "succeeded"
    assert engine.log().count(refused) <= 6, engine.log()
    engine.json("DELETE", "/pycompose/jobs/due")


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[EngineRoot]:
    """An engine on an ext4 of its own, its run directory elsewhere, as /run is."""
    place, run, image = tmp_path / "disk", tmp_path / "disk" / "root" / "run", tmp_path / "image"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("needs mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(place)], check=False).returncode:
        pytest.skip("needs a loop device")
    engine = EngineRoot(place / "root")
    try:
        run.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", str(run)], check=True)
        engine.start()
        engine.import_busybox()
        yield engine
    finally:
        engine.kill_all()
        wait_for(lambda: not processes(engine.layout), lambda: f"still there: {processes(engine.layout)}")
        subprocess.run(["umount", str(run)], check=False)
        wait_for(
            lambda: subprocess.run(["umount", str(place)], check=False).returncode == 0, lambda: "the disk is busy"
        )


@pytest.mark.peer
def test_a_disk_that_has_become_read_only(failing: EngineRoot) -> None:
    """As ext4 does after an error: nothing at all is written any more, and containers go on and can be stopped."""
    engine = failing
    engine.json("POST", "/networks/create", {"Name": "net"})
    for name in ("stopped", "killed", "restarted", "removed"):
        run(engine, name, {"NetworkMode": "net"}, ("sh", "-c", "while :; do echo tick; sleep 0.05; done"))
    subprocess.run(["mount", "-o", "remount,abort", str(engine.layout.root.parent)], check=True)
    engine.json("POST", "/containers/stopped/stop?t=0")
    engine.json("POST", "/containers/killed/kill")
    before = state(engine, "restarted")["Pid"]
    engine.json("POST", "/containers/restarted/restart?t=0")
    wait_for(lambda: state(engine, "killed")["Status"] == "exited", engine.log)
    assert state(engine, "restarted")["Running"] and state(engine, "restarted")["Pid"] != before
    assert state(engine, "stopped")["ExitCode"] == state(engine, "killed")["ExitCode"] == 137
    engine.json("DELETE", "/containers/stopped")
    for path, body in (("/volumes/create", {"Name": "new"}), ("/containers/create", {"Image": "busybox"})):
        message = words(engine.request("POST", path, body))
        assert "Read-only file system: make the disk writable again" in message and str(engine.layout.root) in message

    kill_engine(engine)
    assert state(engine, "restarted")["Running"] and state(engine, "removed")["Running"]
    assert state(engine, "killed")["ExitCode"] == 255  # nobody could write down how it ended
    for name in ("removed", "restarted", "killed"):
        engine.json("DELETE", f"/containers/{name}?force=1")
    assert "engine.db" in engine.log() and "Traceback" not in engine.log()
    engine.stop()


def test_no_descriptors_are_left(engine_without_descriptors: EngineRoot) -> None:
    engine = engine_without_descriptors
    run(engine, "one", {})
    run(engine, "two", {"RestartPolicy": {"Name": "always"}})
    pid = engine.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)

    def limit() -> None:
        """One connection, and nothing else."""
        used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
        first = next(number for number in range(hard) if number not in used)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (first + 1, hard))

    limit()
    try:
        engine.json("POST", "/containers/one/stop?t=0")
        engine.json("DELETE", "/containers/two?force=1")
        assert state(engine, "one")["ExitCode"] == 137
        for _ in range(20):
            limit()
            answer = engine.request("POST", "/containers/one/start")
            if answer[0] != 204:
                break
            # What the requests before had open was closed only now, and so there was room for a start.
            engine.json("POST", "/containers/one/stop?t=0")
        message = words(answer)
        assert "Too many open files" in message, message
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert engine.request("GET", "/containers/two/json")[0] == 404


@pytest.fixture
def engine_without_descriptors(tmp_path: Path) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path / "root") as engine:
        engine.import_busybox()
        yield engine
