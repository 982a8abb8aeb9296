"""Volumes and their snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .containers import Labels


class Usage(TypedDict, total=False):
    """-1 where it was not counted."""

    Size: int
    RefCount: int


class Volume(TypedDict, total=False):
    """GET /volumes/{name}, and one element of GET /volumes. ``CreatedAt`` is RFC 3339."""

    Name: str
    Driver: str
    Mountpoint: str
    CreatedAt: str
    Scope: str
    Labels: Labels | None
    Options: dict[str, str] | None
    UsageData: Usage | None


class Volumes(TypedDict, total=False):
    """GET /volumes."""

    Volumes: list[Volume] | None
    Warnings: list[str] | None


class VolumeUsage(TypedDict, total=False):
    """GET /pycompose/volumes: bytes that a container sees, and bytes on the disk where they are known."""

    Name: str
    Size: int
    Allocated: int
    RefCount: int


class Snapshot(TypedDict, total=False):
    """GET /pycompose/snapshots; ``Created`` is in nanoseconds since the epoch."""

    Group: str
    Name: str
    Created: int
    Volumes: list[str]
