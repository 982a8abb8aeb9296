"""An engine killed in the middle of a pull, a load or an import: what is there afterwards is whole, the rest is absent."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.archives import tar
from support.engine_root import wait_for
from support.fake_registry import Handler, Registry, digest_of, fake_registry

from pycompose.engine.images.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from pycompose.engine.images.service import Images
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.root

WORK = """
import sys
from pycompose.engine.images.service import Images
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

layout = Layout.for_root(sys.argv[1])
images = Images(layout, Store(layout.database), lambda *event: None)
images.recover()
print("ready", flush=True)
if sys.argv[2] == "pull":
    images.pull(sys.argv[3])
elif sys.argv[2] == "load":
    images.load(open(sys.argv[3], "rb"))
else:
    images.import_rootfs(open(sys.argv[3], "rb"), ref="imported")
images.close()
"""


def content(seed: int) -> dict[str, bytes]:
    source = random.Random(seed)
    return {f"d{i % 7}/f{i}": source.randbytes(source.randrange(6000)) for i in range(400)}


LAYERS = [tar(content(seed)) for seed in range(3)]
CONFIG = json.dumps(
    {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [digest_of(data) for data in LAYERS]},
    }
).encode()


def publish(server: Registry) -> None:
    packed = [gzip.compress(data, 1) for data in LAYERS]
    value: dict[str, Any] = {
        "schemaVersion": 2,
        "config": {"mediaType": OCI_CONFIG, "digest": server.add_blob("app", CONFIG), "size": len(CONFIG)},
        "layers": [
            {"mediaType": f"{OCI_LAYER}+gzip", "digest": server.add_blob("app", data), "size": len(data)}
            for data in packed
        ],
    }
    server.add_manifest("app", "1", value, OCI_MANIFEST)


@dataclass
class Sent:
    """Pieces of blobs that were sent, whoever has read them."""

    value: int = 0


sent = Sent()


def slowly(handler: Handler) -> bool:
    """A blob in small pieces, so that a kill finds it half there; a resumed request gets the rest."""
    digest = handler.path.rpartition("/")[2]
    data = handler.registry.blobs["app"].get(digest, b"")
    start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    if start >= len(data):
        return False
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(data) - start))
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    handler.end_headers()
    for position in range(start, len(data), 65536):
        try:
            handler.wfile.write(data[position : position + 65536])
        except OSError:
            break
        sent.value += 1
        time.sleep(0.02)
    return True


def worked(root: Path, arguments: tuple[str, ...], patience: Callable[[subprocess.Popen[bytes]], None]) -> int:
    """Run the work, and kill it when ``patience``, called once it has begun, returns; its exit code."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    line = [sys.executable, "-c", WORK, str(root), *arguments]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"  # an interpreter's start takes seconds on a busy machine
        patience(process)
        process.kill()
        return process.wait()


def for_seconds(seconds: float) -> Callable[[subprocess.Popen[bytes]], None]:
    def wait(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)

    return wait


def check(root: Path) -> list[str]:
    """Recover, and prove that every image that is there is whole; returns the ids."""
    layout = Layout.for_root(root)
    store = Store(layout.database)
    images = Images(layout, store, lambda *event: None)
    images.recover()
    found = images.list()
    for image in found:
        out = io.BytesIO()
        images.save([image.id], out)
        with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
            for layer in image.layers:
                member = archive.extractfile(f"blobs/sha256/{layer.diff_id[7:]}")
                assert member is not None
                assert f"sha256:{hashlib.sha256(member.read()).hexdigest()}" == layer.diff_id
        for layer, data in zip(image.layers, LAYERS, strict=False):
            if layer.diff_id == digest_of(data):
                with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                    for item in archive.getmembers():
                        file = archive.extractfile(item)
                        assert file is not None
                        assert (images.layer_path(layer) / item.name).read_bytes() == file.read()
    leftovers = [path.name for path in layout.ingest.iterdir() if not path.name.endswith(".partial")]
    assert leftovers == []
    directories = {path.name for path in layout.layers.iterdir()}
    assert directories == {layout.layer(id).name for id in store.all("layer")}
    images.close()
    store.close()
    return [image.id for image in found]


def until_done(
    root: Path, arguments: tuple[str, ...], patience: Callable[[int], Callable[[subprocess.Popen[bytes]], None]]
) -> int:
    """Work that is killed again and again, the n-th time by ``patience(n)``, until it has come to its end; the kills."""
    for kills in range(60):
        code = worked(root, arguments, patience(kills))
        check(root)
        if code == 0:
            return kills
        assert code == -signal.SIGKILL
    raise AssertionError("it never came to an end")


def test_killed_pulls_go_on_and_end_identical(tmp_path: Path) -> None:
    source = random.Random(7)
    with fake_registry() as server:
        publish(server)
        server.fault("GET", "/blobs/", slowly)

        def pieces(number: int) -> Callable[[subprocess.Popen[bytes]], None]:
            """Until so many have been sent, later more of them."""
            wanted = source.randrange(3, 12) + number * 3

            def wait(process: subprocess.Popen[bytes]) -> None:
                before = sent.value
                wait_for(lambda: sent.value - before >= wanted or process.poll() is not None, lambda: sent.value, 60)

            return wait

        kills = until_done(tmp_path, ("pull", f"{server.address}/app:1"), pieces)
        assert check(tmp_path) == [digest_of(CONFIG)]
        assert kills >= 1
        resumed = [request for request in server.requests if "bytes=" in request]
        assert resumed or kills < 3


@pytest.mark.parametrize("verb", ["load", "import"])
def test_killed_loads_leave_nothing_half_done(tmp_path: Path, verb: str) -> None:
    archive = tmp_path / "archive.tar"
    if verb == "load":
        manifest = [{"Config": "config", "RepoTags": ["app:1"], "Layers": ["0", "1", "2"]}]
        members = {"config": CONFIG, **{str(i): data for i, data in enumerate(LAYERS)}}
        archive.write_bytes(tar({**members, "manifest.json": json.dumps(manifest).encode()}))
    else:
        archive.write_bytes(gzip.compress(LAYERS[0], 1))
    took = 0.0

    def watch(process: subprocess.Popen[bytes]) -> None:
        nonlocal took
        began = time.monotonic()
        process.wait(60)
        took = time.monotonic() - began

    assert worked(tmp_path / "whole", (verb, str(archive)), watch) == 0
    root = tmp_path / "root"
    until_done(root, (verb, str(archive)), lambda n: for_seconds(took * n / 8))
    # Two imports of one tree are two images, as they differ in their time; one that was killed late had succeeded.
    assert len(check(root)) == 1 or (verb == "import" and check(root))
