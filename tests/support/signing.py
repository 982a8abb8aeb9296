"""Signatures as cosign and notation make them, put into a fake registry."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pycompose.engine.images.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from pycompose.engine.images.signatures import cosign, notary

from .fake_registry import digest_of

if TYPE_CHECKING:
    from .fake_registry import Registry

CosignKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
NotaryKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def public(key: CosignKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _layers(server: Registry, repository: str, media_type: str, content: bytes, **annotations: str) -> dict[str, Any]:
    config = server.add_blob(repository, b"{}")
    digest = server.add_blob(repository, content)
    layer = {"mediaType": media_type, "digest": digest, "size": len(content), "annotations": annotations}
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config, "size": 2},
        "layers": [layer],
    }


def sign_by_cosign(
    server: Registry, repository: str, digest: str, key: CosignKey, *, name: str = "", about: str = "", kind: str = ""
) -> None:
    """``name``, ``about`` and ``kind`` replace what is true in the payload."""
    critical = {
        "identity": {"docker-reference": name or f"{server.address}/{repository}"},
        "image": {"docker-manifest-digest": about or digest},
        "type": kind or "cosign container image signature",
    }
    payload = json.dumps({"critical": critical, "optional": None}).encode()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        made = key.sign(payload, ec.ECDSA(hashes.SHA256()))
    elif isinstance(key, rsa.RSAPrivateKey):
        made = key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
    else:
        made = key.sign(payload)
    value = _layers(server, repository, cosign.PAYLOAD, payload)
    value["layers"][0]["annotations"] = {cosign.ANNOTATION: base64.b64encode(made).decode()}
    server.add_manifest(repository, cosign.tag(digest), value, OCI_MANIFEST)


def certificate(
    name: str,
    key: NotaryKey,
    issuer: tuple[x509.Certificate, NotaryKey] | None = None,
    *,
    authority: bool = False,
    days: int = 2,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(not authority, False, False, False, False, authority, False, False, False), critical=True
        )
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def envelope(
    digest: str, key: NotaryKey, chain: list[x509.Certificate], *, algorithm: str = "", **header: Any
) -> bytes:
    """A JWS; ``header`` replaces protected members (None leaves one out)."""
    head = {
        "alg": algorithm or ("ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "PS256"),
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "crit": ["io.cncf.notary.signingScheme"],
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": datetime.now(UTC).isoformat(timespec="seconds"),
        **header,
    }
    target = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
    payload = _text(json.dumps({"targetArtifact": target}).encode())
    protected = _text(json.dumps({name: value for name, value in head.items() if value is not None}).encode())
    signed = f"{protected}.{payload}".encode()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        made = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        made = key.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    certificates = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain]
    tree = {"payload": payload, "protected": protected, "header": {"x5c": certificates}, "signature": _text(made)}
    return json.dumps(tree).encode()


def attach(server: Registry, repository: str, digest: str, content: bytes, *, subject: str = "") -> bytes:
    """Put an envelope into the registry, listed under the tag that stands in for the list of referrers, which is returned."""
    value = _layers(server, repository, notary.ENVELOPE, content)
    value |= {
        "artifactType": notary.ARTIFACT,
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject or digest, "size": 1},
    }
    data = json.dumps(value).encode()
    server.add_manifest(repository, digest_of(data), data, OCI_MANIFEST)
    entry = {"mediaType": OCI_MANIFEST, "digest": digest_of(data), "size": len(data), "artifactType": notary.ARTIFACT}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    server.add_manifest(repository, digest.replace(":", "-"), index, OCI_INDEX)
    return json.dumps(index).encode()
