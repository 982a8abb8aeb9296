"""Secrets, configs and small bind mounts as immutable objects with their content in the name."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from ... import files
from ..naming import Content, contents
from ..objects import Wanted
from .names import KEY, LONGEST, checked_annotations, dns_name, own_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ...errors import Path
    from ...model import Project
    from ..findings import Findings
    from .bodies import storage as bodies
    from .bodies.meta import Metadata
    from .facts import Facts

LARGEST = 1 << 20
"""Bytes of data in one object, all keys together."""

MANY = 500
"""Files of a directory that still becomes one object."""

LONGEST_KEY, DIGITS = 253, 16
"""Characters of a key, and those of them that tell two apart which would be the same."""

FILE = "file"
"""The key of the one file of a secret or config."""


class Source(NamedTuple):
    """An object to mount: its name, the key of the file in it, and for directories path and mode of each key."""

    name: str
    key: str
    items: tuple[tuple[str, str, int], ...] = ()


def file_objects(
    project: Project, facts: Facts, noun: str, findings: Findings
) -> tuple[list[Wanted], dict[str, Source]]:
    """The objects for ``noun`` (configs or secrets), and what a service mounts for each, external ones too."""
    section = project.secrets if noun == "secrets" else project.configs
    objects: list[Wanted] = []
    sources: dict[str, Source] = {}
    for key, tree in section.items():
        if (tree or {}).get("external"):
            name = str(tree.get("name") or key)
            sources[key] = Source(name, key)
    for key, content in contents(project, noun, LARGEST).items():
        tree = section.get(key) or {}
        base = dns_name(str(tree.get("name") or key)) or "file"
        name = content.name(base, LONGEST)
        notes = checked_annotations(tree.get("labels"), (noun, key, "labels"), findings)
        kind = "Secret" if noun == "secrets" else "ConfigMap"
        body = _object(project, facts, kind, name, {FILE: content.data}, {KEY: dns_name(key)}, notes)
        objects.append(Wanted(kind, name, body, (noun, key)))
        sources[key] = Source(name, FILE)
    return objects, sources


def bind_object(
    project: Project, facts: Facts, path: Path, source: str, findings: Findings
) -> tuple[Wanted, Source] | None:
    """A file or small directory of this machine as a ConfigMap; None, and a refusal, for what is none."""
    try:
        found = _small_tree(source)
    except OSError as error:
        findings.refuse(path, f"{error.filename or source}: {error.strerror or error}")
        return None
    if not found:
        words = f"{source} is a path of this machine; what is small goes along as a ConfigMap, and this has more than {LARGEST >> 20} MiB or nothing in it"
        findings.refuse(path, words, "use a volume; where every node has the path, allow it with --allow-binds")
        return None
    keys = _keys(sorted(found))
    data = {keys[name]: content for name, (content, _) in found.items()}
    blob = b"".join(f"{name}\0{mode}\0".encode() + content + b"\0" for name, (content, mode) in sorted(found.items()))
    base = dns_name(os.path.basename(source.rstrip("/"))) or "bind"
    name = Content("binds", source, blob).name(base, LONGEST)
    body = _object(project, facts, "ConfigMap", name, data, {}, {})
    items = tuple((keys[one], one, mode) for one, (_, mode) in sorted(found.items()))
    is_single = list(found) == [""]
    if is_single:
        body = _object(project, facts, "ConfigMap", name, {FILE: found[""][0]}, {}, {})
        return Wanted("ConfigMap", name, body, path), Source(name, FILE, ((FILE, FILE, found[""][1]),))
    return Wanted("ConfigMap", name, body, path), Source(name, "", items)


def _small_tree(source: str) -> dict[str, tuple[bytes, int]]:
    """What `_tree` has, and nothing where that is more than one object holds: a directory may be a whole disk."""
    found: dict[str, tuple[bytes, int]] = {}
    size = 0
    for name, (data, mode) in _tree(source):
        found[name] = data, mode
        size += len(data)
        if size > LARGEST or len(found) > MANY:
            return {}
    return found


def _keys(names: Iterable[str]) -> dict[str, str]:
    """A key for each path: its characters as far as keys have them, and digits where that is too long or another's already."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        key = re.sub(r"[^-._a-zA-Z0-9]", "_", name.replace("/", "__"))
        if len(key) > LONGEST_KEY or key in taken or key == "." or key.startswith(".."):
            digits = hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
            key = f"{key.lstrip('.')[: LONGEST_KEY - DIGITS - 1]}-{digits}"
        taken.add(key)
        found[name] = key
    return found


def _tree(source: str) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """The regular files at and below ``source``: relative path (empty for a file itself), content and mode."""
    if not os.path.isdir(source):
        yield "", (files.read(source, LARGEST), _mode(source))
        return
    for directory, _, names in os.walk(source):
        for name in sorted(names):
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                yield os.path.relpath(path, source), (files.read(path, LARGEST), _mode(path))


def _mode(path: str) -> int:
    return 0o555 if os.stat(path).st_mode & 0o111 else 0o444


def _object(
    project: Project,
    facts: Facts,
    kind: str,
    name: str,
    data: Mapping[str, bytes],
    labels: Mapping[str, str],
    notes: Mapping[str, str],
) -> bodies.Files:
    metadata: Metadata = {
        "name": name,
        "namespace": facts.namespace,
        "labels": {**own_labels(project.name, facts.namespace), **labels},
    }
    if notes:
        metadata["annotations"] = dict(notes)
    body: bodies.Files = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "immutable": True}
    if kind == "Secret":
        return {**body, "type": "Opaque", "data": {key: _base64(value) for key, value in data.items()}}
    text: dict[str, str] = {}
    binary: dict[str, str] = {}
    for key, value in data.items():
        try:
            text[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = _base64(value)
    if text:
        body["data"] = text
    if binary:
        body["binaryData"] = binary
    return body


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
