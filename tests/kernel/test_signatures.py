"""Images whose name has a rule come in when they are signed as it says, and otherwise not."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.fake_registry import Registry, digest_of, fake_registry
from support.signing import attach, certificate, envelope, public, sign_by_cosign

from pycompose.engine.configuration import ConfigurationError, load
from pycompose.engine.images.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from pycompose.engine.images.registry.endpoints import RegistryConfig
from pycompose.engine.images.service import Images
from pycompose.engine.images.signatures.policy import ACCEPT, REFUSE, Rule, Unverified, rule_for
from pycompose.engine.layout import Layout
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ROOT_KEY = ec.generate_private_key(ec.SECP384R1())
ROOT = certificate("root", ROOT_KEY, authority=True)
SIGNER = certificate("signer", KEY, (ROOT, ROOT_KEY))


@pytest.fixture
def server() -> Iterator[Registry]:
    with fake_registry() as made:
        yield made


class Bench:
    def __init__(self, root: Path, server: Registry) -> None:
        self.server = server
        self._store = Store(Layout.for_root(root).database)
        self._layout = Layout.for_root(root)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("f"), io.BytesIO())
        layer = gzip.compress(out.getvalue())
        rootfs = {"type": "layers", "diff_ids": [digest_of(out.getvalue())]}
        config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs}).encode()
        value = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": server.add_blob("app", config), "size": len(config)},
            "layers": [{"mediaType": f"{OCI_LAYER}+gzip", "digest": server.add_blob("app", layer), "size": len(layer)}],
        }
        self.digest = server.add_manifest("app", "1", value, OCI_MANIFEST)
        self.name = f"{server.address}/app"

    def pull(self, rule: dict[str, Any], ref: str = "") -> str:
        rules = (Rule((self.name,), **rule), Rule(("*",), REFUSE))
        images = Images(self._layout, self._store, lambda *event: None, registries=RegistryConfig(verify=rules))
        images.recover()
        try:
            return images.pull(ref or f"{self.name}:1").id
        finally:
            images.close()

    def refused(self, rule: dict[str, Any], words: str, ref: str = "") -> None:
        before = len(self.server.requests)
        with pytest.raises(Unverified, match=words):
            self.pull(rule, ref)
        fetched = [one for one in self.server.requests[before:] if "/blobs/" in one]
        layer = json.loads(self.server.manifests["app"]["1"][0])["layers"][0]["digest"]
        assert not [one for one in fetched if layer in one]  # nothing of the image itself

    def close(self) -> None:
        self._store.close()


@pytest.fixture
def bench(tmp_path: Path, server: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    made = Bench(tmp_path / "engine", server)
    yield made
    made.close()


def test_policies(bench: Bench) -> None:
    assert rule_for([Rule(("docker.io/library/*",))], "docker.io/team/x") is None
    rule = {"cosign": (public(KEY),), "notary": (ROOT.public_bytes(Encoding.PEM),)}
    bench.refused(rule, "it is not signed")
    bench.refused(rule, "it is not signed", f"{bench.name}@{bench.digest}")
    bench.refused({"policy": REFUSE}, "images of this name are refused")
    bench.server.manifests["other"] = bench.server.manifests["app"]
    bench.refused(rule, "images of this name are refused", f"{bench.server.address}/other:1")
    assert bench.pull({"policy": ACCEPT})


@pytest.mark.parametrize(
    "key",
    [KEY, ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)],
    ids=["ec", "ed25519", "rsa"],
)
def test_cosign(bench: Bench, key: Any) -> None:
    sign_by_cosign(bench.server, "app", bench.digest, key)
    bench.refused({"cosign": (public(OTHER),)}, "no key that is given has signed it")
    assert bench.pull({"cosign": (public(OTHER), public(key))})
    assert bench.pull({"cosign": (public(key),)}, f"{bench.name}@{bench.digest}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"about": "sha256:" + "0" * 64}, "what is signed is another image"),
        ({"name": "reg.example/other"}, "it is signed as 'reg.example/other'"),
        ({"kind": "atomic container signature"}, "what is signed is not an image"),
    ],
)
def test_cosign_of_something_else(bench: Bench, change: dict[str, str], words: str) -> None:
    sign_by_cosign(bench.server, "app", bench.digest, KEY, **change)
    bench.refused({"cosign": (public(KEY),)}, words)


def test_cosign_changed_afterwards(bench: Bench) -> None:
    sign_by_cosign(bench.server, "app", bench.digest, KEY)
    tag = bench.digest.replace(":", "-") + ".sig"
    value = json.loads(bench.server.manifests["app"][tag][0])
    value["layers"][0]["annotations"] = {"dev.cosignproject.cosign/signature": "%%"}
    bench.server.add_manifest("app", tag, value, OCI_MANIFEST)
    bench.refused({"cosign": (public(KEY),)}, "the signature is not base64")
    for nonsense in ({}, {"layers": "x"}, {"layers": [1, {"mediaType": 7}]}):
        bench.server.add_manifest("app", tag, nonsense, OCI_MANIFEST)
        bench.refused({"cosign": (public(KEY),)}, "it is not signed")


def trust(*certificates: Any) -> dict[str, Any]:
    return {"notary": tuple(one.public_bytes(Encoding.PEM) for one in certificates)}


def test_notary(bench: Bench) -> None:
    index = attach(bench.server, "app", bench.digest, envelope(bench.digest, KEY, [SIGNER, ROOT]))
    bench.refused(trust(certificate("other", OTHER, authority=True)), "no certificate that is given vouches for it")
    assert bench.pull(trust(ROOT))
    assert bench.pull(trust(SIGNER))
    del bench.server.manifests["app"][bench.digest.replace(":", "-")]
    bench.refused(trust(ROOT), "it is not signed")
    bench.server.fault("GET", f"/referrers/{bench.digest}", lambda h: h.reply(200, index))
    assert bench.pull(trust(ROOT))
    key = rsa.generate_private_key(65537, 2048)
    attach(bench.server, "app", bench.digest, envelope(bench.digest, key, [certificate("rsa", key)]))
    bench.server.faults.clear()
    bench.refused(trust(ROOT), "no certificate that is given vouches for it")


_PAST = (datetime.now(UTC) - timedelta(days=1)).isoformat()
_CRITICAL = ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"digest": "sha256:" + "0" * 64}, "what is signed is another image"),
        ({"key": OTHER}, "the signature is not the certificate's"),
        ({"chain": [certificate("late", KEY, (ROOT, ROOT_KEY), days=-1), ROOT]}, "CN=late is not valid now"),
        (
            {"chain": [certificate("tls", KEY, (ROOT, ROOT_KEY), usage=ExtendedKeyUsageOID.SERVER_AUTH), ROOT]},
            "not for signing code",
        ),
        ({"chain": [certificate("forged", KEY, (ROOT, OTHER)), ROOT]}, "chain of certificates is broken"),
        (
            {"chain": [certificate("leaf", OTHER, (SIGNER, KEY)), SIGNER, ROOT], "key": OTHER},
            "CN=signer is no authority",
        ),
        ({"chain": []}, "no usable chain"),
        ({"algorithm": "none"}, "the algorithm 'none' does not fit"),
        ({"algorithm": "ES384"}, "the algorithm 'ES384' does not fit"),
        ({"cty": "text/plain"}, "of a scheme that is not understood"),
        ({"crit": ["io.cncf.notary.verificationPlugin"]}, "critical headers that are not understood"),
        ({"crit": None}, "critical headers that are not understood"),
        ({"crit": _CRITICAL, "io.cncf.notary.expiry": _PAST}, "it has expired"),
    ],
)
def test_notary_that_does_not_count(bench: Bench, options: dict[str, Any], words: str) -> None:
    given = {"digest": bench.digest, "key": KEY, "chain": [SIGNER, ROOT], **options}
    attach(bench.server, "app", bench.digest, envelope(**given))
    bench.refused(trust(ROOT), words)


def test_notary_about_another_subject(bench: Bench) -> None:
    made = envelope(bench.digest, KEY, [SIGNER, ROOT])
    attach(bench.server, "app", bench.digest, made, subject="sha256:" + "0" * 64)
    bench.refused(trust(ROOT), "it is not signed")
    for nonsense in (b"", b"{}", b"[]", made.replace(b'"x5c"', b'"y5c"'), made.replace(b"payload", b"payloae")):
        attach(bench.server, "app", bench.digest, nonsense)
        bench.refused(trust(ROOT), r"malformed|not JSON|not a JSON object|no usable chain")


def test_rules_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_bytes(public(KEY))
    (tmp_path / "ca.pem").write_bytes(ROOT.public_bytes(Encoding.PEM))
    file = tmp_path / "engine.yaml"
    file.write_text(
        f"verify:\n- images: [reg.example/*]\n  cosign: [{tmp_path}/key.pub]\n  notary: [{tmp_path}/ca.pem]\n"
        "- images: ['*']\n  policy: refuse\n"
    )
    first, second = load(file).registries.verify
    assert (first.cosign, first.policy, second.policy) == ((public(KEY),), "signed", "refuse")
    for text, words in (
        ("verify:\n- images: [x]\n", r":2:3: verify\[0\]: cosign or notary must name keys that may sign"),
        ("verify:\n- images: [x]\n  cosign: [/none]\n", r":3:12: verify\[0\].cosign\[0\]: /none: No such file"),
        (f"verify:\n- images: [x]\n  cosign: [{tmp_path}/ca.pem]\n", r":3:12: .*no usable key"),
        (f"verify:\n- images: [x]\n  notary: [{tmp_path}/key.pub]\n", r":3:12: .*no usable key"),
        (
            f"verify:\n- images: [x]\n  policy: accept\n  cosign: [{tmp_path}/key.pub]\n",
            "keys mean nothing with policy: accept",
        ),
        ("verify:\n- policy: refuse\n", "images is missing"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=words):
            load(file)
