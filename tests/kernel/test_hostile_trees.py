"""Trees that change while the engine works on them, and trees made to lead it out: nothing of the host is touched or seen.

Each test does what a hostile container, image or archive would do, and looks at files that stand for the host's.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.exchanging import exchanging

from pycompose.engine.build.copying import Destination
from pycompose.engine.build.trees import Tree, select
from pycompose.engine.errors import EngineError
from pycompose.engine.images.pack import pack
from pycompose.engine.images.tarstream import TarReader
from pycompose.engine.images.unpack import unpack
from pycompose.engine.linux import entries
from pycompose.engine.linux.libc import KernelError
from pycompose.engine.linux.tree import remove_directory, tree_size
from pycompose.engine.volumes import seed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root
_ROUNDS = 3000


class Host:
    """What must stay as it is: a file, and a directory with a file of the same name."""

    def __init__(self, place: Path) -> None:
        self.directory = place
        place.mkdir()
        self.file = place / "file"
        self.file.write_text("the host's" * 1000)
        self.file.chmod(0o600)
        os.utime(place, (1000, 1000))
        os.utime(self.file, (1000, 1000))

    def facts(self) -> list[tuple[int, ...]]:
        return [
            (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, info.st_nlink, info.st_size)
            for info in (self.file.lstat(), self.directory.lstat())
        ]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "host")
    before = made.facts()
    yield made
    assert made.facts() == before


def fifos(names: list[str], mode: int = 0o4777) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid, member.gid, member.mtime = tarfile.FIFOTYPE, mode, 7, 7, 5
            tar.addfile(member)
    return out.getvalue()


def test_a_mode_goes_to_what_was_made(tmp_path: Path, host: Host) -> None:
    os.symlink(host.file, tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    parent = entries.open_root(tmp_path)
    try:
        with pytest.raises(KernelError, match="exchanged"):
            entries.set_mode(parent, "link", 0o4777, stat.S_IFIFO)
        entries.set_mode(parent, "fifo", 0o4777, stat.S_IFIFO)
    finally:
        os.close(parent)
    assert stat.S_IMODE((tmp_path / "fifo").lstat().st_mode) == 0o4777


def test_unpacking_where_entries_become_links(tmp_path: Path, host: Host) -> None:
    target = tmp_path / "target"
    target.mkdir()
    data = fifos([f"f{number}" for number in range(_ROUNDS)])
    with exchanging(target, everything=host.file), suppress(EngineError):
        unpack([data], target, layer=False)


def test_unpacking_where_directories_become_links(tmp_path: Path, host: Host) -> None:
    target = tmp_path / "target"
    (target / "part").mkdir(parents=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(_ROUNDS):
            directory = tarfile.TarInfo("part")
            directory.type, directory.mode = tarfile.DIRTYPE, 0o4777
            tar.addfile(directory)
            member = tarfile.TarInfo(f"part/file{number % 3 or ''}")
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    with exchanging(target, {"part": host.directory}), suppress(EngineError):
        unpack([out.getvalue()], target, layer=False, through_links=True)


def test_seeding_where_entries_become_links(tmp_path: Path, host: Host) -> None:
    image, volume = tmp_path / "image", tmp_path / "volume"
    image.mkdir()
    volume.mkdir()
    for number in range(_ROUNDS // 3):
        os.mkfifo(image / f"f{number}")
        (image / f"f{number}").chmod(0o4777)
    root = entries.open_root(image)
    try:
        with exchanging(volume, everything=host.file), suppress(OSError):
            seed.copy_up(root, "/", volume)
    finally:
        os.close(root)


def test_seeding_links_no_file_of_the_host(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    image, volume = tmp_path / "image", tmp_path / "volume"
    (image / "a").mkdir(parents=True)
    volume.mkdir()
    (image / "a" / "file").write_text("x")
    os.link(image / "a" / "file", image / "z")
    copied = seed._copy_attributes

    def attributes(*arguments: int) -> None:
        # When the directory "a" is done, a neighbour puts a link in its place.
        copied(*arguments)
        if os.readlink(f"/proc/self/fd/{arguments[1]}") == str(volume / "a"):
            os.rename(volume / "a", volume / "was-a")
            os.symlink(host.directory, volume / "a")

    monkeypatch.setattr(seed, "_copy_attributes", attributes)
    root = entries.open_root(image)
    try:
        with pytest.raises(KernelError):
            seed.copy_up(root, "/", volume)
    finally:
        os.close(root)
    assert not (volume / "z").exists()


def test_copying_where_entries_become_links(tmp_path: Path, host: Host) -> None:
    context, target = tmp_path / "context", tmp_path / "target"
    context.mkdir()
    target.mkdir()
    for number in range(_ROUNDS // 3):
        os.mkfifo(context / f"f{number}")
        (context / f"f{number}").chmod(0o4777)
    source, destination = entries.open_root(context), entries.open_root(target)
    try:
        (selection,) = select(Tree(source, "context"), "/")
        with exchanging(target, everything=host.file), suppress(EngineError, OSError):
            Destination(destination).place(selection, "/")
    finally:
        os.close(source)
        os.close(destination)


def test_nothing_is_read_through_what_a_directory_became(tmp_path: Path, host: Host) -> None:
    tree = tmp_path / "tree"
    (tree / "part").mkdir(parents=True)
    (tree / "part" / "file").write_text("ours")
    (tree / "lone").write_text("ours")
    with exchanging(tree, {"part": host.directory, "lone": host.file}):
        for _ in range(200):
            pieces: list[bytes] = []
            with suppress(OSError):
                pack(tree, pieces.append, layer=False)
            assert b"the host's" not in b"".join(pieces)
            assert tree_size(tree) < 1000
            root = entries.open_root(tree)
            try:
                assert entries.open_regular(root, "part") is None
            finally:
                os.close(root)


def test_a_device_is_not_opened_to_be_looked_at(tmp_path: Path) -> None:
    # Opening a terminal's master makes a new terminal: an act that can be seen.
    os.mknod(tmp_path / "ptmx", stat.S_IFCHR | 0o666, os.makedev(5, 2))
    before = sorted(os.listdir("/dev/pts"))
    root = entries.open_root(tmp_path)
    try:
        assert entries.open_regular(root, "ptmx") is None
        assert Tree(root, "tree").open_kind("ptmx", stat.S_IFREG) is None
    finally:
        os.close(root)
    assert sorted(os.listdir("/dev/pts")) == before


def test_removal_stops_at_what_is_mounted(tmp_path: Path, host: Host) -> None:
    from pycompose.engine.linux import mount

    doomed = tmp_path / "doomed"
    (doomed / "inner" / "place").mkdir(parents=True)
    (doomed / "file").write_text("x")
    source = os.open(host.directory, os.O_PATH | os.O_DIRECTORY)
    mount.attach(mount.open_tree("", directory_fd=source), doomed / "inner" / "place")
    try:
        with pytest.raises(OSError, match="cross-device"):
            remove_directory(doomed)
        assert host.file.stat().st_size == 10_000
    finally:
        mount.umount(str(doomed / "inner" / "place"))
        os.close(source)
    remove_directory(doomed)
    assert not doomed.exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("leads", ["/", "../../../../../..", "/proc/self/root", "/proc/self/cwd"])
def test_archives_with_links_that_lead_out(tmp_path: Path, host: Host, kind: bytes, leads: str) -> None:
    """A link to a place outside, then a file, a mode and a removal through it."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "etc").mkdir()
    path = str(host.directory).strip("/")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = kind, leads
        tar.addfile(link)
        for name, member_type in (("file", tarfile.REGTYPE), (".wh.file", tarfile.REGTYPE), ("file", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(f"out/{path}/{name}")
            member.type, member.mode = member_type, 0o4777
            tar.addfile(member)
    for layer in (True, False):
        with suppress(EngineError):
            unpack([out.getvalue()], target, layer=layer)


def test_names_with_zero_bytes_and_device_nodes(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    body = b"20 path=evil\0../out\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        extended = tarfile.TarInfo("x")
        extended.type, extended.size = b"x", len(body)
        tar.addfile(extended, io.BytesIO(body))
        tar.addfile(tarfile.TarInfo("evil"))
    with pytest.raises(EngineError, match="zero byte"):
        unpack([out.getvalue()], target, layer=True)
    assert os.listdir(target) == []
    assert list(TarReader([bytes(1024)])) == []
