"""Artifacts that hold a Compose project, in the format that `docker compose publish` writes: a manifest whose layers are
Compose files, files that services extend, and env files. A name in it is the name of a file, never a path."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, TypedDict

from ...grammar.jsontree import mapping, mappings, text
from ..errors import OperationError
from .checked import made_whole, version_directory
from .registry import Registry, parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...grammar.jsontree import Object

ARTIFACT = "application/vnd.docker.compose.project"
FILE = "application/vnd.docker.compose.file+yaml"
ENV_FILE = "application/vnd.docker.compose.envfile"
EMPTY = "application/vnd.docker.compose.config.empty.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MAIN = "compose.yaml"
_NAME = re.compile(r"[A-Za-z0-9_][\w. +@-]{0,200}", re.ASCII)
_MANY = 200
SWITCH = "COMPOSE_EXPERIMENTAL_OCI_REMOTE"


class Descriptor(TypedDict):
    """A layer (OCI image specification, descriptor.md)."""

    mediaType: str
    digest: str
    size: int
    annotations: dict[str, str]


def fetch_artifact(written: str, environment: Mapping[str, str]) -> str:
    """The Compose file of the artifact ``written`` (a reference without ``oci://``)."""
    if environment.get(SWITCH, "").lower() in ("0", "f", "false"):
        raise OperationError(f"oci://{written}: OCI resources are disabled by {SWITCH}")
    reference = parse_reference(written)
    registry = Registry(reference)
    manifest = registry.manifest(reference.version)
    version = version_directory(environment, "oci", reference.name, manifest.digest[7:])
    name = reference.path.rpartition("/")[2]
    if not os.path.isdir(version):
        tree = manifest.tree
        if manifest.media_type in _INDEXES:
            tree = _of_index(registry, tree, written)
        with made_whole(version) as temporary:
            directory = os.path.join(temporary, name)
            os.mkdir(directory, 0o700)
            _write(registry, tree, directory, written)
    return os.path.join(version, name, _MAIN)


def _of_index(registry: Registry, tree: Object, name: str) -> Object:
    """An application is published as an index of its images beside the project's manifest."""
    for entry in mappings(tree.get("manifests")):
        if entry.get("artifactType") == ARTIFACT:
            return registry.manifest(text(entry.get("digest"))).tree
    raise OperationError(f"oci://{name} is an index without a Compose project")


def _write(registry: Registry, manifest: Object, directory: str, reference: str) -> None:
    kind = manifest.get("artifactType") or mapping(manifest.get("config")).get("mediaType")
    if kind not in (ARTIFACT, EMPTY):
        raise OperationError(f"oci://{reference} is no Compose project but {kind}")
    layers = mappings(manifest.get("layers"))
    if len(layers) > _MANY:
        raise OperationError(f"oci://{reference} has {len(layers)} files, more than {_MANY}")
    documents: list[bytes] = []
    for layer in layers:
        notes = mapping(layer.get("annotations"))
        digest = text(layer.get("digest"))
        if layer.get("mediaType") == ENV_FILE:
            name = notes.get("com.docker.compose.envfile")
        elif layer.get("mediaType") != FILE:
            continue
        elif "com.docker.compose.extends" in notes:
            name = notes.get("com.docker.compose.file")
        else:
            documents.append(registry.blob(digest))
            continue
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name == _MAIN:
            raise OperationError(f"oci://{reference}: {name!r} is no name of a file")
        _save(directory, name, registry.blob(digest))
    if not documents:
        raise OperationError(f"oci://{reference} holds no Compose file")
    _save(directory, _MAIN, b"\n---\n".join(documents))


def _save(directory: str, name: str, content: bytes) -> None:
    with open(os.path.join(directory, name), "xb") as file:
        file.write(content)


def manifest_of(layers: list[Descriptor], created: str, *, version: str = "1.1") -> bytes:
    """The manifest of a project whose files are ``layers``, as OCI 1.1 has it or, without an artifact type, 1.0."""
    old = version == "1.0"
    tree = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        **({} if old else {"artifactType": ARTIFACT}),
        "config": {
            "mediaType": EMPTY if old else "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
            "data": "e30=",
        },
        "layers": layers,
        "annotations": {"org.opencontainers.image.created": created},
    }
    return json.dumps(tree).encode()
