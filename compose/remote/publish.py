"""A project's files as the layers of an artifact: what `docker compose publish` sends and `fetch_artifact` reads.

The files go as they are written, variables unresolved. Files that services extend and env files come along under names that
tell nothing of where they were, and the references to them are rewritten in place.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, NamedTuple

import yaml

from ..errors import OperationError
from ..labels import COMPATIBLE_VERSION
from . import is_remote
from .oci import ENV_FILE, FILE, MANIFEST, manifest_of
from .registry import Registry, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..remote.oci import Descriptor

_PREFIX = "com.docker.compose."


class Layer(NamedTuple):
    kind: str
    notes: dict[str, str]
    content: bytes


class _Use(NamedTuple):
    """A scalar of the text that names another file."""

    node: yaml.ScalarNode
    extends: bool


def layers_of(files: Sequence[str], directory: str, *, with_environment: bool) -> list[Layer]:
    """The layers for the Compose ``files`` of the project in ``directory``. Raises `OperationError` for what cannot go."""
    done: dict[str, Layer] = {}
    main = [Layer(FILE, {"file": os.path.basename(path)}, _rewritten(path, directory, done, True)) for path in files]
    others = [layer for layer in done.values() if layer.kind == FILE or with_environment]
    return [*main, *others]


def send(layers: Sequence[Layer], target: str, created: str, version: str) -> str:
    """Store the artifact in the registry; its digest."""
    reference = parse_reference(target)
    registry = Registry(reference)
    registry.put_blob(b"{}")
    described: list[Descriptor] = []
    for layer in layers:
        notes = {f"{_PREFIX}{name}": value for name, value in layer.notes.items()} | {
            f"{_PREFIX}version": COMPATIBLE_VERSION
        }
        digest = registry.put_blob(layer.content)
        size = len(layer.content)
        described.append({"mediaType": layer.kind, "digest": digest, "size": size, "annotations": notes})
    return registry.put_manifest(manifest_of(described, created, version=version), MANIFEST)


def _rewritten(path: str, base: str, done: dict[str, Layer], top: bool) -> bytes:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OperationError(f"{path}: {error}") from error
    changes: dict[int, tuple[int, str]] = {}
    for document in documents:
        if top and any(not is_remote(name) for name in _includes(document)):
            raise OperationError(f"{path}: a project that includes local files cannot be published")
        for use in _uses(document):
            name = _published_name(use, path, base, done)
            if name:
                changes[use.node.start_mark.index] = (use.node.end_mark.index, json.dumps(name))
    for start in sorted(changes, reverse=True):
        end, name = changes[start]
        text = text[:start] + name + text[end:]
    return text.encode()


def _published_name(use: _Use, path: str, base: str, done: dict[str, Layer]) -> str:
    """The name under which the file goes, which it is added for; "" for a file that stays elsewhere."""
    written = str(use.node.value)
    if is_remote(written):
        return ""
    if "$" in written:
        where = f"{path}:{use.node.start_mark.line + 1}:{use.node.start_mark.column + 1}"
        raise OperationError(f"{where}: a file whose name depends on variables cannot be published")
    full = os.path.normpath(os.path.join(base, written))
    key = hashlib.sha256(full.encode()).hexdigest()
    name = f"{key}.yaml" if use.extends else f"{key}.env"
    if name not in done and os.path.isfile(full):
        if use.extends:
            done[name] = Layer(FILE, {"file": name, "extends": "true"}, b"")  # a file may extend itself
            content = _rewritten(full, os.path.dirname(full), done, False)
            done[name] = Layer(FILE, {"file": name, "extends": "true"}, content)
        else:
            with open(full, "rb") as file:
                done[name] = Layer(ENV_FILE, {"envfile": name}, file.read())
    return name


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """The entries of a mapping node, those that it merges included."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value == "<<":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                yield from _pairs(merged)
        elif isinstance(key, yaml.ScalarNode):
            yield str(key.value), value


def _scalars(node: yaml.Node, key: str) -> Iterator[yaml.ScalarNode]:
    """A scalar, a list of them, or mappings that have one under ``key``."""
    if isinstance(node, yaml.ScalarNode):
        if node.value:
            yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item, key)
    else:
        for name, value in _pairs(node):
            if name == key and isinstance(value, yaml.ScalarNode):
                yield value
            elif name == key:
                yield from _scalars(value, key)


def _uses(document: yaml.Node | None) -> Iterator[_Use]:
    for section, services in _pairs(document):
        if section != "services":
            continue
        for _, service in _pairs(services):
            for key, value in _pairs(service):
                if key == "env_file":
                    yield from (_Use(node, False) for node in _scalars(value, "path"))
                elif key == "extends" and isinstance(value, yaml.MappingNode):
                    yield from (_Use(node, True) for node in _scalars(value, "file"))


def _includes(document: yaml.Node | None) -> Iterator[str]:
    for key, value in _pairs(document):
        if key == "include":
            yield from (str(node.value) for node in _scalars(value, "path"))
