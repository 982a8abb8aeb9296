"""The body of POST /volumes/create for a top-level volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..labels import COMPATIBLE_VERSION, PROJECT, VERSION, VOLUME, volume_name
from .values import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Project


def volume_body(project: Project, key: str) -> dict[str, Any]:
    tree: Mapping[str, Any] = project.volumes[key] or {}
    labels = {
        **pairs(tree.get("labels")),
        PROJECT: project.name,
        VOLUME: key,
        VERSION: COMPATIBLE_VERSION,
    }
    return {
        "Name": volume_name(project, key),
        "Driver": tree.get("driver") or "local",
        "DriverOpts": {name: str(value) for name, value in (tree.get("driver_opts") or {}).items()},
        "Labels": {name: str(value) for name, value in labels.items()},
    }
