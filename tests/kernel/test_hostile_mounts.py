"""An engine whose volumes and containers hold links that lead to the host: starts, copies and comparisons stay inside."""

from __future__ import annotations

import http.client
import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import EngineRoot, assert_nothing_left, wait_for
from support.exchanging import exchanging

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

MARK = b"only-the-host-has-this"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    root = tmp_path_factory.mktemp("hostile") / "root"
    with EngineRoot(root) as running:
        running.import_busybox()
        yield running
    assert_nothing_left(root)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host, which must stay as it is."""
    place = tmp_path / "host"
    (place / "inner").mkdir(parents=True)
    for path in (place / "file", place / "inner" / "file"):
        path.write_bytes(MARK)
        path.chmod(0o600)
    before = listing(place)
    yield place
    assert listing(place) == before


def listing(place: Path) -> list[tuple[str, int, int, int, bytes]]:
    return sorted(
        (str(path), info.st_mode, info.st_uid, info.st_nlink, b"" if path.is_dir() else path.read_bytes())
        for path in (place, *place.rglob("*"))
        for info in (path.lstat(),)
    )


def create(engine: EngineRoot, command: str, **host: Any) -> str:
    body = {"Image": "busybox", "Cmd": ["sh", "-c", command], "HostConfig": host}
    return str(engine.json("POST", "/containers/create", body)["Id"])


def remove(engine: EngineRoot, id: str) -> None:
    engine.json("DELETE", f"/containers/{id}?force=1")


def volume(engine: EngineRoot, name: str) -> Path:
    engine.json("POST", "/volumes/create", {"Name": name})
    return engine.layout.volumes / name / "_data"


def part(name: str, subpath: str) -> list[dict[str, Any]]:
    return [{"Type": "volume", "Source": name, "Target": "/part", "VolumeOptions": {"Subpath": subpath}}]


def run(engine: EngineRoot, id: str) -> tuple[int, bytes]:
    """Start, wait for the end; the start's status and all that was written or answered."""
    status, answer = engine.request("POST", f"/containers/{id}/start")
    if status == 204:
        engine.json("POST", f"/containers/{id}/wait")
        answer = engine.request("GET", f"/containers/{id}/logs?stdout=1&stderr=1")[1]
    return status, answer


@pytest.mark.parametrize("leads", ["{host}", "../../../../../../../../..{host}", "/proc/self/root{host}"])
def test_a_subpath_that_is_a_link(engine: EngineRoot, host: Path, leads: str) -> None:
    data = volume(engine, "linked")
    os.symlink(leads.format(host=host), data / "part")
    id = create(engine, "cat /part/file; touch /part/new", Mounts=part("linked", "part"))
    status, answer = run(engine, id)
    assert status >= 400 and MARK not in answer
    assert b"part" in answer
    # The container is stopped: its files are read through a view that the engine makes.
    status, answer = engine.request("GET", f"/containers/{id}/archive?path=/part/file")
    assert status >= 400 and MARK not in answer
    remove(engine, id)
    engine.json("DELETE", "/volumes/linked")


def test_a_subpath_that_is_exchanged(engine: EngineRoot, host: Path) -> None:
    data = volume(engine, "raced")
    (data / "part" / "inner").mkdir(parents=True)
    (data / "part" / "inner" / "file").write_bytes(b"the volume's")
    started = 0
    with exchanging(data, {"part": host}):
        for _ in range(8):
            id = create(engine, "cat /part/file; echo x >/part/new", Mounts=part("raced", "part/inner"))
            status, answer = run(engine, id)
            assert MARK not in answer
            started += status == 204
            for _ in range(5):
                assert MARK not in engine.request("GET", f"/containers/{id}/archive?path=/part/file")[1]
            remove(engine, id)
    engine.json("DELETE", "/volumes/raced")


def test_a_subpath_follows_links_inside_and_may_be_a_file(engine: EngineRoot) -> None:
    data = volume(engine, "honest")
    (data / "real").mkdir()
    (data / "real" / "file").write_bytes(b"one")
    os.symlink("real", data / "link")
    for subpath, command in (("link", "cat /part/file"), ("real/file", "cat /part")):
        id = create(engine, f"{command}; sleep 1000", Mounts=part("honest", subpath))
        assert engine.request("POST", f"/containers/{id}/start")[0] == 204
        # A restart looks the path up again: it may be another directory by now.
        engine.json("POST", f"/containers/{id}/restart?t=0")
        assert engine.request("GET", f"/containers/{id}/archive?path=/part")[0] == 200
        remove(engine, id)
    engine.json("DELETE", "/volumes/honest")


def read(engine: EngineRoot, id: str, path: str) -> bytes:
    """What a request for an archive gives, if only a part of it."""
    try:
        return engine.request("GET", f"/containers/{id}/archive?path={path}")[1]
    except http.client.IncompleteRead as error:
        return error.partial


def archive(name: str = "file", content: bytes = b"put") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o4777
        tar.addfile(member, io.BytesIO(content))
        fifo = tarfile.TarInfo("fifo")
        fifo.type, fifo.mode = tarfile.FIFOTYPE, 0o4777
        tar.addfile(fifo)
    return out.getvalue()


@pytest.mark.parametrize("running", [True, False])
def test_archives_of_containers_whose_directories_are_exchanged(engine: EngineRoot, host: Path, running: bool) -> None:
    data = volume(engine, f"swapped{running}")
    (data / "part").mkdir()
    (data / "part" / "file").write_bytes(b"the volume's")
    id = create(engine, "sleep 1000", Binds=[f"swapped{running}:/data"])
    if running:
        engine.json("POST", f"/containers/{id}/start")
    with exchanging(data, {"part": host}):
        for _ in range(25):
            for path in ("/data/part/file", "/data/part", "/data/part/."):
                assert MARK not in read(engine, id, path)
            engine.request("PUT", f"/containers/{id}/archive?path=/data/part", archive())
            engine.request("PUT", f"/containers/{id}/archive?path=/data", archive("part/file"))
    remove(engine, id)
    engine.json("DELETE", f"/volumes/swapped{running}")


def test_what_a_running_container_has_changed(engine: EngineRoot, host: Path) -> None:
    id = create(engine, "mkdir -p /made/part && touch /made/part/own; sleep 1000")
    engine.json("POST", f"/containers/{id}/start")
    upper = engine.layout.container_state(id) / "upper" / "made"
    while not (upper / "part" / "own").exists():
        os.sched_yield()
    with exchanging(upper, {"part": host}):
        for _ in range(30):
            names = [entry["Path"] for entry in engine.json("GET", f"/containers/{id}/changes") or ()]
            assert not [name for name in names if name.endswith(("/inner", "/file"))], names
            assert MARK not in engine.request("GET", f"/containers/{id}/export")[1][: 1 << 22]
    remove(engine, id)


def test_a_working_directory_made_through_links(engine: EngineRoot, host: Path) -> None:
    dockerfile = f"FROM busybox\nRUN ln -s {host} /out && ln -s /proc/1/root{host} /magic\nWORKDIR /out/made\nWORKDIR /magic/made\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        tar.addfile(member, io.BytesIO(dockerfile.encode()))
    engine.request("POST", "/build?t=links", out.getvalue(), timeout=60)
    body = {"Image": "busybox", "Cmd": ["true"], "WorkingDir": "/link/made"}
    id = str(engine.json("POST", "/containers/create", body)["Id"])
    os.symlink(host, engine.layout.container_state(id) / "upper" / "link")
    run(engine, id)
    remove(engine, id)


def test_targets_that_a_neighbour_exchanges(engine: EngineRoot, host: Path, tmp_path: Path) -> None:
    """Places for mounts inside a shared volume, the working directory, /etc/hosts: each made and found below the root."""
    data = volume(engine, "targets")
    for name in ("sub", "etc", "run"):
        (data / name).mkdir()
    given = tmp_path / "given"
    given.mkdir()
    (given / "from").write_bytes(b"the user's")
    started = 0
    with exchanging(data, {"sub": host, "etc": host, "run": host / "inner"}):
        for _ in range(6):
            id = create(
                engine,
                "ls /data/sub /data/etc /data/run; cat /data/sub/*; touch /data/sub/new /data/run/new /etc/new",
                Mounts=[
                    {"Type": "volume", "Source": "targets", "Target": "/data"},
                    {"Type": "bind", "Source": str(given), "Target": "/data/sub/made"},
                    {"Type": "tmpfs", "Target": "/data/run/made"},
                    {"Type": "volume", "Source": "targets", "Target": "/etc", "VolumeOptions": {"Subpath": "etc"}},
                ],
            )
            status, answer = run(engine, id)
            assert MARK not in answer
            started += status == 204
            for path in ("/data/sub/file", "/data/sub", "/data/run/file"):
                assert MARK not in engine.request("GET", f"/containers/{id}/archive?path={path}")[1]
            remove(engine, id)
    engine.json("DELETE", "/volumes/targets")


def test_what_is_no_file_is_not_opened_for_users(engine: EngineRoot) -> None:
    """Opening is an act: whoever waits at the other end of a FIFO goes on, and a device would be the host's."""
    command = "mkfifo /tmp/p; mv /tmp/p /etc/passwd; echo ready; echo x >/etc/passwd; echo opened; sleep 1000"
    body = {"Image": "busybox", "Cmd": ["sh", "-c", command], "User": "0:0"}
    id = str(engine.json("POST", "/containers/create", body)["Id"])
    engine.json("POST", f"/containers/{id}/start")

    def output() -> bytes:
        return engine.request("GET", f"/containers/{id}/logs?stdout=1")[1]

    wait_for(lambda: b"ready" in output(), output)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as made:
        made.addfile(tarfile.TarInfo("copied"))
    engine.request("PUT", f"/containers/{id}/archive?path=/tmp&copyUIDGID=1", archive.getvalue())
    assert engine.run(id, "sh", "-c", "kill -0 1; cat /proc/1/syscall >/dev/null; echo asked") == "asked\n"
    assert b"opened" not in output()
    remove(engine, id)


def test_secrets_go_where_links_lead_inside(engine: EngineRoot, host: Path) -> None:
    id = create(engine, "true")
    upper = engine.layout.container_state(id) / "upper"
    os.symlink(host, upper / "secrets")
    file = {"Target": "/secrets/file", "Content": "eA==", "UID": 7, "GID": 7, "Mode": 0o4777}
    engine.request("PUT", f"/pycompose/containers/{id}/files", {"files": [file]})
    run(engine, id)
    remove(engine, id)


def test_the_state_is_closed_to_other_users(engine: EngineRoot) -> None:
    """CVE-2021-41091: a set-user-ID file in a volume is of no use to a user of the host."""
    data = volume(engine, "closed")
    (data / "root").write_bytes(b"x")
    (data / "root").chmod(0o4755)
    layout = engine.layout
    root = os.open(layout.root, os.O_PATH | os.O_DIRECTORY)  # what lies above it is closed in this test only
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        places = (data / "root", layout.layers, layout.database, layout.run / "containers", layout.socket)
        reached = [path for path in places if os.access(path.relative_to(layout.root), os.F_OK, dir_fd=root)]
        os._exit(len(reached))
    os.close(root)
    assert os.waitpid(child, 0)[1] == 0
    for directory in (layout.state, *layout.closed):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700, directory
    engine.json("DELETE", "/volumes/closed")
