"""Notary Project signatures as JWS (notaryproject/specifications, signature-specification.md and signature-envelope-jws.md).

    referrers of the digest ─► manifest whose subject it is ─► layer application/jose+json: payload, certificates, signature

Trust begins with the certificates that are given; time stamps of others and revocation lists are not asked for, so a certificate counts
while it is valid.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID

from ...errors import EngineError
from ..manifest import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ARTIFACT = "application/vnd.cncf.notary.signature"
ENVELOPE = "application/jose+json"
_PAYLOAD = "application/vnd.cncf.notary.payload.v1+json"
_SCHEME, _EXPIRY = "io.cncf.notary.signingScheme", "io.cncf.notary.expiry"
_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512,
}  # fmt: skip
_CURVES = {"256": 256, "384": 384, "512": 521}
_LONGEST_CHAIN = 10


class _Refused(Exception):
    """Why a signature does not count."""


def load_certificates(pem: bytes) -> list[x509.Certificate]:
    """Raises ValueError for what holds none."""
    return x509.load_pem_x509_certificates(pem)


def complaint(envelope: bytes, trusted: Iterable[bytes], digest: str, now: datetime) -> str:
    """Why a signature does not count for ``digest``; "" when it does."""
    try:
        _check(envelope, [one for pem in trusted for one in load_certificates(pem)], digest, now)
    except (_Refused, EngineError) as error:
        return str(error)
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        return f"the signature is malformed ({error})"
    return ""


def _check(envelope: bytes, trusted: Sequence[x509.Certificate], digest: str, now: datetime) -> None:
    tree = document(envelope, "the signature")
    protected, payload = str(tree["protected"]), str(tree["payload"])
    head = document(_decoded(protected), "the signature's header")
    header = tree.get("header")
    encoded = header.get("x5c") if isinstance(header, dict) else None
    if not isinstance(encoded, list) or not 0 < len(encoded) <= _LONGEST_CHAIN:
        raise _Refused("the signature has no usable chain of certificates")
    chain = [x509.load_der_x509_certificate(base64.b64decode(str(one), validate=True)) for one in encoded]
    _check_chain(chain, trusted, now)
    _check_signature(
        chain[0], str(head.get("alg")), _decoded(str(tree["signature"])), f"{protected}.{payload}".encode()
    )
    _check_head(head, now)
    target = document(_decoded(payload), "the payload").get("targetArtifact")
    if not isinstance(target, dict) or target.get("digest") != digest:
        raise _Refused("what is signed is another image")


def _check_head(head: Mapping[str, object], now: datetime) -> None:
    """Everything that the signer calls critical must be understood (RFC 7515, section 4.1.11)."""
    critical = head.get("crit")
    if not isinstance(critical, list) or _SCHEME not in critical or not {*critical} <= {_SCHEME, _EXPIRY}:
        raise _Refused(f"it has critical headers that are not understood: {json.dumps(critical)[:200]}")
    if head.get("cty") != _PAYLOAD or head.get(_SCHEME) != "notary.x509":
        raise _Refused("it is of a scheme that is not understood")
    if _EXPIRY in head:
        until = datetime.fromisoformat(str(head[_EXPIRY]))
        if (until if until.tzinfo else until.replace(tzinfo=UTC)) < now:
            raise _Refused("it has expired")


def _check_chain(chain: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], now: datetime) -> None:
    """Each certificate valid now and issued by the next, one of them given as trusted, the first made for signing code."""
    for one in chain:
        if not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
            raise _Refused(f"the certificate {one.subject.rfc4514_string()} is not valid now")
    for number, one in enumerate(chain):
        if one in trusted:
            break
        if number + 1 == len(chain):
            raise _Refused("no certificate that is given vouches for it")
        _check_issued(one, chain[number + 1])
    try:
        usage = chain[0].extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise _Refused("the certificate does not say what it is for") from None
    if not usage.digital_signature:
        raise _Refused("the certificate is not for signatures")
    try:
        extended = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        raise _Refused("the certificate is not for signing code")


def _check_issued(one: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        one.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        raise _Refused("its chain of certificates is broken") from None
    if not constraints.ca:
        raise _Refused(f"{issuer.subject.rfc4514_string()} is no authority")


def _check_signature(certificate: x509.Certificate, algorithm: str, signature: bytes, signed: bytes) -> None:
    """PS256 to PS512 and ES256 to ES512 (RFC 7518), as the specification allows; nothing else, "none" least of all."""
    kind, bits, key = algorithm[:2], algorithm[2:], certificate.public_key()
    try:
        if kind == "PS" and bits in _HASHES and isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
            made = _HASHES[bits]()
            key.verify(signature, signed, padding.PSS(padding.MGF1(made), made.digest_size), made)
            return
        if kind == "ES" and isinstance(key, ec.EllipticCurvePublicKey) and _CURVES.get(bits) == key.key_size:
            size = (key.key_size + 7) // 8
            if len(signature) != 2 * size:
                raise InvalidSignature
            numbers = (int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
            key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(_HASHES[bits]()))
            return
    except InvalidSignature:
        raise _Refused("the signature is not the certificate's") from None
    raise _Refused(f"the algorithm {algorithm[:20]!r} does not fit the certificate")


def _decoded(text: str) -> bytes:
    """Base64url without padding."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
