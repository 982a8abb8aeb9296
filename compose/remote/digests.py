"""Image references with the digest that their tag has in the registry now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .registry import Registry, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def pinned(text: str, known: dict[str, str]) -> str:
    """``text`` in full, with its digest. Raises `OperationError`. ``known`` keeps answers."""
    if text not in known:
        reference = parse_reference(text)
        digest = reference.digest or Registry(reference).manifest(reference.version).digest
        tag = f":{reference.tag}" if reference.tag and not reference.digest else ""
        known[text] = f"{reference.name}{tag}@{digest}"
    return known[text]


def pin_images(services: Mapping[str, dict[str, Any]]) -> None:
    """Replace the images of services, of their pre_start hooks and of their mounts, in place."""
    known: dict[str, str] = {}
    for service in services.values():
        for holder, key in _references(service):
            holder[key] = pinned(str(holder[key]), known)


def _references(service: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    if service.get("image"):
        yield service, "image"
    for hook in service.get("pre_start") or ():
        if hook.get("image"):
            yield hook, "image"
    for volume in service.get("volumes") or ():
        if volume.get("type") == "image" and volume.get("source"):
            yield volume, "source"
