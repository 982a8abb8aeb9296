"""save and load: our own archives, old and new forms of docker's, hostile ones, and the other tools' when they are here."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from typing import TYPE_CHECKING, Any, cast

import pytest
from support.busybox_image import busybox_rootfs

from pycompose.engine.errors import EngineError, InvalidParameter
from pycompose.engine.images.service import Images
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pycompose.engine.images.types import Image

pytestmark = pytest.mark.root

DOCKER_SOCKET = os.environ.get("PYCOMPOSE_TEST_DOCKER_HOST", "")


class Bench:
    def __init__(self, root: Path) -> None:
        self.layout = Layout.for_root(root)
        self.store = Store(self.layout.database)
        self.images = Images(self.layout, self.store, lambda *event: None)
        self.images.recover()

    def close(self) -> None:
        self.images.close()
        self.store.close()
        assert list(self.layout.ingest.iterdir()) == []

    def saved(self, *refs: str, format: str = "docker-archive") -> bytes:
        out = io.BytesIO()
        self.images.save(refs, out, format=format)
        return out.getvalue()

    def export(self, image: Image) -> bytes:
        out = io.BytesIO()
        self.images.export(self.images.layer_paths(image), None, out)
        return out.getvalue()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "here")
    yield made
    made.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "there")
    yield made
    made.close()


def rich(bench: Bench, ref: str) -> Image:
    """Two layers with whiteouts, opaque directories, attributes, links and devices."""
    base = bench.images.import_rootfs(busybox_rootfs(), ref=ref.replace(":", ":base-"), changes=['CMD ["sh"]'])
    upper, work = bench.layout.state / "upper", bench.layout.state / "work"
    for path in (upper, work):
        path.mkdir()
        path.chmod(0o755)
    with bench.images.mounted(bench.images.layer_paths(base), upper, work) as view:
        (view / "bin/vi").unlink()
        shutil.rmtree(view / "etc")
        (view / "etc").mkdir()
        (view / "etc/new").write_text("x")
        os.link(view / "etc/new", view / "hard")
        os.symlink("etc/new", view / "soft")
        os.setxattr(view / "hard", "user.note", b"kept")
        os.mkfifo(view / "fifo")
        os.mknod(view / "null", 0o020666, os.makedev(1, 3))
        os.chown(view / "etc/new", 1000, 2_500_000)
        (view / ("long-" * 30)).write_text("long")
        (view / "ünicode").write_text("name")
    layer = bench.images.commit_layer(upper, base.layers)
    config = {**base.config, "history": [*cast("list[Any]", base.config["history"]), {"created_by": "RUN"}]}
    image = bench.images.add(config, [*base.layers, layer])
    bench.images.tag(image.id, ref)
    return bench.images.resolve(ref)


@pytest.mark.parametrize("format", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_there_and_back(here: Bench, there: Bench, format: str, pack: Any) -> None:
    image = rich(here, "app:1")
    messages: list[dict[str, Any]] = []
    data = here.saved("app", format=format)
    loaded = there.images.load(io.BytesIO(pack(data)), messages.append)
    assert [item.repo_tags for item in loaded] == [("app:1",), ("app:base-1",)] or len(loaded) == 2
    copy = there.images.resolve("app:1")
    assert (copy.id, copy.layers) == (image.id, image.layers)
    assert there.export(copy) == here.export(image)
    assert {"stream": "Loaded image: app:1\n"} in messages
    assert there.saved("app", format=format) == data
    # Known layers are not unpacked again.
    messages.clear()
    there.images.load(io.BytesIO(data), messages.append)
    assert {"status": "Already exists", "id": image.layers[0].diff_id[7:19]} in messages


def test_saving_by_id_has_no_names(here: Bench, there: Bench) -> None:
    image = rich(here, "app:1")
    messages: list[dict[str, Any]] = []
    (loaded,) = there.images.load(io.BytesIO(here.saved(image.id)), messages.append)
    assert loaded.repo_tags == () and messages[-1] == {"stream": f"Loaded image ID: {image.id}\n"}
    with pytest.raises(EngineError, match="No such image: nothing"):
        here.saved("nothing")
    with pytest.raises(InvalidParameter, match="unknown image archive format"):
        here.saved("app:1", format="zip")


def tar(*members: tuple[str, bytes | str]) -> bytes:
    """Files, or (with text) symbolic links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_the_form_of_old_docker(there: Bench) -> None:
    # The manifest last, directories named by ids, an equal layer as a link; order and headers not ours.
    layer = tar(("z", b"1"), ("a", b"2"))
    config = json.dumps({"config": {"Cmd": ["x"]}, "rootfs": {"diff_ids": [digest(layer), digest(layer)]}}).encode()
    manifest = [{"Config": "cfg.json", "RepoTags": ["old:1", "old:2"], "Layers": ["aa/layer.tar", "bb/layer.tar"]}]
    data = tar(
        ("bb/layer.tar", "../aa/layer.tar"),
        ("cfg.json", config),
        ("repositories", b"{}"),
        ("aa/layer.tar", layer),
        ("manifest.json", json.dumps(manifest).encode()),
    )
    (image,) = there.images.load(io.BytesIO(data))
    assert image.id == digest(config) and image.repo_tags == ("old:1", "old:2")
    # Its layers can be given back exactly, though they are not in canonical form.
    with tarfile.open(fileobj=io.BytesIO(there.saved("old:1"))) as archive:
        saved = archive.extractfile(f"blobs/sha256/{digest(layer)[7:]}")
        assert saved is not None and saved.read() == layer


def archive_of(manifest: Any, **files: bytes) -> bytes:
    return tar(*files.items(), ("manifest.json", json.dumps(manifest).encode()))


LAYER = tar(("f", b"x"))
PINNED = "sha256:" + "0" * 64
CONFIG = json.dumps({"rootfs": {"diff_ids": [digest(LAYER)]}}).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither manifest.json nor index.json"),
        (tar(("f", b"x")), "neither manifest.json nor index.json"),
        (b"junk" * 500, "invalid tar header"),
        (archive_of({"Config": "c"}), "manifest.json is not a list"),
        (archive_of([1]), "malformed manifest.json"),
        (archive_of([{"Config": "c", "Layers": [1]}]), "malformed manifest.json"),
        (archive_of([{"Config": "../../etc/passwd", "Layers": []}]), "it has no file"),
        (archive_of([{"Config": "/etc/passwd", "Layers": []}]), "it has no file"),
        (archive_of([{"Config": "c", "Layers": ["l"]}], c=b"{}", l=LAYER), "no valid rootfs.diff_ids"),
        (archive_of([{"Config": "c", "Layers": ["l", "l"]}], c=CONFIG, l=LAYER), "2 layers, but 1 diff IDs"),
        (
            archive_of([{"Config": "c", "Layers": ["l"]}], c=CONFIG, l=tar(("g", b"y"))),
            "layer does not match its digest",
        ),
        (archive_of([{"Config": "c", "Layers": ["l"], "RepoTags": ["UPPER"]}], c=CONFIG, l=LAYER), "must be lowercase"),
        (
            archive_of([{"Config": "c", "Layers": ["l"], "RepoTags": [f"app@{PINNED}"]}], c=CONFIG, l=LAYER),
            "digest reference",
        ),
        (
            archive_of([{"Config": "c", "Layers": ["l"], "RepoTags": [f"app:1@{PINNED}"]}], c=CONFIG, l=LAYER),
            "digest reference",
        ),
        (archive_of([{"Config": "c", "Layers": ["l"], "RepoTags": [PINNED]}], c=CONFIG, l=LAYER), "ambiguous tag"),
        (tar(("index.json", b"{}")), "no manifests"),
        (tar(("index.json", b'{"manifests":[{"digest":"sha256:x","size":1}]}')), "invalid digest"),
        (tar(("manifest.json", b"[" * 100_000)), "manifest.json is not JSON"),
        (tar(("a", "b"), ("b", "a"), ("manifest.json", "a")), "neither manifest.json"),
    ],
)
def test_hostile_archives(there: Bench, data: bytes, message: str) -> None:
    with pytest.raises(EngineError) as caught:
        there.images.load(io.BytesIO(data))
    assert message in str(caught.value)
    assert there.images.list() == []


def test_a_blob_that_is_not_its_digest(here: Bench, there: Bench) -> None:
    rich(here, "app:1")
    data = here.saved("app:1", format="oci-archive")
    image = here.images.resolve("app:1")
    config = (here.layout.blobs / image.id[7:]).read_bytes()
    with pytest.raises(EngineError, match="does not match its digest"):
        there.images.load(io.BytesIO(data.replace(config, config.replace(b'"sh"', b'"rm"'))))


def test_a_layout_gives_no_name_with_a_digest(here: Bench, there: Bench) -> None:
    """Who runs an image by its digest gets that content, whatever an archive calls its own."""
    rich(here, "app:1")
    whole = here.saved("app:1", format="oci-archive")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        for member in archive:
            if member.isreg():
                content = archive.extractfile(member)
                assert content is not None
                files[member.name] = content.read()
    index = json.loads(files["index.json"])
    for name in ("io.containerd.image.name", "org.opencontainers.image.ref.name"):
        index["manifests"][0]["annotations"] = {name: f"docker.io/library/app@{PINNED}"}
        files["index.json"] = json.dumps(index).encode()
        files.pop("manifest.json", None)
        (image,) = there.images.load(io.BytesIO(tar(*files.items())))
        assert image.repo_tags == image.repo_digests == ()
        with pytest.raises(EngineError, match="No such image"):
            there.images.resolve(f"app@{PINNED}")


# the other tools -------------------------------------------------------------------------------------------------------
def tool(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def run(*command: str, **options: Any) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


@pytest.mark.peer
@tool("skopeo")
def test_skopeo(here: Bench, there: Bench, tmp_path: Path) -> None:
    image = rich(here, "app:1")
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    for format in ("docker-archive", "oci-archive"):
        ours.write_bytes(here.saved("app:1", format=format))
        source = f"{format}:{ours}" + (":app:1" if format == "docker-archive" else "")
        for target in (
            f"oci-archive:{theirs}:registry.example/copy:1",
            f"docker-archive:{theirs}:registry.example/copy:1",
        ):
            theirs.unlink(missing_ok=True)
            run("skopeo", "copy", "-q", "--insecure-policy", source, target)
            (loaded,) = there.images.load(io.BytesIO(theirs.read_bytes()))
            assert loaded.repo_tags == ("registry.example/copy:1",)
            assert [layer.diff_id for layer in loaded.layers] == [layer.diff_id for layer in image.layers]
            assert there.export(loaded) == here.export(image)


@pytest.mark.peer
@tool("podman")
def test_podman(here: Bench, there: Bench, tmp_path: Path) -> None:
    rich(here, "pycompose-test/app:1")
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    ours.write_bytes(here.saved("pycompose-test/app:1"))
    runroot = tempfile.mkdtemp(prefix="podman-", dir="/tmp")
    podman = [
        "podman",
        "--root",
        str(tmp_path / "podman"),
        "--runroot",
        runroot,  # podman takes no name of more than 50 characters
        "--storage-driver",
        "vfs",
    ]
    try:
        run(*podman, "load", "-i", str(ours))
        for format in ("docker-archive", "oci-archive"):
            theirs.unlink(missing_ok=True)
            run(*podman, "save", "--format", format, "-o", str(theirs), "docker.io/pycompose-test/app:1")
            (loaded,) = there.images.load(io.BytesIO(theirs.read_bytes()))
            assert there.export(loaded) == here.export(here.images.resolve("pycompose-test/app:1"))
    finally:
        run(*podman, "rmi", "-a", "-f")
        shutil.rmtree(runroot)


@pytest.mark.peer
@pytest.mark.skipif(not DOCKER_SOCKET, reason="PYCOMPOSE_TEST_DOCKER_HOST names no dockerd")
def test_docker(here: Bench, there: Bench, tmp_path: Path) -> None:
    image = rich(here, "pycompose-test/app:1")
    ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
    ours.write_bytes(here.saved("pycompose-test/app:1"))
    docker = ["docker", "-H", DOCKER_SOCKET]
    try:
        assert "Loaded image: pycompose-test/app:1" in run(*docker, "load", "-i", str(ours))
        script = "busybox cat /etc/new; busybox ls /bin/vi 2>&1; busybox stat -c %u:%g /etc/new; busybox ls -la /null"
        shown = run(*docker, "run", "--rm", "--network=none", "pycompose-test/app:1", "sh", "-c", script)
        assert "x" in shown and "/bin/vi: No such file" in shown and "1000:2500000" in shown and "1,   3" in shown
        run(*docker, "save", "-o", str(theirs), "pycompose-test/app:1")
        (loaded,) = there.images.load(io.BytesIO(theirs.read_bytes()))
        assert loaded.id == image.id and there.export(loaded) == here.export(image)
    finally:
        run(*docker, "rmi", "-f", "pycompose-test/app:1")
