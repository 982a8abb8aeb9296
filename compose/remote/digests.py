"""Image references with the digest that their tag has in the registry now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .registry import Registry, parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.service import Service


def pinned(text: str, known: dict[str, str]) -> str:
    """``text`` in full, with its digest. Raises `OperationError`. ``known`` keeps answers."""
    if text not in known:
        reference = parse_reference(text)
        digest = reference.digest or Registry(reference).manifest(reference.version).digest
        tag = f":{reference.tag}" if reference.tag and not reference.digest else ""
        known[text] = f"{reference.name}{tag}@{digest}"
    return known[text]


def pin_images(services: Mapping[str, Service]) -> None:
    """Replace the images of services, of their pre_start hooks and of their mounts, in place."""
    known: dict[str, str] = {}
    for service in services.values():
        if service.get("image"):
            service["image"] = pinned(service["image"], known)
        for hook in service.get("pre_start", ()):
            if hook.get("image"):
                hook["image"] = pinned(hook["image"], known)
        for volume in service.get("volumes", ()):
            if volume.get("type") == "image" and volume.get("source"):
                volume["source"] = pinned(volume["source"], known)
