"""A registry that answers with wrong types at every place: one clear error each, never an exception of ours, nothing kept."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_registry import Handler, Registry, digest_of, fake_registry
from support.hostile import variants
from support.image_store import image_store

from pycompose.engine.api.http import encode
from pycompose.engine.containers.spec import merge, validate
from pycompose.engine.containers.spec.fields import CONFIG as CONFIG_FIELDS
from pycompose.engine.errors import EngineError
from pycompose.engine.images import shapes
from pycompose.engine.images.manifest import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    diff_ids,
    document,
    kind,
    manifest,
    select,
)
from pycompose.engine.images.registry.transfer import Downloads
from pycompose.engine.images.transport import Transport
from pycompose.engine.images.types import Image, Platform
from pycompose.engine.layout import Layout
from pycompose.engine.shapes import normalize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pycompose.engine.images.service import Images

pytestmark = pytest.mark.root


@pytest.fixture
def server() -> Iterator[Registry]:
    with fake_registry() as made:
        yield made


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Images]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(Transport.__init__.__kwdefaults__ or {}, "sleep", lambda seconds: None)
    monkeypatch.setattr(Downloads.__init__, "__defaults__", (lambda seconds: None,))
    with image_store(tmp_path / "engine") as made:
        yield made
    assert list(Layout.for_root(tmp_path / "engine").ingest.iterdir()) == []


def layer() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("f"), io.BytesIO())
    return out.getvalue()


TAR = layer()
CONFIG: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2020-01-01T00:00:00Z",
    "config": {
        "Env": ["A=b"],
        "Cmd": ["a"],
        "Labels": {"a": "b"},
        "Volumes": {"/v": {}},
        "User": "0",
        "WorkingDir": "/",
    },
    "rootfs": {"type": "layers", "diff_ids": [digest_of(TAR)]},
    "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "x", "empty_layer": False}],
}


def publish(server: Registry, config: Any) -> None:
    text, packed = json.dumps(config).encode(), gzip.compress(TAR)
    made: Any = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": server.add_blob("app", text), "size": len(text)},
        "layers": [{"mediaType": f"{OCI_LAYER}+gzip", "digest": server.add_blob("app", packed), "size": len(packed)}],
    }
    server.add_manifest("app", "1", made, OCI_MANIFEST)


def test_configurations() -> None:
    """Pure: what passes the check must be usable wherever an image's configuration is read."""
    images: list[Image] = []

    def newest(reference: str) -> Image:
        return images[-1]

    for changed, label in variants(CONFIG):
        try:
            tree = document(json.dumps(changed).encode(), "the configuration")
            diff_ids(tree, 1, "the configuration")
        except EngineError:
            continue
        image = Image("sha256:" + "0" * 64, tree, (), ("app:1",), created=tree.get("created") or "")
        images.append(image)
        for row in (shapes.inspect(image, (), 0.0), shapes.summary(image), *shapes.history(image)):
            assert encode(row), label
        shapes.selected([image], {"label": ["a=b"], "until": ["1h"]}, newest)
        try:
            validate.config(merge.with_image(normalize(CONFIG_FIELDS, {"Cmd": ["x"]}, ""), image.process))
        except EngineError as error:
            assert str(error), label


def test_manifests_and_indexes() -> None:
    one = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "0" * 64, "size": 5}
    whole = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {**one, "mediaType": OCI_CONFIG},
        "layers": [{**one, "mediaType": f"{OCI_LAYER}+gzip"}],
        "manifests": [{**one, "platform": {"os": "linux", "architecture": "amd64", "variant": "v1"}}],
    }
    for changed, _ in variants(whole):
        try:
            tree = document(json.dumps(changed).encode(), "the answer")
            select(tree, Platform.host(), "the index")
        except EngineError as error:
            assert str(error)
        try:
            tree = document(json.dumps(changed).encode(), "the answer")
            manifest(tree, kind(tree), "the manifest")
        except EngineError as error:
            assert str(error)


ADDRESSES = ("http://[", "http://[::1", "http://a:b/", "http://:0", "file:///etc/passwd")


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses(images: Images, server: Registry, address: str) -> None:
    """Where tokens are to be had, where a redirect leads, where the next page is: all named by the registry."""

    def elsewhere(handler: Handler) -> bool:
        return handler.reply(307, Location=address.encode("utf-8").decode("latin-1"))

    def challenge(handler: Handler) -> bool:
        realm = f'Bearer realm="{address}",service="x"'.encode().decode("latin-1")
        return handler.error(401, "UNAUTHORIZED", "x", WWW_Authenticate=realm)

    publish(server, CONFIG)
    for answer in (elsewhere, challenge):
        server.faults.clear()
        server.fault("GET", "manifests", answer)
        with pytest.raises(EngineError):
            images.pull(f"{server.address}/app:1")
    server.faults.clear()
    server.fault(
        "GET",
        "tags/list",
        lambda handler: handler.reply(
            200, b'{"tags":["1"]}', Link=f'<{address.encode().decode("latin-1")}>; rel="next"'
        ),
    )
    with pytest.raises(EngineError):
        images.pull(f"{server.address}/app", all_tags=True)


def answered(body: bytes, handler: Handler) -> bool:
    return handler.reply(200, body)


def test_tokens(images: Images, server: Registry) -> None:
    publish(server, CONFIG)
    server.token = "right"
    wrong: list[Any] = [None, 1, [], "\x01"]
    tokens: tuple[Any, ...] = (
        None,
        [],
        1,
        *({"token": value} for value in wrong),
        *({"token": "x", "expires_in": value} for value in (10**400, 1e308, "x", -5)),
    )
    for token in tokens:
        server.faults.clear()
        server.fault("GET", "/token", partial(answered, json.dumps(token).encode()))
        with pytest.raises(EngineError):
            images.pull(f"{server.address}/app:1")
