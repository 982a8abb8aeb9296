"""`pycompose volume export|import|clone|du` on a whole engine, and whatever is killed in the middle of an import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING

import pytest
from support.cutting_proxy import CuttingProxy
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("exchange") / "root") as running:
        running.import_busybox()
        yield running


@pytest.fixture(autouse=True)
def nothing_left(engine: EngineRoot) -> Iterator[None]:
    yield
    for row in engine.json("GET", "/containers/json?all=1"):
        engine.json("DELETE", f"/containers/{row['Id']}?force=1")
    engine.json("POST", '/volumes/prune?filters={"all":["true"]}')
    assert homes(engine) == []


def command(engine: EngineRoot, *words: str, options: Sequence[str] = ()) -> list[str]:
    return [sys.executable, "-m", "pycompose.compose.cli.main", "-H", engine.url, *options, "volume", *words]


def volume(
    engine: EngineRoot, *words: str, code: int = 0, stdin: bytes = b"", options: Sequence[str] = ()
) -> tuple[bytes, str]:
    done = subprocess.run(
        command(engine, *words, options=options), capture_output=True, input=stdin, timeout=60, check=False
    )
    errors = done.stderr.decode()
    assert done.returncode == code and "Traceback" not in errors, (words, done)
    assert code == 0 or len(errors.splitlines()) == 1
    return done.stdout, errors


def homes(engine: EngineRoot) -> list[str]:
    return sorted(os.listdir(engine.layout.volumes))


def data(engine: EngineRoot, name: str) -> Path:
    return engine.layout.volumes / name / "_data"


def filled(engine: EngineRoot, name: str) -> None:
    engine.json("POST", "/volumes/create", {"Name": name})
    (data(engine, name) / "small").write_text("of " + name)
    (data(engine, name) / "zeros").write_bytes(bytes(1 << 20) + os.urandom(1 << 20))


def run(engine: EngineRoot, name: str, bind: str, *words: str) -> None:
    body = {"Image": "busybox", "Cmd": words, "HostConfig": {"Binds": [bind], "NetworkMode": "none"}}
    id = engine.json("POST", f"/containers/create?name={name}", body)["Id"]
    engine.json("POST", f"/containers/{id}/start")


def test_the_commands(engine: EngineRoot, tmp_path: Path) -> None:
    filled(engine, "data")
    file = tmp_path / "data.tar"
    assert volume(engine, "export", "data", "-o", str(file)) == (b"", "")
    piped, _ = volume(engine, "export", "data")
    assert piped == file.read_bytes()
    assert volume(engine, "import", "again", str(file)) == (b"again\n", "")
    assert volume(engine, "import", "piped", "-", stdin=piped)[0] == b"piped\n"
    assert volume(engine, "clone", "data", "copy")[0] == b"copy\n"
    for name in ("again", "piped", "copy"):
        assert (data(engine, name) / "small").read_text() == "of data"
    rows = json.loads(b"[" + b",".join(volume(engine, "du", "--format", "json")[0].splitlines()) + b"]")
    assert [row["Name"] for row in rows] == ["again", "copy", "data", "piped"]
    assert {row["Bytes"] for row in rows} == {(2 << 20) + len("of data")}
    table = volume(engine, "du", "copy")[0].decode().splitlines()
    assert [line.split()[0] for line in table] == ["VOLUME", "copy"]
    assert "no such volume" in volume(engine, "du", "nix", code=1)[1]
    assert "no such volume" in volume(engine, "export", "nix", "-o", str(tmp_path / "nix"), code=1)[1]
    assert not (tmp_path / "nix").exists()
    assert "cannot be cloned into itself" in volume(engine, "clone", "data", "data", code=1)[1]
    assert "no such file" in volume(engine, "import", "new", str(tmp_path / "nix"), code=1)[1]
    assert "invalid volume name" in volume(engine, "import", "a/b", "-", stdin=piped, code=1)[1]
    assert "has no end" in volume(engine, "import", "new", "-", code=1)[1]
    assert "unexpected EOF" in volume(engine, "import", "new", "-", stdin=piped[: 1 << 20], code=1)[1]
    assert homes(engine) == ["again", "copy", "data", "piped"]


def test_what_is_in_use(engine: EngineRoot, tmp_path: Path) -> None:
    filled(engine, "data")
    filled(engine, "other")
    archive, _ = volume(engine, "export", "other")
    assert "is not empty" in volume(engine, "import", "data", "-", stdin=archive, code=1)[1]
    run(engine, "writer", "data:/data", "sleep", "1000")
    assert "data is in use by writer" in volume(engine, "export", "data", "-o", str(tmp_path / "tar"))[1]
    for words in (("import", "data", "-"), ("clone", "other", "data")):
        assert "container writer is running" in volume(engine, *words, "--force", stdin=archive, code=1)[1]
    assert (data(engine, "data") / "small").read_text() == "of data"
    engine.json("POST", "/containers/writer/stop?t=0")
    volume(engine, "import", "data", "-", "--force", stdin=archive)
    engine.json("POST", "/containers/writer/start")
    assert engine.run("writer", "cat", "/data/small") == "of other"


def test_layers_of_a_snapshot(engine: EngineRoot) -> None:
    """A volume that is an overlay is exported as containers see it, and becomes a plain one when it is replaced."""
    filled(engine, "data")
    engine.json("POST", "/pycompose/snapshots", {"group": "g", "name": "seed", "volumes": {"data": "data"}})
    row = json.loads(volume(engine, "du", "--format", "json", "data")[0])
    assert row["Bytes"] == (2 << 20) + len("of data") and row["Allocated"] >= row["Bytes"]
    run(engine, "writer", "data:/data", "sh", "-c", "rm /data/zeros; echo changed >/data/small")
    assert json.loads(engine.request("POST", "/containers/writer/wait")[1])["StatusCode"] == 0
    archive, _ = volume(engine, "export", "data")
    assert len(archive) < 1 << 20
    volume(engine, "clone", "data", "copy")
    assert os.listdir(data(engine, "copy")) == ["small"]
    volume(engine, "import", "data", "-", "--force", stdin=archive)
    assert (data(engine, "data") / "small").read_text() == "changed\n"
    engine.json("POST", "/pycompose/snapshots/g/seed/restore", {"volumes": {"data": "data"}})
    engine.json("POST", "/containers/writer/start")
    engine.json("DELETE", "/pycompose/snapshots/g/seed")


def test_a_foreign_engine(engine: EngineRoot, tmp_path: Path) -> None:
    """There only `du` works; the others say so, and how."""
    filled(engine, "data")
    socket = tmp_path / "proxy"
    with CuttingProxy(socket, str(engine.layout.socket), "never", int, answered=False, stranger=True):
        foreign = ("-H", f"unix://{socket}")
        for words in (
            ("export", "data", "-o", str(tmp_path / "tar")),
            ("import", "new", "-"),
            ("clone", "data", "new"),
        ):
            assert "only pycompose's own does" in volume(engine, *words, code=1, options=foreign)[1]
        row = json.loads(volume(engine, "du", "data", "--format", "json", options=foreign)[0])
        assert (row["Bytes"], row["OnDisk"]) == ((2 << 20) + len("of data"), "N/A")
        assert "no such volume" in volume(engine, "du", "nix", code=1, options=foreign)[1]
    assert os.listdir(tmp_path) == []


def importing(engine: EngineRoot, name: str, archive: bytes) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """An import that has got half of its archive and waits for the rest, the engine having unpacked what came."""
    process = subprocess.Popen(
        command(engine, "import", name, "-", "--force"), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(archive[: len(archive) * 3 // 4])
    process.stdin.flush()
    wait_for(
        lambda: (
            any(engine.layout.volumes.glob(".import-*/_data/small"))
            and any(engine.layout.volumes.glob(".import-*/_data/zeros"))
        ),
        engine.log,
    )
    return process, process.stdin


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "full"])
@pytest.mark.parametrize("who", ["client", "engine"])
def test_a_kill_in_the_middle(engine: EngineRoot, who: str, fresh: bool) -> None:
    filled(engine, "other")
    archive, _ = volume(engine, "export", "other")
    if not fresh:
        filled(engine, "data")
    process, stdin = importing(engine, "data", archive)
    if who == "client":
        process.kill()
    else:
        engine_pid = engine.pid
        os.kill(engine_pid, signal.SIGKILL)
        engine.await_gone(engine_pid)
    try:
        stdin.close()
    except BrokenPipeError:
        assert who == "engine"
    code = process.wait(30)
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert code == -signal.SIGKILL if who == "client" else (code == 1 and len(errors.splitlines()) == 1), errors
    wait_for(engine.is_up, engine.log)
    wait_for(lambda: homes(engine) == (["other"] if fresh else ["data", "other"]), lambda: str(homes(engine)))
    if not fresh:
        assert (data(engine, "data") / "small").read_text() == "of data"
    volume(engine, "import", "data", "-", "--force", stdin=archive)
    assert (data(engine, "data") / "small").read_text() == "of other"
