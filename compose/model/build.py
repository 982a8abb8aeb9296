"""The ``build`` section of a service: Compose Specification, build.md. Types only; nothing here is imported at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .parts import FileReference, Ulimit
    from .values import Size


class Build(TypedDict, total=False):
    """``args`` with the value None are taken from the environment of whoever builds; ``ssh`` are ``id`` or ``id: path``."""

    context: str
    dockerfile: str
    dockerfile_inline: str
    entitlements: list[str]
    args: dict[str, str | None]
    provenance: str
    sbom: str
    ssh: list[str]
    labels: dict[str, str]
    cache_from: list[str]
    cache_to: list[str]
    no_cache: bool
    no_cache_filter: list[str]
    additional_contexts: dict[str, str]
    pull: bool
    extra_hosts: list[str]
    isolation: str
    network: str
    target: str
    secrets: list[FileReference]
    shm_size: Size
    tags: list[str]
    ulimits: dict[str, int | Ulimit]
    platforms: list[str]
    privileged: bool
