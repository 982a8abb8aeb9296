"""What every object has."""

from __future__ import annotations

from typing import TypedDict


class Owner(TypedDict, total=False):
    kind: str
    name: str
    controller: bool


class Metadata(TypedDict, total=False):
    """Of what the server gives, ``creationTimestamp`` and ``deletionTimestamp`` are RFC 3339, ``generation`` counts changes of the spec."""

    name: str
    namespace: str
    labels: dict[str, str]
    annotations: dict[str, str]
    uid: str
    generation: int
    resourceVersion: str
    creationTimestamp: str
    deletionTimestamp: str
    ownerReferences: list[Owner]


class Object(TypedDict, total=False):
    """Any object, as far as all are alike; ``type`` is a secret's."""

    apiVersion: str
    kind: str
    metadata: Metadata
    type: str


class Condition(TypedDict, total=False):
    """``status``: True, False or Unknown, as text."""

    type: str
    status: str
    reason: str
    message: str


class Labels(TypedDict, total=False):
    """A selector."""

    matchLabels: dict[str, str]
