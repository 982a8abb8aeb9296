"""Whether an image may be pulled: signatures are looked for beside it, in the registry that gave its manifest."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ... import bounds
from ...errors import NotFound
from ...shapes import members
from ..blobs import DigestMismatch
from ..manifest import descriptor, document, listed
from ..signatures.policy import ACCEPT, REFUSE, Unverified, rule_for
from .client import failure, read
from .manifests import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..manifest import Descriptor
    from ..reference import Reference
    from ..signatures.policy import Rule
    from .client import Registry


def require(registry: Registry, ref: Reference, digest: str, rules: Sequence[Rule]) -> None:
    """Raises Unverified when the policy does not let ``digest`` in under the name of ``ref``. What is signed is the digest
    that the name stands for: with an index that covers the manifests in it."""
    rule = rule_for(rules, ref.name)
    if rule is None or rule.policy == ACCEPT:
        return
    if rule.policy == REFUSE:
        raise Unverified(f"{ref.familiar}: images of this name are refused (verify in the engine's configuration)")
    reasons: list[str] = []
    for reason in _complaints(registry, ref, digest, rule):
        if not reason:
            return
        reasons.append(reason)
    said = "; ".join(dict.fromkeys(reasons)) or "it is not signed"
    raise Unverified(f"{ref.familiar} ({digest}): {said} (verify in the engine's configuration)")


def _complaints(registry: Registry, ref: Reference, digest: str, rule: Rule) -> Iterator[str]:
    """Of each signature why it does not count, "" for one that does."""
    if rule.cosign:
        from ..signatures import cosign  # cryptography is large, and most engines have no policy

        for entry, annotations in _entries(registry, ref, cosign.tag(digest), cosign.PAYLOAD):
            payload = _blob(registry, ref, entry)
            yield cosign.complaint(payload, str(annotations.get(cosign.ANNOTATION) or ""), rule.cosign, ref, digest)
    if rule.notary:
        from ..signatures import notary

        now = datetime.now(UTC)
        for version in _referrers(registry, ref, digest, notary.ARTIFACT):
            for entry, _ in _entries(registry, ref, version, notary.ENVELOPE, subject=digest):
                yield notary.complaint(_blob(registry, ref, entry), rule.notary, digest, now)


def _entries(
    registry: Registry, ref: Reference, version: str, media_type: str, subject: str = ""
) -> Iterator[tuple[Descriptor, Mapping[str, object]]]:
    """The layers of one type in the manifest ``version``, with their annotations; none when there is no such manifest, or
    it is not about ``subject``."""
    try:
        tree = document(fetch(registry, ref, version)[0], "the signature's manifest")
    except NotFound:
        return
    about = tree.get("subject")
    if subject and (not isinstance(about, dict) or about.get("digest") != subject):
        return
    layers = tree.get("layers")
    for layer in (layers if isinstance(layers, list) else [])[: bounds.SIGNATURES]:
        if isinstance(layer, dict) and layer.get("mediaType") == media_type:
            yield descriptor(layer, "the signature"), members(layer.get("annotations"))


def _referrers(registry: Registry, ref: Reference, digest: str, kind: str) -> list[str]:
    """Digests of manifests of one artifact type that refer to ``digest``: by the registry's list, else by the tag that stands in
    for it (OCI distribution specification, "Listing Referrers")."""
    response = registry.request(
        "GET", f"{ref.path}/referrers/{digest}?artifactType={kind}", scope=f"repository:{ref.path}:pull"
    )
    if response.status == 200:
        data = read(response, bounds.MANIFEST)
    else:
        response.drain_conn()
        response.release_conn()
        try:
            data = fetch(registry, ref, digest.replace(":", "-"))[0]
        except NotFound:
            return []
    entries = listed(document(data, "the list of referrers"), "the list of referrers")
    return [descriptor(one, "a referrer").digest for one in entries if one.get("artifactType") == kind][
        : bounds.SIGNATURES
    ]


def _blob(registry: Registry, ref: Reference, entry: Descriptor) -> bytes:
    response = registry.request("GET", f"{ref.path}/blobs/{entry.digest}", scope=f"repository:{ref.path}:pull")
    if response.status != 200:
        raise failure(response)
    data = read(response)
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != entry.digest:
        raise DigestMismatch(f"a signature of {ref.familiar} does not match its digest {entry.digest}")
    return data
