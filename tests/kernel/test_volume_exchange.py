"""Volumes as archives: what an archive keeps, that import is all or nothing, and what is refused."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.errors import Conflict, EngineError, InvalidParameter, NotFound
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store
from pycompose.engine.trash import Trash
from pycompose.engine.volumes import Volumes, incoming
from pycompose.engine.volumes.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

HOLE = 3 << 20
BEFORE_1970 = -1_500_000_000


class Engine:
    """Volumes and their exchange on one root; ``again`` is the next engine's view of the same disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout.for_root(root)
        self.store = Store(self.layout.database)
        self.trash = Trash()
        self.volumes = Volumes(self.layout, self.store, lambda *event: None, self.trash)
        self.exchange = Exchange(self.layout, self.store, self.volumes, self.trash)

    def again(self) -> Engine:
        self.store.close()
        after = Engine(self.root)
        after.volumes.recover()
        assert after.trash.empty(10)
        return after

    def archive(self, name: str) -> bytes:
        out = io.BytesIO()
        self.exchange.export(name, out.write)
        return out.getvalue()

    def bring(self, name: str, archive: bytes, *, force: bool = False) -> None:
        self.exchange.commit(name, self.exchange.receive(io.BytesIO(archive)), force=force)

    def homes(self) -> list[str]:
        assert self.trash.empty(10)
        return sorted(os.listdir(self.layout.volumes))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path / "root")
    yield made
    made.store.close()


def fill(data: Path) -> None:
    (data / "deep").mkdir()
    (data / "deep" / "file").write_text("content")
    os.link(data / "deep" / "file", data / "second name")
    os.symlink("deep/file", data / "link")
    os.mkfifo(data / "fifo", 0o640)
    with (data / ("sparse-" + "é" * 60)).open("wb") as file:
        file.write(b"begin")
        file.seek(HOLE)
        file.write(b"middle")
        file.truncate(2 * HOLE)
    (data / "empty hole").touch()
    os.truncate(data / "empty hole", HOLE)
    os.setxattr(data / "deep", "user.kind", b"directory\0\n")
    os.setxattr(data / "deep" / "file", "user.kind", b"file")
    os.chown(data / "deep" / "file", 1234, 3_000_000_000)
    os.chown(data / "link", 77, 78, follow_symlinks=False)
    os.chmod(data / "deep" / "file", 0o4751)
    os.utime(data / "deep" / "file", ns=(1, 1_700_000_000_123_456_789))
    os.utime(data / "link", ns=(1, BEFORE_1970), follow_symlinks=False)
    os.utime(data / "deep", ns=(5, 987_654_321))
    os.chown(data, 999, 999)
    os.chmod(data, 0o1770)
    os.utime(data, ns=(5, 1_600_000_000_000_000_001))


def facts(root: Path) -> dict[str, object]:
    """All that is to be kept, by name."""
    found: dict[str, object] = {}
    first: dict[int, str] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        info = path.lstat()
        name = str(path.relative_to(root))
        plain = stat.S_ISREG(info.st_mode)
        found[name] = (
            stat.filemode(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns,
            first.setdefault(info.st_ino, name), info.st_size if plain else 0, path.read_bytes() if plain else b"",
            os.readlink(path) if path.is_symlink() else "",
            {} if path.is_symlink() else {key: os.getxattr(path, key) for key in os.listxattr(path)},
        )  # fmt: skip
    return found


def allocated(root: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in root.rglob("*"))


def test_an_archive_and_a_copy_keep_everything(engine: Engine) -> None:
    engine.volumes.create("source", labels={"a": "b"})
    fill(engine.volumes.path("source"))
    wanted = facts(engine.volumes.path("source"))
    archive = engine.archive("source")
    assert len(archive) < HOLE  # holes are no zeros in it
    engine.bring("target", archive)
    engine.exchange.commit("copy", engine.exchange.copy("source"), force=False)
    for name in ("target", "copy"):
        assert facts(engine.volumes.path(name)) == wanted
        assert allocated(engine.volumes.path(name)) < HOLE
    assert engine.archive("target") == archive
    assert facts(engine.volumes.path("source")) == wanted
    assert engine.homes() == ["copy", "source", "target"]


def test_other_tars_read_it(engine: Engine, tmp_path: Path) -> None:
    engine.volumes.create("source")
    fill(engine.volumes.path("source"))
    with tarfile.open(fileobj=io.BytesIO(engine.archive("source"))) as archive:
        member = archive.getmember("sparse-" + "é" * 60)
        content = archive.extractfile(member)
        assert content is not None and member.issparse() and member.size == 2 * HOLE
        assert content.read() == (engine.volumes.path("source") / member.name).read_bytes()
        assert archive.getmember("deep/file").mtime == pytest.approx(1_700_000_000.123456789)
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(
        ["tar", "-C", unpacked, "-x", "--numeric-owner", "-p", "--xattrs", "--xattrs-include=*"],
        input=engine.archive("source"), check=True, timeout=30,
    )  # fmt: skip
    assert facts(unpacked) == facts(engine.volumes.path("source"))


def test_what_is_refused_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    engine.volumes.create("full")
    (engine.volumes.path("full") / "old").write_text("precious")
    engine.volumes.create("foreign", options={"type": "none", "o": "bind", "device": str(tmp_path)})
    engine.bring("empty", engine.archive("full"))
    archive = engine.archive("empty")
    for name, force, error in (
        ("full", False, Conflict),
        ("foreign", True, InvalidParameter),
        ("-", True, InvalidParameter),
    ):
        staged = engine.exchange.receive(io.BytesIO(archive))
        with pytest.raises(error):
            engine.exchange.commit(name, staged, force=force)
        engine.exchange.drop(staged)
    with pytest.raises(NotFound):
        engine.archive("missing")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        ends = [member.offset_data + -(-member.size // 512) * 512 for member in tar]
    for end in (0, 100, *ends):  # cut off anywhere, also between two members
        with pytest.raises(InvalidParameter):
            engine.bring("cut", archive[:end])
    outside = io.BytesIO()
    with tarfile.open(fileobj=outside, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(InvalidParameter, match="leaves the root"):
        engine.bring("outside", outside.getvalue())
    assert engine.homes() == ["empty", "foreign", "full"]
    assert (engine.volumes.path("full") / "old").read_text() == "precious"


def test_who_is_read_stays(engine: Engine) -> None:
    engine.volumes.create("data")
    (engine.volumes.path("data") / "file").write_text("x")
    archive = engine.archive("data")
    with engine.volumes.reading("data"):
        with pytest.raises(Conflict, match="being exported"):
            engine.volumes.remove("data")
        assert engine.volumes.prune({"all": ["true"]})[0] == []
        staged = engine.exchange.receive(io.BytesIO(archive))
        with pytest.raises(Conflict, match="being exported"):
            engine.exchange.commit("data", staged, force=True)
        engine.exchange.drop(staged)
    engine.volumes.remove("data")
    assert engine.homes() == []


@pytest.mark.parametrize("before", ["missing", "full"])
@pytest.mark.parametrize("cut", ["filling", "filled", "recorded", "put aside", "exchanged"])
def test_an_end_at_any_point_leaves_one_or_the_other(engine: Engine, before: str, cut: str) -> None:
    engine.volumes.create("other")
    (engine.volumes.path("other") / "new").write_text("all of it")
    archive = engine.archive("other")
    engine.volumes.remove("other")
    if before == "full":
        engine.volumes.create("data", labels={"kept": "yes"})
        (engine.volumes.path("data") / "old").write_text("precious")
    if cut == "filling":
        staged = incoming.stage(engine.layout)
        (staged / "_data" / "half").write_text("ha")
    else:
        staged = engine.exchange.receive(io.BytesIO(archive))
    if cut not in ("filling", "filled"):
        record = engine.store.get("volume", "data") or {"name": "data", "created": "2026-01-01T00:00:00Z"}
        engine.store.put("volume", "data", {**record, "incoming": staged.name})
    home = engine.layout.volumes / "data"
    if cut in ("put aside", "exchanged") and before == "full":
        home.rename(engine.layout.volumes / ".removed-1")
    if cut == "exchanged":
        staged.rename(home)
    after = engine.again()
    committed = cut not in ("filling", "filled")
    there = {"new"} if committed else {"old"} if before == "full" else None
    if there is None:
        assert after.volumes.list() == []
    else:
        volume = after.volumes.get("data")
        assert volume.incoming == "" and dict(volume.labels) == ({"kept": "yes"} if before == "full" else {})
        assert set(os.listdir(after.volumes.path("data"))) == there
    assert after.homes() == ([] if there is None else ["data"])
    after.store.close()


def test_a_tree_without_end_is_refused(engine: Engine) -> None:
    """A container makes directories as deep as it likes, and each level of a copy costs descriptors and stack."""
    engine.volumes.create("deep")
    place = os.open(engine.volumes.path("deep"), os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=place)
        below = os.open("a", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    for attempt in (lambda: engine.exchange.copy("deep"), lambda: engine.archive("deep")):
        with pytest.raises(EngineError, match="too deep"):
            attempt()
    assert engine.homes() == ["deep"]
    engine.volumes.remove("deep")
    assert engine.homes() == []
