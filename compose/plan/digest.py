"""The configuration hash of a service and the digests of its fields.

The hash covers the canonical service as far as a container depends on it, the resolved names of its networks and
volumes, and the *contents* of its configs and secrets: a changed file is a changed service. Field digests are kept in a
label so that a later plan can say which fields changed.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

from .. import files
from ..contents import file_content, file_objects, uses
from ..errors import dotted
from ..labels import network_name, volume_name
from ..model.values import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..errors import Path
    from ..model import Project

OUTSIDE = frozenset(
    {
        "attach",
        "build",
        "depends_on",
        "develop",
        "image",
        "profiles",
        "pull_policy",
        "pull_refresh_after",
        "scale",
    }
)
"""Attributes that leave an existing container as it is. The image is compared by its id, which also sees a moved tag."""

_DEPLOY_INSIDE = ("resources", "restart_policy")
_FIELD_DIGITS = 6


class ServiceDigest(NamedTuple):
    config_hash: str
    tree: dict[str, object]

    def fields(self) -> dict[str, str]:
        """Dotted key path -> short digest, for every leaf."""
        return {dotted(path): _digest(value)[:_FIELD_DIGITS] for path, value in leaves(self.tree)}


def service_digest(project: Project, name: str, contents: Mapping[tuple[str, str], str]) -> ServiceDigest:
    """``contents`` holds digests of the files behind configs and secrets, by (``configs``|``secrets``, name)."""
    service = project.services[name]
    tree: dict[str, object] = {key: value for key, value in service.items() if key not in OUTSIDE and value is not None}
    deploy = {key: value for key, value in (service.get("deploy") or {}).items() if key in _DEPLOY_INSIDE and value}
    tree.pop("deploy", None)
    if deploy:
        tree["deploy"] = deploy
    if service.get("image"):
        tree["image"] = service["image"]
    names = {key: network_name(project, key) for key in service.get("networks") or ()}
    if names:
        tree["network_names"] = names
    mounts = service.get("volumes") or ()
    named = [item["source"] for item in mounts if item.get("type", "volume") == "volume" and "source" in item]
    volumes = {source: volume_name(project, source) for source in named if source in project.volumes}
    if volumes:
        tree["volume_names"] = volumes
    models = {ref: (project.models.get(ref) or {}).get("model") for ref in service.get("models") or ()}
    if models:
        tree["model_names"] = models
    for noun in ("configs", "secrets"):
        sources = [use.reference["source"] for use in uses(service) if use.noun == noun]
        if sources:
            tree[f"{noun}_content"] = {source: contents.get((noun, source)) for source in sources}
    shown = {key: written(value) for key, value in tree.items()}
    return ServiceDigest(_digest(shown), shown)


def leaves(tree: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every scalar (and empty container) with its path."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, (list, tuple)) and tree:
        for index, value in enumerate(tree):
            yield from leaves(value, (*path, index))
    else:
        yield path, tree


def changed_fields(old: Mapping[str, str], digest: ServiceDigest) -> list[tuple[Path, str]]:
    """Fields that differ from the recorded digests: (path, ``changed`` | ``added`` | ``removed``), in path order.

    A removed field is known by its dotted name only: its path is one string.
    """
    new = {dotted(path): (path, _digest(value)[:_FIELD_DIGITS]) for path, value in leaves(digest.tree)}
    result: list[tuple[Path, str]] = []
    for name, (path, value) in new.items():
        if name not in old:
            result.append((path, "added"))
        elif old[name] != value:
            result.append((path, "changed"))
    result.extend(((name,), "removed") for name in old if name not in new)
    return sorted(result, key=lambda item: (dotted(item[0]), item[1]))


def content_digests(project: Project) -> dict[tuple[str, str], str]:
    """Digests of the contents of all configs and secrets in use. Reads files; one that cannot be read counts as absent."""
    result: dict[tuple[str, str], str] = {}
    for service in project.services.values():
        for use in uses(service):
            key = (use.noun, use.reference["source"])
            tree = file_objects(project, use.noun).get(key[1]) or {}
            if key in result or tree.get("external"):
                continue
            content = file_content(project, *key)
            if content is None:
                try:
                    result[key] = hashlib.sha256(files.read(str(tree.get("file")))).hexdigest()
                except OSError:
                    result[key] = "unreadable"
            else:
                result[key] = hashlib.sha256(content).hexdigest()
    return result


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
