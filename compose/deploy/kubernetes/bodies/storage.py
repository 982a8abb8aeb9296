"""Config maps, secrets and claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .meta import Metadata


class Files(TypedDict, total=False):
    """A ConfigMap or Secret. ``data`` is text, and base64 in a Secret; ``binaryData`` is base64."""

    apiVersion: str
    kind: str
    metadata: Metadata
    immutable: bool
    type: str
    data: dict[str, str]
    binaryData: dict[str, str]


class Requests(TypedDict):
    requests: dict[str, str]


class ClaimSpec(TypedDict, total=False):
    accessModes: list[str]
    resources: Requests
    storageClassName: str


class Claim(TypedDict):
    apiVersion: str
    kind: str
    metadata: Metadata
    spec: ClaimSpec
