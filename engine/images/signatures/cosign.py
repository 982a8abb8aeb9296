"""cosign's signatures with given keys: "simple signing" payloads (sigstore/cosign, specs/SIGNATURE_SPEC.md).

tag sha256-<hex>.sig ─► manifest ─► layers, each a payload, with its signature in an annotation
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ...errors import EngineError
from ..manifest import document
from ..reference import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..reference import Reference

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
_TYPE = "cosign container image signature"

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


def tag(digest: str) -> str:
    """Where the signatures of a digest are."""
    return f"{digest.replace(':', '-')}.sig"


def load_key(pem: bytes) -> PublicKey:
    """Raises ValueError for what is no public key of a kind that cosign signs with."""
    try:
        key = load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, PublicKey):
        raise ValueError(f"keys of type {type(key).__name__} are not supported")
    return key


def complaint(payload: bytes, signature: str, keys: Iterable[bytes], ref: Reference, digest: str) -> str:
    """Why a signature does not count for ``digest`` in the repository of ``ref``; "" when it does."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return "the signature is not base64"
    if not any(_is_good(load_key(pem), raw, payload) for pem in keys):
        return "no key that is given has signed it"
    try:
        critical = document(payload, "the payload").get("critical")
    except EngineError as error:
        return str(error)
    if not isinstance(critical, dict) or critical.get("type") != _TYPE:
        return "what is signed is not an image"
    if _member(critical, "image", "docker-manifest-digest") != digest:
        return "what is signed is another image"
    named = _member(critical, "identity", "docker-reference")
    if named and not _is_repository(named, ref):
        return f"it is signed as {named[:200]!r}"
    return ""


def _member(tree: Mapping[str, object], *path: str) -> str:
    value: object = tree
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _is_repository(named: str, ref: Reference) -> bool:
    try:
        return parse(named).name == ref.name
    except EngineError:
        return False


def _is_good(key: PublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, payload, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, payload, padding.PKCS1v15(), SHA256())
        else:
            key.verify(signature, payload)
    except InvalidSignature:
        return False
    return True
