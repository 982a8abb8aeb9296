"""Pull and push against a registry that may lie, cut, limit and refuse; and against the real docker-registry."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from support.archives import tar
from support.busybox_image import busybox_rootfs
from support.fake_registry import Handler, Registry, cut_after, digest_of, fake_registry, receive_only
from support.registry import available, certificate, registry
from support.throttle import relay

from pycompose.compose.errors import OperationError
from pycompose.compose.remote import registry as remote
from pycompose.engine.errors import EngineError, InvalidParameter, NotFound, Unauthorized, Unavailable
from pycompose.engine.images.abort import Abort
from pycompose.engine.images.blobs import DigestMismatch
from pycompose.engine.images.manifest import DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from pycompose.engine.images.registry import credentials
from pycompose.engine.images.registry.endpoints import RegistryConfig
from pycompose.engine.images.registry.transfer import Downloads
from pycompose.engine.images.service import Images
from pycompose.engine.images.transport import Transport
from pycompose.engine.images.types import Auth, Platform
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


class Bench:
    def __init__(self, root: Path, config: RegistryConfig | None = None) -> None:
        self.layout = Layout.for_root(root)
        self.store = Store(self.layout.database)
        self.images = Images(self.layout, self.store, lambda *event: None, registries=config)
        self.images.recover()
        self.messages: list[dict[str, Any]] = []

    def pull(self, ref: str, **options: Any) -> Any:
        self.messages = []
        return self.images.pull(ref, progress=self.messages.append, **options)

    def statuses(self) -> list[str]:
        return [message.get("status", "") for message in self.messages]

    def close(self) -> None:
        self.images.close()
        self.store.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Bench]:
    if "quick" in request.fixturenames:
        request.getfixturevalue("quick")  # before the store takes its clock
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    made = Bench(tmp_path / "engine")
    yield made
    made.close()
    leftover = [path.name for path in made.layout.ingest.iterdir() if not path.name.endswith(".partial")]
    assert leftover == []


@pytest.fixture
def server() -> Iterator[Registry]:
    with fake_registry() as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No waiting between attempts; what would have been waited is listed."""
    waits: list[float] = []
    monkeypatch.setitem(Transport.__init__.__kwdefaults__ or {}, "sleep", waits.append)
    monkeypatch.setattr(Downloads.__init__, "__defaults__", (waits.append,))
    return waits


def publish(
    server: Registry,
    repository: str = "app",
    tag: str = "1",
    layers: list[bytes] | None = None,
    pack: Callable[[bytes], bytes] = gzip.compress,
    kind: str = "+gzip",
) -> dict[str, Any]:
    """Put an image into the registry; returns its manifest."""
    tars = layers or [tar({"f": os.urandom(300_000)}), tar({"g": b"x" * 10_000})]
    packed = [pack(data) for data in tars]
    config = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Cmd": ["x"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(data) for data in tars]},
        }
    ).encode()
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": server.add_blob(repository, config), "size": len(config)},
        "layers": [
            {"mediaType": OCI_LAYER + kind, "digest": server.add_blob(repository, data), "size": len(data)}
            for data in packed
        ],
    }
    server.add_manifest(repository, tag, value, OCI_MANIFEST)
    return value


def test_pull(bench: Bench, server: Registry) -> None:
    value = publish(server)
    image = bench.pull(f"{server.address}/app:1")
    assert image.id == value["config"]["digest"]
    assert image.repo_tags == (f"{server.address}/app:1",)
    digest = digest_of(json.dumps(value).encode())
    assert image.repo_digests == (f"{server.address}/app@{digest}",)
    assert bench.statuses()[0] == "Pulling from app"
    assert bench.statuses()[-2:] == [
        f"Digest: {digest}",
        f"Status: Downloaded newer image for {server.address}/app:1",
    ]
    assert bench.statuses().count("Pull complete") == 2
    before = server.count("/blobs/")
    bench.pull(f"{server.address}/app:1")
    assert server.count("/blobs/") == before
    assert bench.statuses()[-1] == f"Status: Image is up to date for {server.address}/app:1"
    assert bench.pull(f"{server.address}/app@{digest}").id == image.id
    bench.images.remove(image.id, force=True, in_use=lambda id: [])
    assert list(bench.layout.blobs.iterdir()) == [] and list(bench.layout.layers.iterdir()) == []


@pytest.mark.parametrize(("kind", "pack"), [("+zstd", zstandard.ZstdCompressor().compress), ("", bytes)])
def test_other_compressions(bench: Bench, server: Registry, kind: str, pack: Callable[[bytes], bytes]) -> None:
    publish(server, pack=pack, kind=kind)
    image = bench.pull(f"{server.address}/app:1")
    assert (bench.images.layer_paths(image)[0] / "g").read_bytes() == b"x" * 10_000
    # Pushed on as it came, so under the same digest.
    bench.images.tag(image.id, f"{server.address}/copy:1")
    assert f"app@{bench.images.push(f'{server.address}/copy:1')}" in image.repo_digests[0]


def test_platforms_of_an_index(bench: Bench, server: Registry) -> None:
    entries = []
    ids = {}
    for architecture in ("s390x", "amd64", "arm64"):
        value = publish(server, tag=architecture, layers=[tar({architecture: b"x"})])
        data = json.dumps(value).encode()
        ids[architecture] = value["config"]["digest"]
        entries.append(
            {
                "mediaType": OCI_MANIFEST,
                "digest": digest_of(data),
                "size": len(data),
                "platform": {"os": "linux", "architecture": architecture},
            }
        )
    digest = server.add_manifest("app", "multi", {"schemaVersion": 2, "manifests": entries}, OCI_INDEX)
    image = bench.pull(f"{server.address}/app:multi", platform=Platform("linux", "arm64"))
    assert image.id == ids["arm64"] and image.repo_digests == (f"{server.address}/app@{digest}",)
    with pytest.raises(NotFound, match="no matching manifest for linux/riscv64"):
        bench.pull(f"{server.address}/app:multi", platform=Platform("linux", "riscv64"))
    assert bench.images.pull(f"{server.address}/app", all_tags=True).repo_tags


# liars -----------------------------------------------------------------------------------------------------------------
def first_layer(server: Registry, value: dict[str, Any]) -> str:
    return str(value["layers"][0]["digest"])


def test_wrong_content_is_refused(bench: Bench, server: Registry, quick: list[float]) -> None:
    value = publish(server)
    digest = first_layer(server, value)
    server.blobs["app"][digest] = bytes(len(server.blobs["app"][digest]))
    with pytest.raises(DigestMismatch, match=f"content does not match its digest: expected {digest}"):
        bench.pull(f"{server.address}/app:1")
    assert bench.images.list() == [] and list(bench.layout.layers.iterdir()) == []


def test_too_much_content_is_refused(bench: Bench, server: Registry, quick: list[float]) -> None:
    value = publish(server)
    digest = first_layer(server, value)
    server.blobs["app"][digest] += b"more"
    with pytest.raises(DigestMismatch, match="sends more than"):
        bench.pull(f"{server.address}/app:1")


def test_too_little_content_ends(bench: Bench, server: Registry, quick: list[float]) -> None:
    value = publish(server)
    digest = first_layer(server, value)
    server.blobs["app"][digest] = server.blobs["app"][digest][:-1]
    with pytest.raises((Unavailable, DigestMismatch)):
        bench.pull(f"{server.address}/app:1")
    assert bench.images.list() == []


def test_wrong_manifest_is_refused(bench: Bench, server: Registry) -> None:
    publish(server)
    server.fault("GET", "/manifests/1", lambda h: h.reply(200, b"{}", Docker_Content_Digest="sha256:" + "0" * 64))
    with pytest.raises(DigestMismatch, match=r"manifest for .* does not match its digest"):
        bench.pull(f"{server.address}/app:1")


def test_a_layer_that_is_not_what_the_configuration_says(bench: Bench, server: Registry) -> None:
    value = publish(server)
    other = gzip.compress(tar({"evil": b"x"}))
    value["layers"][1] = {"mediaType": OCI_LAYER + "+gzip", "digest": server.add_blob("app", other), "size": len(other)}
    server.add_manifest("app", "1", value, OCI_MANIFEST)
    with pytest.raises(DigestMismatch, match="layer does not match its digest"):
        bench.pull(f"{server.address}/app:1")
    assert bench.images.list() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"schemaVersion":2}', b'{"schemaVersion":1}', b"x" * (5 << 20)])
def test_nonsense_manifests(bench: Bench, server: Registry, body: bytes) -> None:
    server.add_manifest("app", "1", body, OCI_MANIFEST)
    with pytest.raises(EngineError) as caught:
        bench.pull(f"{server.address}/app:1")
    assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 300


# bad lines -------------------------------------------------------------------------------------------------------------
def test_cut_connections_resume(bench: Bench, server: Registry, quick: list[float]) -> None:
    value = publish(server)
    digest = first_layer(server, value)
    server.fault("GET", digest, cut_after(70_000, times=3))
    image = bench.pull(f"{server.address}/app:1")
    ranges = [request for request in server.requests if digest in request]
    assert len(ranges) == 4 and "bytes=70000-" in ranges[1] and "bytes=210000-" in ranges[3]
    assert image.id == value["config"]["digest"]


def test_an_interrupted_pull_goes_on_later(bench: Bench, server: Registry, quick: list[float]) -> None:
    value = publish(server)
    digest = first_layer(server, value)
    server.fault("GET", digest, cut_after(60_000, times=1))
    refuse = [True]

    def refusing(handler: Handler) -> bool:
        return refuse[0] and bool(handler.headers.get("Range")) and handler.error(404, "BLOB_UNKNOWN", "gone")

    server.fault("GET", digest, refusing)
    with pytest.raises(NotFound):
        bench.pull(f"{server.address}/app:1")
    partial = bench.layout.ingest / f"{digest[7:]}.partial"
    assert partial.stat().st_size == 60_000
    bench.images.recover()
    refuse[0] = False
    server.requests.clear()
    bench.pull(f"{server.address}/app:1")
    assert [request for request in server.requests if digest in request] == [f"GET /v2/app/blobs/{digest} bytes=60000-"]
    assert not partial.exists()


def test_a_damaged_partial_download_starts_anew(bench: Bench, server: Registry) -> None:
    value = publish(server)
    digest = first_layer(server, value)
    (bench.layout.ingest / f"{digest[7:]}.partial").write_bytes(b"junk" * 100)
    assert bench.pull(f"{server.address}/app:1").id == value["config"]["digest"]


def test_a_server_without_ranges(bench: Bench, server: Registry, quick: list[float]) -> None:
    value = publish(server)
    digest = first_layer(server, value)
    server.fault("GET", digest, cut_after(50_000))
    server.fault("GET", digest, lambda h: h.reply(200, h.registry.blobs["app"][digest]))
    assert bench.pull(f"{server.address}/app:1").id == value["config"]["digest"]


def test_rate_limits_are_waited_for(bench: Bench, server: Registry, quick: list[float]) -> None:
    publish(server)
    left = [2]

    def limited(handler: Handler) -> bool:
        left[0] -= 1
        return left[0] >= 0 and handler.error(429, "TOOMANYREQUESTS", "slow down", Retry_After="7")

    server.fault("GET", "/manifests/1", limited)
    bench.pull(f"{server.address}/app:1")
    assert quick[:2] == [7.0, 7.0]
    assert bench.statuses()[:2] == ["127.0.0.1 asks to wait: trying again in 7 s"] * 2
    left[0] = 99
    with pytest.raises(Unavailable, match="toomanyrequests: slow down"):
        bench.pull(f"{server.address}/app:1")


@pytest.mark.parametrize("after", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_limit_of_hours_is_told_at_once(bench: Bench, server: Registry, quick: list[float], after: str) -> None:
    publish(server)
    limit = {"Retry_After": after}
    server.fault(
        "GET",
        "/manifests/1",
        lambda h: h.error(429, "TOOMANYREQUESTS", "You have reached your pull rate limit.", **limit),
    )
    with pytest.raises(Unavailable, match="toomanyrequests: You have reached your pull rate limit"):
        bench.pull(f"{server.address}/app:1")
    assert quick == [] and server.count("/manifests/1") == 1


def test_server_errors_are_retried(bench: Bench, server: Registry, quick: list[float]) -> None:
    publish(server)
    left = [3]

    def failing(handler: Handler) -> bool:
        left[0] -= 1
        return left[0] >= 0 and handler.reply(503)

    server.fault("GET", "/blobs/", failing)
    bench.pull(f"{server.address}/app:1")
    assert quick and all(0 < wait < 11 for wait in quick)


def test_unreachable(bench: Bench, quick: list[float]) -> None:
    with pytest.raises(Unavailable, match=r"dial tcp 127.0.0.1:1: connect: connection refused"):
        bench.pull("127.0.0.1:1/x")
    config = RegistryConfig(mirrors={"docker.io": ("http://127.0.0.1:1",)})
    with pytest.raises(Unavailable) as caught:
        bench.images._registries._config = config
        bench.pull("debian:bookworm-slim")
    assert "pycompose image bootstrap debian:bookworm-slim" in str(caught.value)


def test_a_proxy_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: list[float]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://joe:secret@127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    bench = Bench(tmp_path / "engine")
    with pytest.raises(Unavailable) as caught:
        bench.pull("reg.example/x")
    bench.close()
    wanted = "proxyconnect tcp (http://127.0.0.1:1): dial tcp 127.0.0.1:1: connect: connection refused"
    assert wanted in str(caught.value) and "secret" not in str(caught.value)


def test_authorities_of_a_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: list[float]) -> None:
    """certs.d: whose certificates are believed for one registry, and the certificate that is shown there."""
    certificate_path, key = certificate(tmp_path)
    asked = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asked.load_cert_chain(certificate_path, key)
    asked.load_verify_locations(certificate_path)
    asked.verify_mode = ssl.CERT_REQUIRED
    directory = tmp_path / "certs.d"
    config = RegistryConfig(certificates=(tmp_path / "none", directory))
    bench = Bench(tmp_path / "engine", config)
    with fake_registry(asked) as server:
        publish(server)
        # not the loopback address, which needs no good certificate
        address = server.address.replace("127.0.0.1", "localhost.localdomain")
        resolve = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: resolve("127.0.0.1" if "." in str(host) else host, *rest, **more),
        )
        with pytest.raises(Unavailable, match="certificate verify failed"):
            bench.pull(f"{address}/app:1")
        own = directory / address
        own.mkdir(parents=True)
        shutil.copy(certificate_path, own / "ca.crt")
        shutil.copy(certificate_path, own / "client.cert")
        with pytest.raises(EngineError, match=r"missing key .*client\.key for client certificate client\.cert"):
            bench.pull(f"{address}/app:1")
        shutil.copy(key, own / "client.key")
        bench.pull(f"{address}/app:1")
        (own / "other.crt").write_text("nonsense")
        with pytest.raises(EngineError, match=r"other\.crt: no usable certificate"):
            bench.pull(f"{address}/app:1")
    bench.close()


# rights ----------------------------------------------------------------------------------------------------------------
def test_tokens(bench: Bench, server: Registry) -> None:
    publish(server)
    server.user, server.token = ("joe", "secret"), "t0ken"
    with pytest.raises(
        NotFound, match=f"pull access denied for {server.address}/app, repository does not exist or may"
    ):
        bench.pull(f"{server.address}/app:1")
    bench.pull(f"{server.address}/app:1", auth=Auth("joe", "secret"))
    assert server.tokens_given == 1
    with pytest.raises(Unauthorized, match="incorrect username or password"):
        bench.images.login(Auth("joe", "wrong"), server.address)
    assert bench.images.login(Auth("joe", "secret"), server.address) == ""
    bench.pull(f"{server.address}/app:1", auth=Auth(registry_token="t0ken"))


def test_the_users_own_configuration(bench: Bench, server: Registry, tmp_path: Path) -> None:
    publish(server)
    server.user = ("joe", "secret")
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {server.address: {"auth": "am9lOnNlY3JldA=="}}}))
    bench.pull(f"{server.address}/app:1")
    helper = tmp_path / "bin/docker-credential-test"
    helper.parent.mkdir()
    helper.write_text('#!/bin/sh\nread -r server\necho "{\\"Username\\":\\"joe\\",\\"Secret\\":\\"for $server\\"}"\n')
    helper.chmod(0o755)
    env = {"HOME": str(tmp_path), "PATH": f"{helper.parent}:{os.environ['PATH']}"}
    (tmp_path / ".docker/config.json").write_text('{"credsStore": "test"}')
    assert credentials.lookup("reg.example", env) == Auth("joe", "for reg.example")
    assert credentials.lookup("docker.io", env) == Auth("joe", "for https://index.docker.io/v1/")
    for text in ("", "[]", '{"auths": []}', '{"auths": {"reg.example": {"auth": "%%%"}}}', '{"credsStore": "../x"}'):
        (tmp_path / ".docker/config.json").write_text(text)
        assert credentials.lookup("reg.example", env) is None


def test_credentials_do_not_follow_redirects(bench: Bench, server: Registry) -> None:
    publish(server)
    server.user = ("joe", "secret")
    seen: list[str | None] = []
    with fake_registry() as storage:
        storage.blobs = server.blobs

        def note(request: Any) -> bool:
            seen.append(request.headers.get("Authorization"))
            return False

        storage.fault("GET", "/v2/", note)
        server.fault("GET", "/blobs/", lambda h: h.reply(307, Location=f"http://{storage.address}{h.path}"))
        bench.pull(f"{server.address}/app:1", auth=Auth("joe", "secret"))
    assert seen == [None, None, None]


@pytest.mark.parametrize("realm", ["Basic realm='x'", 'Bearer realm="http://{storage}/token",service="storage"'])
def test_a_challenge_from_elsewhere_is_not_answered(
    bench: Bench, server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, realm: str
) -> None:
    """The registry sends blobs' readers to a storage that asks for the password (CVE-2020-15157): pull, push and Compose files."""
    value = publish(server)
    server.user = ("joe", "secret")
    seen: list[str | None] = []
    with fake_registry() as storage:

        def ask(handler: Handler) -> bool:
            seen.append(handler.headers.get("Authorization"))
            challenge = realm.format(storage=storage.address)
            return handler.error(401, "UNAUTHORIZED", "tell me", WWW_Authenticate=challenge)

        storage.fault("GET", "/", ask)
        storage.fault("PUT", "/", ask)
        server.fault("GET", "/blobs/", lambda h: h.reply(307, Location=f"http://{storage.address}{h.path}"))
        with pytest.raises(Unauthorized, match="tell me"):
            bench.pull(f"{server.address}/app:1", auth=Auth("joe", "secret"))
        bench.images.import_rootfs(io.BytesIO(tar({"f": b"x"})), ref=f"{server.address}/mine:1")
        server.fault("POST", "/uploads/", lambda h: h.reply(202, Location=f"http://{storage.address}/up"))
        with pytest.raises(Unauthorized, match="tell me"):
            bench.images.push(f"{server.address}/mine:1", auth=Auth("joe", "secret"))
        asked = len(seen)
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.address: {"auth": "am9lOnNlY3JldA=="}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(OperationError, match="authentication required"):
            remote.Registry(remote.parse_reference(f"{server.address}/app:1")).blob(value["layers"][0]["digest"])
        assert len(seen) > asked and set(seen) == {None}


def test_a_token_server_without_tls_elsewhere_gets_nothing(bench: Bench, server: Registry) -> None:
    """The registry's own challenge may name another host, which then is spoken to no less safely."""
    publish(server)
    challenge = {"WWW_Authenticate": 'Bearer realm="http://198.51.100.7/token",service="x"'}
    server.fault("GET", "/manifests/", lambda h: h.error(401, "UNAUTHORIZED", "login", **challenge))
    with pytest.raises(Unavailable, match=r"asks to send credentials to 198\.51\.100\.7 without TLS: refused"):
        bench.pull(f"{server.address}/app:1", auth=Auth("joe", "secret"))
    with pytest.raises(OperationError, match=r"asks to send credentials to 198\.51\.100\.7 without TLS: refused"):
        remote.Registry(remote.parse_reference(f"{server.address}/app:1")).manifest("1")


def test_mirrors(tmp_path: Path, server: Registry, quick: list[float]) -> None:
    value = publish(server, repository="library/app")
    config = RegistryConfig(mirrors={"docker.io": ("http://127.0.0.1:1", f"http://{server.address}")})
    bench = Bench(tmp_path / "engine", config)
    image = bench.pull("app:1")
    assert image.id == value["config"]["digest"] and image.repo_tags == ("app:1",)
    bench.close()


# push ------------------------------------------------------------------------------------------------------------------
def test_push_and_pull_back(bench: Bench, server: Registry, tmp_path: Path) -> None:
    image = bench.images.import_rootfs(busybox_rootfs(), ref=f"{server.address}/bb:1", changes=['CMD ["sh"]'])
    digest = bench.images.push(f"{server.address}/bb:1", progress=bench.messages.append)
    assert "Pushed" in bench.statuses() and bench.messages[-1]["aux"]["Digest"] == digest
    data, media_type = server.manifests["bb"]["1"]
    assert media_type == DOCKER_MANIFEST and digest_of(data) == digest
    other = Bench(tmp_path / "other")
    pulled = other.pull(f"{server.address}/bb:1")
    assert pulled.id == image.id and pulled.repo_digests == (f"{server.address}/bb@{digest}",)
    assert pulled.layers == image.layers
    # What was pulled goes on unchanged; the same registry is asked to mount it.
    other.images.tag(pulled.id, f"{server.address}/second:2")
    server.requests.clear()
    assert other.images.push(f"{server.address}/second:2") == digest
    assert server.count("mount=sha256") == 1 and server.count("PUT /v2/second/blobs") == 1
    # Made here and pushed before: its compressed form is known without compressing.
    bench.messages.clear()
    bench.images.push(f"{server.address}/bb:1", progress=bench.messages.append)
    assert "Compressing" not in bench.statuses() and "Layer already exists" in bench.statuses()
    other.close()


def test_push_refusals(bench: Bench, server: Registry, quick: list[float]) -> None:
    with pytest.raises(NotFound, match="An image does not exist locally with the tag: nothing"):
        bench.images.push("nothing")
    with pytest.raises(InvalidParameter, match="digest reference"):
        bench.images.push("app@sha256:" + "0" * 64)
    bench.images.import_rootfs(busybox_rootfs(), ref=f"{server.address}/bb:1")
    server.fault("POST", "/uploads/", lambda h: h.error(403, "DENIED", "requested access to the resource is denied"))
    with pytest.raises(EngineError, match="denied: requested access to the resource is denied"):
        bench.images.push(f"{server.address}/bb:1")


def test_interrupted_uploads_are_repeated(bench: Bench, server: Registry) -> None:
    image = bench.images.import_rootfs(busybox_rootfs(), ref=f"{server.address}/bb:1")
    left = [2]

    def breaking(handler: Handler) -> bool:
        left[0] -= 1
        if left[0] >= 0:
            handler.rfile.read(1000)
            handler.close_connection = True
            handler.connection.close()
            return True
        return False

    server.fault("PUT", "/uploads/", breaking)
    bench.images.push(f"{server.address}/bb:1")
    assert image.id in server.blobs["bb"]


@pytest.fixture
def large(bench: Bench) -> Any:
    """An image of one layer whose compressed form has 3 MB."""
    return bench.images.import_rootfs(io.BytesIO(tar({"f": os.urandom(3_000_000)})), ref="large")


def test_broken_uploads_go_on(bench: Bench, server: Registry, large: Any) -> None:
    ref = f"{server.address}/large:1"
    bench.images.tag(large.id, ref)
    server.fault("PATCH", "/uploads/", receive_only(700_000, 3))
    bench.images.push(ref, progress=bench.messages.append)
    assert (
        server.count("PATCH") == 4 and server.count("POST") == 2
    )  # one upload for the layer, one for the configuration
    assert server.count("GET /v2/large/blobs/uploads/") == 3
    layer = json.loads(server.manifests["large"]["1"][0])["layers"][0]
    assert len(server.blobs["large"][layer["digest"]]) == layer["size"]
    assert [s for s in bench.statuses() if s == "Pushed"] == ["Pushed"]


def test_uploads_without_a_status_begin_again(bench: Bench, server: Registry, large: Any) -> None:
    ref = f"{server.address}/large:1"
    bench.images.tag(large.id, ref)
    server.fault("PATCH", "/uploads/", receive_only(700_000, 2))
    server.fault("GET", "/uploads/", lambda h: h.error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown"))
    bench.images.push(ref)
    assert server.count("PATCH") == 3 and server.count("POST") == 4
    layer = json.loads(server.manifests["large"]["1"][0])["layers"][0]
    assert layer["digest"] in server.blobs["large"]


def test_an_upload_that_never_gets_on_ends(bench: Bench, server: Registry, large: Any) -> None:
    ref = f"{server.address}/large:1"
    bench.images.tag(large.id, ref)
    server.fault("PATCH", "/uploads/", receive_only(0, 1000))
    with pytest.raises(Unavailable):
        bench.images.push(ref)
    assert server.count("PATCH") == 4


@pytest.mark.skipif(not available(), reason="needs docker-registry")
def test_docker_registry_behind_a_proxy_that_cuts(bench: Bench, tmp_path: Path, large: Any) -> None:
    cuts = iter([5_000, 900_000, 2_000_000, 300_000])
    with registry(tmp_path / "registry") as address, relay(address, cut_up=lambda: next(cuts, 0)) as proxy:
        ref = f"{proxy.address}/a/large:1"
        bench.images.tag(large.id, ref)
        digest = bench.images.push(ref)
        assert next(cuts, None) is None
        other = Bench(tmp_path / "other")
        assert other.pull(f"{address}/a/large@{digest}").id == large.id
        other.close()


def test_parallel_pulls_fetch_once(bench: Bench, server: Registry) -> None:
    value = publish(server)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            bench.images.pull(f"{server.address}/app:1")
        except EngineError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert server.count(f"GET /v2/app/blobs/{first_layer(server, value)}") == 1


@pytest.mark.parametrize("part", ["/blobs/", "/manifests/"])
def test_a_pull_whose_client_left_holds_nobody_up(bench: Bench, server: Registry, part: str) -> None:
    """The registry says nothing any more. The one who leaves is gone at once, the other who wants the same gets it."""
    value = publish(server)
    part = part if part == "/manifests/" else f"/blobs/{first_layer(server, value)}"
    stalled, release = threading.Event(), threading.Event()

    def stall(handler: Handler) -> bool:
        if stalled.is_set():
            return False
        stalled.set()
        handler.close_connection = True
        if "/blobs/" in part:
            handler.reply(200, b"some", Content_Length="300000")
        release.wait(30)
        return True

    server.fault("GET", part, stall)
    cancel = Abort()
    ends: dict[str, float] = {}
    results: dict[str, str] = {}

    def work(name: str, **options: Any) -> None:
        try:
            results[name] = bench.images.pull(f"{server.address}/app:1", **options).id
        except EngineError as error:
            results[name] = str(error)
        ends[name] = time.monotonic()

    leaving = threading.Thread(target=work, args=("leaving",), kwargs={"cancel": cancel})
    leaving.start()
    assert stalled.wait(10)
    staying = threading.Thread(target=work, args=("staying",))
    staying.start()
    began = time.monotonic()
    cancel.set()
    leaving.join(20)
    staying.join(20)
    release.set()
    assert results == {"leaving": "cancelled", "staying": value["config"]["digest"]}
    assert max(ends.values()) - began < 10
    with pytest.raises(Unavailable, match="cancelled"):
        bench.images.pull(f"{server.address}/app:1", cancel=cancel)


def test_search(bench: Bench, server: Registry) -> None:
    answer = {"results": [{"name": "found", "star_count": 3, "is_official": True}, 1, {"x": 1}]}
    server.fault("GET", "/v1/search?q=fo&n=5", lambda h: h.reply(200, json.dumps(answer).encode()))
    (found,) = bench.images.search(f"{server.address}/fo", limit=5)
    assert found == {"name": "found", "description": "", "star_count": 3, "is_official": True, "is_automated": False}
    server.fault("GET", "/v2/_catalog", lambda h: h.reply(200, b'{"repositories": ["a/bar", "foo"]}'))
    assert [item["name"] for item in bench.images.search(f"{server.address}/ba")] == [f"{server.address}/a/bar"]
    with pytest.raises(NotFound, match=r"Unexpected status code 404: .* has no search"):
        bench.images.search(f"{server.address}/nothing")


def test_what_a_reference_stands_for(bench: Bench, server: Registry) -> None:
    """Docker's DistributionInspect: of one manifest, of an index, of none; with credentials."""
    value = publish(server)
    server.user = ("joe", "secret")
    auth = Auth("joe", "secret")
    data = server.manifests["app"]["1"][0]
    described = {"mediaType": OCI_MANIFEST, "digest": digest_of(data), "size": len(data)}
    assert bench.images.distribution(f"{server.address}/app:1", auth=auth) == {
        "Descriptor": described,
        "Platforms": [{"architecture": "amd64", "os": "linux"}],
    }
    arm = {"os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1"}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**described, "platform": arm}, described]}
    digest = server.add_manifest("app", "many", index, OCI_INDEX)
    found = bench.images.distribution(f"{server.address}/app@{digest}", auth=auth)
    assert (found["Descriptor"]["digest"], found["Platforms"]) == (digest, [arm])
    with pytest.raises(NotFound, match="manifest unknown"):
        bench.images.distribution(f"{server.address}/app:none", auth=auth)
    with pytest.raises(NotFound, match="pull access denied"):
        bench.images.distribution(f"{server.address}/app:1", auth=Auth("joe", "wrong"))
    server.blobs["app"][value["config"]["digest"]] = b"{}"
    with pytest.raises(DigestMismatch):
        bench.images.distribution(f"{server.address}/app:1", auth=auth)


def test_push_all_tags(bench: Bench, server: Registry) -> None:
    for name in ("mine:1", "mine:2", "mine-other:3"):
        bench.images.import_rootfs(io.BytesIO(tar({"f": name.encode()})), ref=f"{server.address}/{name}")
    bench.images.push_all(f"{server.address}/mine")
    assert {tag for tag in server.manifests["mine"] if ":" not in tag} == {"1", "2"} and set(server.manifests) == {
        "mine"
    }
    with pytest.raises(NotFound, match="does not exist locally"):
        bench.images.push_all(f"{server.address}/nothing")


def test_an_index_that_could_be_a_manifest_is_neither(bench: Bench, server: Registry) -> None:
    """CVE-2021-41190."""
    both = {**publish(server), "mediaType": OCI_INDEX, "manifests": []}
    server.add_manifest("app", "both", both, OCI_INDEX)
    with pytest.raises(EngineError, match="both an index and a manifest"):
        bench.pull(f"{server.address}/app:both")


# the real thing --------------------------------------------------------------------------------------------------------
@pytest.mark.peer
@pytest.mark.skipif(not available(), reason="docker-registry is not installed")
@pytest.mark.parametrize("user", [None, ("joe", "secret")])
@pytest.mark.parametrize("tls", [False, True])
def test_docker_registry(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: tuple[str, str] | None, tls: bool
) -> None:
    auth = Auth(*user) if user else None
    with registry(tmp_path / "registry", user=user, tls=tls) as address:
        if tls:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "registry/cert.pem"))
        image = bench.images.import_rootfs(busybox_rootfs(), ref=f"{address}/a/bb:1")
        if user:
            actions: tuple[Callable[[], object], ...] = (
                lambda: bench.images.push(f"{address}/a/bb:1"),
                lambda: bench.images.login(Auth("joe", "x"), address),
            )
            for action in actions:
                with pytest.raises(Unauthorized):
                    action()
            bench.images.login(Auth(*user), address)
        digest = bench.images.push(f"{address}/a/bb:1", auth=auth)
        other = Bench(tmp_path / "other")
        assert other.pull(f"{address}/a/bb:1", auth=auth).id == image.id
        other.images.tag(image.id, f"{address}/b:2")
        assert other.images.push(f"{address}/b:2", auth=auth) == digest
        with pytest.raises(NotFound, match=r"manifest for .*a/bb:9 not found: manifest unknown"):
            other.pull(f"{address}/a/bb:9", auth=auth)
        other.close()
