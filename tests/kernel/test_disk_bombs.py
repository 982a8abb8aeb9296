"""What a stranger sends without end: it is refused while the disk has room for everybody else, and nothing of it stays."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_registry import Handler, Registry, fake_registry
from support.image_store import image_store

from pycompose.engine.images.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from pycompose.engine.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pycompose.engine.images.service import Images

pytestmark = pytest.mark.root

MIB = 1 << 20
DISK = 256 * MIB
RESERVE = DISK // 64


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def images(disk: Path) -> Iterator[Images]:
    with image_store(disk / "engine") as made:
        yield made
    ingest = Layout.for_root(disk / "engine").ingest
    assert sum(path.stat().st_size for path in ingest.iterdir()) == 0


class Watched(io.BytesIO):
    """A stream, and the least room that there was on the disk while it was read."""

    def __init__(self, data: bytes, disk: Path) -> None:
        super().__init__(data)
        self._disk = disk
        self.least = DISK

    def read(self, size: int | None = -1, /) -> bytes:
        self.least = min(self.least, room(self._disk))
        return super().read(min(size or MIB, 4096))


def room(place: Path) -> int:
    space = os.statvfs(place)
    return space.f_bavail * space.f_frsize


def archive(*sizes: int) -> bytes:
    """An archive of files of zeros, compressed."""
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=1) as packed:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"blobs/sha256/{number}")
            member.size = size
            packed.write(member.tobuf())
            for _ in range(size // MIB):
                packed.write(bytes(MIB))
        packed.write(bytes(1024))
    return made.getvalue()


def test_a_loaded_archive_leaves_room(disk: Path, images: Images) -> None:
    stream = Watched(archive(*(2 * MIB,) * 200), disk)
    with pytest.raises(OSError, match="No space left"):
        images.load(stream)
    # A look is due after as much as is to be left.
    assert stream.least > RESERVE // 2
    assert room(disk) > DISK * 3 // 4


def test_a_layer_larger_than_the_disk_is_not_begun(disk: Path, images: Images) -> None:
    """A registry says that a layer is a petabyte, and sends without end."""
    config: dict[str, Any] = {
        "os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
    }  # fmt: skip
    sent: list[int] = []

    def endless(request: Handler) -> bool:
        request.send_response(200)
        request.send_header("Content-Length", str(1 << 50))
        request.end_headers()
        try:
            while len(sent) < DISK // MIB:
                request.wfile.write(bytes(MIB))
                sent.append(MIB)
        except OSError:
            pass
        return True

    with fake_registry() as server:
        publish(server, config)
        server.fault("GET", "sha256:" + "2" * 64, endless)
        with pytest.raises(OSError, match="No space left"):
            images.pull(f"{server.address}/app:1")
    assert sent == []
    assert room(disk) > DISK * 3 // 4


def publish(server: Registry, config: dict[str, Any]) -> None:
    text = json.dumps(config).encode()
    made = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": server.add_blob("app", text), "size": len(text)},
        "layers": [{"mediaType": f"{OCI_LAYER}+gzip", "digest": "sha256:" + "2" * 64, "size": 1 << 50}],
    }
    server.add_manifest("app", "1", made, OCI_MANIFEST)
