"""The image store on a real disk: layers from honest and hostile archives, names, removal, crashes, merged views."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import stat
import struct
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs

from pycompose.engine.errors import Conflict, EngineError, InvalidParameter, NotFound
from pycompose.engine.images import durability, layers
from pycompose.engine.images.service import Images
from pycompose.engine.images.tarstream import Limits, TarError
from pycompose.engine.images.types import ImageUser
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pycompose.engine.images.types import Image, Layer

pytestmark = pytest.mark.root

# Revision 2, cap_net_raw permitted and effective: struct vfs_cap_data.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


def nobody(image_id: str) -> Sequence[ImageUser]:
    return ()


class Bench:
    def __init__(self, root: Path, **options: Any) -> None:
        self.layout = Layout.for_root(root / "engine")
        self.options = options
        self.events: list[tuple[str, str, str]] = []
        self.start()

    def start(self) -> None:
        self.store = Store(self.layout.database)
        self.images = Images(self.layout, self.store, self.publish, **self.options)
        self.images.recover()

    def stop(self) -> None:
        self.images.close()
        self.store.close()

    def publish(self, kind: str, action: str, id: str, attributes: Any) -> None:
        self.events.append((kind, action, attributes.get("name", id)))

    def layer(self, *members: tuple[tarfile.TarInfo, bytes], parents: Sequence[Layer] = ()) -> tuple[Layer, Path]:
        made = self.images.apply_layer(archive(*members), parents)
        return made, self.images.layer_path(made)

    def tree(self) -> Path:
        path = self.layout.state / f"tree-{os.urandom(4).hex()}"
        path.mkdir(mode=0o755)
        path.chmod(0o755)
        return path

    def leftovers(self) -> list[str]:
        mounts = [
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.layout.root) in line
        ]
        files = [str(path) for path in self.layout.ingest.iterdir()]
        views = [str(path) for path in self.layout.mounts.glob("*") if path.name != "empty"]
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("images-")]
        return mounts + files + views + threads


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.stop()
    assert made.leftovers() == []


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out


def file(name: str, content: bytes = b"", **values: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    for key, value in values.items():
        setattr(info, key, value)
    return info, content


def directory(name: str, mode: int = 0o755, **values: Any) -> tuple[tarfile.TarInfo, bytes]:
    return file(name, type=tarfile.DIRTYPE, mode=mode, **values)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return file(name, type=tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return file(name, type=tarfile.LNKTYPE, linkname=target)


# layers ----------------------------------------------------------------------------------------------------------------
def test_everything_a_layer_may_hold(bench: Bench) -> None:
    extended = file("bin/ping", b"elf", mode=0o755)
    extended[0].pax_headers = {
        "SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1"),
        "SCHILY.xattr.user.note": "kept",
    }
    out = io.BytesIO()
    # latin-1 keeps the capability's bytes as they are.
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="latin-1") as tar:
        for info, content in (
            directory("./", 0o755, mtime=1_600_000_000),
            directory("tmp", 0o1777, mtime=1_500_000_000),
            directory("bin", 0o755),
            extended,
            file("bin/su", b"elf", mode=0o4755, uid=0, gid=42, mtime=1_400_000_000),
            hard("bin/su2", "bin/su"),
            link("lib", "usr/lib"),
            link("abs", "/etc/passwd"),
            file("pipe", type=tarfile.FIFOTYPE, mode=0o600),
            file("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
            file("disk", type=tarfile.BLKTYPE, devmajor=8, devminor=1, mode=0o660),
            file("deep/er/file", b"x", uid=1000, gid=1000, mtime=1_300_000_000),
        ):
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    # The capability is binary with zero bytes, which PAX records carry.
    layer = bench.images.apply_layer(out, ())
    root = bench.images.layer_path(layer)
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert (root / "tmp").stat().st_mtime == 1_500_000_000
    assert root.stat().st_mtime == 1_600_000_000
    su = (root / "bin/su").stat()
    assert (stat.S_IMODE(su.st_mode), su.st_gid, su.st_nlink, su.st_mtime) == (0o4755, 42, 2, 1_400_000_000)
    assert os.getxattr(root / "bin/ping", "user.note") == b"kept"
    assert os.getxattr(root / "bin/ping", "security.capability") == CAPABILITY
    assert os.readlink(root / "abs") == "/etc/passwd"
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)
    assert (root / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK((root / "disk").stat().st_mode)
    # Its own canonical tar gives the same layer again.
    again = io.BytesIO()
    with bench.images._layers.tar(layer) as tar_chunks:
        again.writelines(tar_chunks)
    again.seek(0)
    assert bench.images.apply_layer(again, ()) == layer


def test_whiteouts_and_opaque_directories(bench: Bench) -> None:
    base, _ = bench.layer(
        directory("d"), file("d/a", b"1"), file("d/b", b"2"), directory("e"), file("e/x"), file("gone")
    )
    top, path = bench.layer(
        directory("d"),
        file("d/.wh..wh..opq"),
        file("d/c", b"3"),
        file(".wh.gone"),
        file(".wh.e"),
        directory("e"),
        file("e/y"),
        file(".wh..wh.plnk"),
        parents=[base],
    )
    assert os.getxattr(path / "d", "trusted.overlay.opaque") == b"y"
    assert os.getxattr(path / "e", "trusted.overlay.opaque") == b"y"
    assert (path / "gone").lstat().st_rdev == 0 and stat.S_ISCHR((path / "gone").lstat().st_mode)
    with bench.images.mounted([path, bench.images.layer_path(base)]) as view:
        assert sorted(os.listdir(view)) == ["d", "e"]
        assert os.listdir(view / "d") == ["c"] and os.listdir(view / "e") == ["y"]
    image = bench.images.add({"config": {}}, [base, top])
    out = io.BytesIO()
    bench.images.export(bench.images.layer_paths(image), None, out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        assert sorted(tar.getnames()) == ["d", "d/c", "e", "e/y"]


def test_what_the_overlay_leaves_becomes_the_same_layer(bench: Bench) -> None:
    base, below = bench.layer(directory("d"), file("d/a", b"1"), file("d/b", b"2"), file("keep", b"k"), file("gone"))
    upper, work = bench.tree(), bench.tree()
    with bench.images.mounted([below], upper, work) as view:
        (view / "d/a").unlink()
        (view / "gone").unlink()
        (view / "keep").write_bytes(b"changed")
        os.rename(view / "d/b", view / "b")
        (view / "new").mkdir()
        os.link(view / "keep", view / "new/hard")
    os.utime(upper / "gone", (1_000_000_000, 1_000_000_000))  # the clock goes on between the two
    copied = bench.images.commit_layer(upper, [base], move=False)
    assert upper.exists()
    moved = bench.images.commit_layer(upper, [base])
    assert moved == copied and not upper.exists()
    with bench.images.mounted([bench.images.layer_path(moved), below]) as view:
        assert sorted(os.listdir(view)) == ["b", "d", "keep", "new"]
        assert os.listdir(view / "d") == []
        assert (view / "new/hard").read_bytes() == b"changed"
        with pytest.raises(OSError, match="Read-only"):
            (view / "x").touch()


def test_unlisted_directories_take_the_attributes_below(bench: Bench) -> None:
    base, _ = bench.layer(directory("var", 0o755), directory("var/tmp", 0o1777, uid=5, gid=6, mtime=1_000_000_000))
    _, path = bench.layer(file("var/tmp/f", b"x"), file("other/f", b"x", mtime=77), parents=[base])
    status = (path / "var/tmp").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o1777, 5, 6)
    assert stat.S_IMODE((path / "other").stat().st_mode) == 0o755
    # No clock in it: the same archive gives the same layer.
    first = bench.images.apply_layer(archive(file("a/b/c", b"x", mtime=5)), ())
    assert bench.images.apply_layer(archive(file("a/b/c", b"x", mtime=5)), ()) == first


def test_entries_replace_each_other(bench: Bench) -> None:
    _, path = bench.layer(
        file("a", b"1"),
        file("a", b"2"),
        directory("b"),
        file("b/x"),
        file("b", b"file"),
        file("c", b"file"),
        file("c/d", b"below"),
        link("l", "b"),
        file("l", b"not followed"),
        directory("dir"),
        link("dir", "nowhere"),
        directory("keep", 0o755),
        file("keep/x"),
        directory("keep", 0o700),
    )
    assert (path / "a").read_bytes() == b"2"
    assert (path / "b").read_bytes() == b"file"
    assert (path / "c/d").read_bytes() == b"below"
    assert (path / "l").read_bytes() == b"not followed" and not (path / "l").is_symlink()
    assert (path / "dir").is_symlink()
    assert (path / "keep/x").exists() and stat.S_IMODE((path / "keep").stat().st_mode) == 0o700


def test_links_in_paths_stay_inside(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    _, path = bench.layer(
        link("absolute", str(outside)),
        file("absolute/f", b"x"),
        link("up", "../../../../../../../../" + str(outside)),
        file("up/g", b"x"),
        link("usr-bin", "/bin"),
        directory("bin"),
        file("usr-bin/tool", b"x"),
        link("chain", "usr-bin"),
        file("chain/other", b"x"),
    )
    assert list(outside.iterdir()) == []
    inside = path / str(outside).lstrip("/")
    assert sorted(os.listdir(inside)) == ["f", "g"]
    assert sorted(os.listdir(path / "bin")) == ["other", "tool"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([file("../escape", b"x")], "leaves the root"),
        ([file("a/../../escape", b"x")], "leaves the root"),
        ([file("/../escape", b"x")], "leaves the root"),
        ([hard("shadow", "../../../etc/shadow")], "leaves the root"),
        ([hard("shadow", "/etc/shadow")], "cannot unpack 'shadow': No such file"),
        ([link("etc", "/etc"), hard("passwd", "etc/passwd")], "cannot unpack 'passwd'"),
        ([link("loop", "loop"), file("loop/f", b"x")], "cannot unpack 'loop/f'"),
        ([file("owner", uid=1 << 33)], "out of range"),
        ([file("a/.wh...", b"")], "invalid whiteout"),
        ([file(".wh.", b"")], "invalid whiteout"),
        ([file("d/" * 300 + "f")], "too deep"),
        ([file("volume", type=b"V")], "unhandled tar entry type"),
        ([hard("self", "self")], "cannot unpack"),
    ],
)
def test_hostile_layers_are_refused(bench: Bench, members: list[tuple[tarfile.TarInfo, bytes]], message: str) -> None:
    if message == "cannot unpack" and members[0][0].name == "self":
        # A link to itself means nothing and makes nothing.
        _, path = bench.layer(*members)
        assert list(path.iterdir()) == []
        return
    with pytest.raises(TarError, match=message):
        bench.layer(*members)
    assert list(bench.layout.layers.iterdir()) == []


def test_directory_times_do_not_follow_links(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "b").mkdir(parents=True)
    before = (outside / "b").stat().st_mtime
    bench.layer(directory("a"), directory("a/b", mtime=5), link("a", str(outside)))
    assert (outside / "b").stat().st_mtime == before


def test_overlay_marks_from_outside_are_dropped(bench: Bench) -> None:
    info, content = directory("d")
    info.pax_headers = {
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.security.selinux": "x",
        "SCHILY.xattr.trusted.mine": "x",
    }
    _, path = bench.layer((info, content))
    assert os.listxattr(path / "d") == ["trusted.mine"]


def test_limits_are_the_engines_to_set(tmp_path: Path) -> None:
    bench = Bench(tmp_path, limits=Limits(entries=3, total=10_000))
    with pytest.raises(TarError, match="more than 3 entries"):
        bench.layer(*(file(str(i)) for i in range(9)))
    with pytest.raises(TarError, match="more than 10000 bytes"):
        bench.layer(file("a", b"x" * 11_000))
    bench.stop()
    assert bench.leftovers() == []


def test_damaged_archives_leave_nothing(bench: Bench) -> None:
    whole = archive(file("a", b"x" * 100_000)).getvalue()
    for data in (whole[:50_000], b"\x1f\x8b\x08" + whole, b"junk" * 1000):
        with pytest.raises(InvalidParameter):
            bench.images.import_rootfs(io.BytesIO(data), ref="x")
    assert bench.images.list() == [] and list(bench.layout.layers.iterdir()) == []


def test_source_date_epoch_clamps_times(bench: Bench) -> None:
    made = []
    for moment in (1_700_000_000, 1_800_000_000):
        tree = bench.tree()
        (tree / "f").write_text("x")
        (tree / "old").write_text("x")
        os.utime(tree / "f", (moment, moment))
        os.utime(tree / "old", (5, 5))
        made.append(bench.images.commit_layer(tree, (), clamp=1_600_000_000))
    assert made[0] == made[1]
    assert bench.images.layer_path(made[0]).joinpath("old").stat().st_mtime == 5


# images and names ------------------------------------------------------------------------------------------------------
def make(bench: Bench, ref: str = "app:1", **config: Any) -> Image:
    tree = bench.tree()
    (tree / "f").write_bytes(os.urandom(16))
    layer = bench.images.commit_layer(tree, ())
    image = bench.images.add({"config": config}, [layer])
    if ref:
        bench.images.tag(image.id, ref)
    return bench.images.resolve(image.id)


def test_look_up(bench: Bench) -> None:
    image = make(bench, "app:1", Env=["A=1"])
    hexadecimal = image.id.removeprefix("sha256:")
    for ref in (
        "app:1",
        "docker.io/library/app:1",
        image.id,
        hexadecimal,
        hexadecimal[:12],
        f"sha256:{hexadecimal[:7]}",
    ):
        assert bench.images.resolve(ref).id == image.id
    assert image.repo_tags == ("app:1",) and image.process["Env"] == ["A=1"]
    for ref, message in (
        ("app", "No such image: app:latest"),
        ("nothing:2", "No such image: nothing:2"),
        ("0" * 64, "No such image: 0000"),
        ("sha256:beef", "No such image: sha256:beef"),
    ):
        with pytest.raises(NotFound, match=message):
            bench.images.resolve(ref)
    bench.images.tag(image.id, "other")
    assert bench.images.resolve("other").repo_tags == ("app:1", "other:latest")
    assert bench.events[-1] == ("image", "tag", "other:latest")
    second = make(bench, "app:1")
    assert bench.images.resolve("app:1").id == second.id
    assert [item.repo_tags for item in bench.images.list({"dangling": ["false"]})]


def test_ambiguous_prefix(bench: Bench) -> None:
    seen: dict[str, str] = {}
    while True:
        image = make(bench, "")
        digit = image.id[7]
        if digit in seen:
            break
        seen[digit] = image.id
    with pytest.raises(InvalidParameter, match="ambiguous"):
        bench.images.resolve(digit)


def test_removal_words(bench: Bench) -> None:
    image = make(bench)
    short = image.id[7:19]
    running = [ImageUser("c" * 64, True)]
    stopped = [ImageUser("c" * 64, False)]
    remove = bench.images.remove
    with pytest.raises(
        Conflict, match=f'unable to remove repository reference "app:1" \\(must force\\).*{"c" * 12} is'
    ):
        remove("app:1", in_use=lambda id: running)
    with pytest.raises(
        Conflict, match=f"unable to delete {short} \\(cannot be forced\\) - image is being used by running"
    ):
        remove(image.id, force=True, in_use=lambda id: running)
    with pytest.raises(
        Conflict, match=f"unable to delete {short} \\(must be forced\\) - image is being used by stopped"
    ):
        remove(image.id, in_use=lambda id: stopped)
    bench.images.tag(image.id, "other:1")
    with pytest.raises(Conflict, match="referenced in multiple repositories"):
        remove(short, in_use=nobody)
    assert remove("other:1", in_use=lambda id: running) == [{"Untagged": "other:1"}]
    assert remove("app:1", force=True, in_use=lambda id: running) == [{"Untagged": "app:1"}]
    assert bench.images.resolve(image.id).repo_tags == ()
    chain = image.layers[0].chain_id
    assert remove(short, in_use=nobody) == [{"Deleted": image.id}, {"Deleted": chain}]
    assert list(bench.layout.layers.iterdir()) == [] and list(bench.layout.blobs.iterdir()) == []
    with pytest.raises(NotFound):
        remove("app:1", in_use=nobody)
    assert bench.events[-1] == ("image", "delete", image.id)


def test_shared_layers_stay(bench: Bench) -> None:
    base = make(bench, "base")
    tree = bench.tree()
    (tree / "g").write_text("x")
    child = bench.images.add({}, [*base.layers, bench.images.commit_layer(tree, base.layers)], parent=base.id)
    bench.images.tag(child.id, "child")
    assert [next(iter(item.values())) for item in bench.images.remove("base", in_use=nobody)] == [
        "base:latest",
        base.id,
    ]
    with bench.images.mounted(bench.images.layer_paths(child)) as view:
        assert sorted(os.listdir(view)) == ["f", "g"]
    assert len(bench.images.remove("child", in_use=nobody)) == 4


def test_prune(bench: Bench) -> None:
    kept, used, bare = make(bench, "kept"), make(bench, ""), make(bench, "")
    loose = bench.images.commit_layer(bench.tree(), ())
    pinned = bench.images.apply_layer(archive(file("pinned", b"x")), ())
    held = bench.images.apply_layer(archive(file("held", b"x")), ())
    bench.images.protect(lambda: [pinned.chain_id])

    def in_use(id: str) -> Sequence[ImageUser]:
        return [ImageUser("c" * 64, False)] if id == used.id else []

    with bench.images.hold([held]):
        removed, reclaimed = bench.images.prune(in_use=in_use)
    assert {"Deleted": bare.id} in removed and {"Deleted": loose.chain_id} in removed and reclaimed > 0
    assert {image.id for image in bench.images.list()} == {kept.id, used.id}
    assert bench.images.layer_path(pinned).exists() and bench.images.layer_path(held).exists()
    removed, _ = bench.images.prune(all=True, in_use=in_use)
    assert {"Untagged": "kept:latest"} in removed and {"Deleted": held.chain_id} in removed
    assert [image.id for image in bench.images.list()] == [used.id]


def test_a_lease_protects_what_is_being_made(bench: Bench) -> None:
    with bench.images.lease():
        layer = bench.images.commit_layer(bench.tree(), ())
        bench.images.prune(in_use=nobody)
        assert bench.images.layer_path(layer).exists()
    bench.images.prune(in_use=nobody)
    assert not bench.images.layer_path(layer).exists()
    with pytest.raises(NotFound):
        bench.images.add({}, [layer])


def test_import_and_changes(bench: Bench) -> None:
    image = bench.images.import_rootfs(
        busybox_rootfs(), ref="busybox", changes=['CMD ["sh"]', "ENV A=b"], message="from the host"
    )
    assert image.repo_tags == ("busybox:latest",)
    assert image.process["Cmd"] == ["sh"]
    assert bench.images.history(image)[0]["Comment"] == "from the host"
    assert bench.images.inspect(image)["Config"]["Env"] == ["A=b"]
    assert (bench.images.layer_paths(image)[0] / "bin/sh").stat().st_nlink > 100
    with pytest.raises(InvalidParameter, match="must be lowercase"):
        bench.images.import_rootfs(busybox_rootfs(), ref="Busybox")
    assert next(name for kind, action, name in bench.events if (kind, action) == ("image", "import")).startswith(
        "sha256:"
    )


# crashes ---------------------------------------------------------------------------------------------------------------
def test_a_killed_engine_leaves_nothing_half_done(bench: Bench) -> None:
    image = make(bench)
    bench.stop()
    junk = bench.layout.ingest / "1234.layer" / "fs"
    junk.mkdir(parents=True)
    (bench.layout.ingest / "5678.tmp").write_bytes(b"x")
    partial = bench.layout.ingest / f"{'a' * 64}.partial"
    partial.write_bytes(b"x")
    (bench.layout.layers / ("f" * 24) / "fs").mkdir(parents=True)
    (bench.layout.blobs / ("b" * 64)).write_bytes(b"unused")
    bench.start()
    assert [path.name for path in bench.layout.ingest.iterdir()] == [partial.name]
    assert [path.name for path in bench.layout.layers.iterdir()] == [image.layers[0].chain_id[7:31]]
    assert [path.name for path in bench.layout.blobs.iterdir()] == [image.id[7:]]
    assert bench.images.resolve("app:1") == image
    partial.unlink()


def power_cut(bench: Bench, monkeypatch: pytest.MonkeyPatch, damage: Callable[[], None]) -> None:
    """Stop without a sync, let ``damage`` happen, and start in what looks like another boot."""
    marker = bench.layout.state / "unsynced"
    saved = marker.read_bytes()
    records = bench.store.all("layer")
    bench.stop()
    marker.write_bytes(saved)
    store = Store(bench.layout.database)
    for id, document in records.items():
        store.put("layer", id, document)
    store.close()
    damage()
    monkeypatch.setattr(durability, "boot_id", lambda: "another boot")
    monkeypatch.setattr(layers, "boot_id", lambda: "another boot")
    bench.start()
    assert not marker.exists() or bench.store.all("layer")


def test_after_a_power_cut_images_are_whole_or_absent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    safe, intact, damaged = make(bench, "safe"), make(bench, "intact"), make(bench, "damaged")
    child = bench.images.add({}, [*damaged.layers, bench.images.commit_layer(bench.tree(), damaged.layers)])

    def damage() -> None:
        (bench.images.layer_paths(damaged)[0] / "f").write_bytes(b"")

    power_cut(bench, monkeypatch, damage)
    assert {image.id for image in bench.images.list()} == {safe.id, intact.id}
    for gone in (damaged, child):
        with pytest.raises(NotFound):
            bench.images.resolve(gone.id)
    assert len(list(bench.layout.layers.iterdir())) == 2


def test_after_a_power_cut_pulled_layers_are_unpacked_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # A tar that the tree cannot give back, so its blob is kept.
    image = make(bench)
    saved = io.BytesIO()
    bench.images.save(["app:1"], saved)
    inner = archive(file("b", b"2"), file("a", b"1")).getvalue()
    diff_id = f"sha256:{hashlib.sha256(inner).hexdigest()}"
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["odd:1"], "Layers": ["l.tar"]}]).encode()
    stream = archive(file("c.json", config), file("l.tar", inner), file("manifest.json", manifest))
    (loaded,) = bench.images.load(stream)
    path = bench.images.layer_paths(loaded)[0]

    def damage() -> None:
        (path / "a").write_bytes(b"")
        (path / "b").unlink()

    power_cut(bench, monkeypatch, damage)
    assert (path / "a").read_bytes() == b"1" and (path / "b").read_bytes() == b"2"
    assert {item.id for item in bench.images.list()} == {image.id, loaded.id}


def test_a_damaged_blob_after_a_power_cut_takes_its_image(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make(bench)
    bench.stop()
    (bench.layout.blobs / image.id[7:]).write_bytes(b"")
    (bench.layout.state / "unsynced").write_text('{"boot": "earlier", "since": 0}')
    bench.start()
    assert bench.images.list() == []


def test_leftover_views_are_unmounted(bench: Bench) -> None:
    _, path = bench.layer(file("f"))
    view = contextlib.ExitStack()
    point = view.enter_context(bench.images.mounted([path]))
    bench.images.recover()
    assert not point.exists()
    with contextlib.suppress(OSError):
        view.close()


def test_failed_mounts_leave_nothing(bench: Bench) -> None:
    with pytest.raises(OSError), bench.images.mounted([Path("/nonexistent/layer")]):
        pass
    assert [path.name for path in bench.layout.mounts.iterdir()] == ["empty"]


def test_threads_make_the_same_layer_once(bench: Bench) -> None:
    results: list[Layer] = []
    errors: list[EngineError] = []

    def work() -> None:
        try:
            results.append(bench.images.apply_layer(archive(*(file(f"f{i}", b"x" * 1000) for i in range(50))), ()))
        except EngineError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(set(results)) == 1
    assert len(list(bench.layout.layers.iterdir())) == 1
