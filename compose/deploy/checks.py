"""Health checks that images bring along, from their registries: a cluster that does not know HEALTHCHECK is told what the image says."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Protocol, cast

from ...grammar.jsontree import items, mapping, mappings, text, whole
from ..errors import EngineError, OperationError
from ..labels import image_name
from ..model.values import Duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...grammar.jsontree import Object
    from ..client import Engine
    from ..model import Project
    from ..model.service import HealthCheck
    from ..remote.registry import Registry

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


class Ask(Protocol):
    def __call__(self, ref: str) -> HealthCheck:
        """The check of the image ``ref``, empty for one without. Raises `OperationError`."""


def look_up_checks(
    project: Project, images: Mapping[str, str], services: Iterable[str], ask: Ask | None = None
) -> dict[str, HealthCheck]:
    """The check that counts, for those of ``services`` that name none of their own: the image's, with what the service says of its pace.
    Images without a digest are not asked for: nobody here could ask their registry a moment ago."""
    known: dict[str, HealthCheck] = {}
    found: dict[str, HealthCheck] = {}
    for name in services:
        own = project.services[name].get("healthcheck") or {}
        ref = images.get(name, "")
        if own.get("test") or own.get("disable") or "@" not in ref:
            continue
        if ref not in known:
            known[ref] = {}
            with contextlib.suppress(
                OperationError
            ):  # as for the digest: what cannot be asked about is deployed as it is
                known[ref] = (ask or image_check)(ref)
        if known[ref]:
            found[name] = {**known[ref], **own}
    return found


def built_checks(engine: Engine, project: Project) -> dict[str, HealthCheck]:
    """The checks of images that are built here, as the engine has them: whatever nodes call the registry, or how it can be reached."""
    found: dict[str, HealthCheck] = {}
    for name, tree in project.services.items():
        own = tree.get("healthcheck") or {}
        if not tree.get("build") or own.get("test") or own.get("disable"):
            continue
        with contextlib.suppress(EngineError):  # it is still to be built
            config = engine.images.inspect(image_name(project, name)).get("Config")
            if check := check_of(cast("Object", config or {})):
                found[name] = {**check, **own}
    return found


def image_check(ref: str) -> HealthCheck:
    """By the image's manifest and configuration; of an index, the first image that runs on Linux."""
    from ..remote.registry import Registry, parse_reference

    reference = parse_reference(ref)
    registry = Registry(reference)
    manifest = registry.manifest(reference.version)
    tree: Object = manifest.tree
    if manifest.media_type in INDEXES:
        digest = next((text(one.get("digest")) for one in mappings(tree.get("manifests")) if _runs_here(one)), "")
        if not digest:
            return {}
        tree = registry.manifest(digest).tree
    return check_of(_configuration(registry, tree))


def _runs_here(entry: Object) -> bool:
    """Not an attestation, whose platform is unknown."""
    return text(mapping(entry.get("platform")).get("os")) == "linux"


def _configuration(registry: Registry, manifest: Object) -> Object:
    digest = text(mapping(manifest.get("config")).get("digest"))
    try:
        found = json.loads(registry.blob(digest)) if digest else {}
    except (ValueError, RecursionError):
        found = {}
    return mapping(mapping(found).get("config"))


def check_of(config: Object) -> HealthCheck:
    """``Healthcheck`` of an image's configuration as the model has it; durations there are nanoseconds, and 0 says nothing."""
    tree = mapping(config.get("Healthcheck"))
    words = [text(one) for one in items(tree.get("Test"))]
    if len(words) < 2 or words[0] not in ("CMD", "CMD-SHELL"):
        return {}
    check: HealthCheck = {"test": words}
    if value := whole(tree.get("Interval")):
        check["interval"] = Duration(value)
    if value := whole(tree.get("Timeout")):
        check["timeout"] = Duration(value)
    if value := whole(tree.get("StartPeriod")):
        check["start_period"] = Duration(value)
    if value := whole(tree.get("StartInterval")):
        check["start_interval"] = Duration(value)
    if value := whole(tree.get("Retries")):
        check["retries"] = value
    return check
