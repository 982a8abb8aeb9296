"""The body of POST /volumes/create for a top-level volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..labels import COMPATIBLE_VERSION, PROJECT, VERSION, VOLUME, volume_name

if TYPE_CHECKING:
    from ..model import Project
    from .bodies import VolumeBody


def volume_body(project: Project, key: str) -> VolumeBody:
    tree = project.volumes[key] or {}
    return {
        "Name": volume_name(project, key),
        "Driver": tree.get("driver") or "local",
        "DriverOpts": dict(tree.get("driver_opts") or {}),
        "Labels": {
            **(tree.get("labels") or {}),
            PROJECT: project.name,
            VOLUME: key,
            VERSION: COMPATIBLE_VERSION,
        },
    }
