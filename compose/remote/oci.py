"""Artifacts that hold a Compose project, in the format that `docker compose publish` writes: a manifest whose layers are
Compose files, files that services extend, and env files. A name in it is the name of a file, never a path."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from ..errors import OperationError
from .checked import made_whole, version_directory
from .registry import Registry, parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def fetch_artifact(text: str, environment: Mapping[str, str]) -> str:
    """The Compose file of the artifact ``text`` (a reference without ``oci://``)."""
    if environment.get(SWITCH, "").lower() in ("0", "f", "false"):
        raise OperationError(f"oci://{text}: OCI resources are disabled by {SWITCH}")
    reference = parse_reference(text)
    registry = Registry(reference)
    manifest = registry.manifest(reference.version)
    version = version_directory(environment, "oci", reference.name, manifest.digest[7:])
    name = reference.path.rpartition("/")[2]
    if not os.path.isdir(version):
        tree = manifest.tree
        if manifest.media_type in _INDEXES:
            tree = _of_index(registry, tree, text)
        with made_whole(version) as temporary:
            directory = os.path.join(temporary, name)
            os.mkdir(directory, 0o700)
            _write(registry, tree, directory, text)
    return os.path.join(version, name, _MAIN)


def _of_index(registry: Registry, tree: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    """An application is published as an index of its images beside the project's manifest."""
    for entry in tree.get("manifests") or ():
        if isinstance(entry, dict) and entry.get("artifactType") == ARTIFACT:
            return registry.manifest(str(entry.get("digest"))).tree
    raise OperationError(f"oci://{text} is an index without a Compose project")


def _write(registry: Registry, manifest: Mapping[str, Any], directory: str, text: str) -> None:
    kind = manifest.get("artifactType") or (manifest.get("config") or {}).get("mediaType")
    if kind not in (ARTIFACT, EMPTY):
        raise OperationError(f"oci://{text} is no Compose project but {kind}")
    layers = manifest.get("layers") or ()
    if len(layers) > _MANY:
        raise OperationError(f"oci://{text} has {len(layers)} files, more than {_MANY}")
    documents: list[bytes] = []
    for layer in layers:
        notes = layer.get("annotations") or {}
        if layer.get("mediaType") == ENV_FILE:
            name = notes.get("com.docker.compose.envfile")
        elif layer.get("mediaType") != FILE:
            continue
        elif "com.docker.compose.extends" in notes:
            name = notes.get("com.docker.compose.file")
        else:
            documents.append(registry.blob(str(layer["digest"])))
            continue
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name == _MAIN:
            raise OperationError(f"oci://{text}: {name!r} is no name of a file")
        _save(directory, name, registry.blob(str(layer["digest"])))
    if not documents:
        raise OperationError(f"oci://{text} holds no Compose file")
    _save(directory, _MAIN, b"\n---\n".join(documents))


def _save(directory: str, name: str, content: bytes) -> None:
    with open(os.path.join(directory, name), "xb") as file:
        file.write(content)


def manifest_of(layers: list[dict[str, Any]], created: str, *, version: str = "1.1") -> bytes:
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
