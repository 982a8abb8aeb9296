"""Images: listings, details, history, transfers, builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .containers import ContainerConfig, Labels


class ImageRow(TypedDict, total=False):
    """One element of GET /images/json. ``Created`` is in seconds since the epoch; ``Containers`` and ``SharedSize`` are -1 where
    they were not counted."""

    Id: str
    ParentId: str
    RepoTags: list[str] | None
    RepoDigests: list[str] | None
    Created: int
    Size: int
    SharedSize: int
    VirtualSize: int
    Containers: int
    Labels: Labels | None


class Tagged(TypedDict, total=False):
    LastTagTime: str


class RootFs(TypedDict, total=False):
    """``Layers`` are digests of the uncompressed layers, the lowest first."""

    Type: str
    Layers: list[str] | None


class Image(TypedDict, total=False):
    """GET /images/{name}/json."""

    Id: str
    RepoTags: list[str] | None
    RepoDigests: list[str] | None
    Created: str
    Size: int
    Architecture: str
    Variant: str
    Os: str
    Config: ContainerConfig | None
    RootFS: RootFs
    Metadata: Tagged | None


class Layer(TypedDict, total=False):
    """One element of GET /images/{name}/history, the newest first."""

    Id: str
    Created: int
    CreatedBy: str
    Size: int
    Comment: str
    Tags: list[str] | None


class Removed(TypedDict, total=False):
    """One element of DELETE /images/{name}: either of the two."""

    Untagged: str
    Deleted: str


class ImagesPruned(TypedDict, total=False):
    ImagesDeleted: list[Removed] | None
    SpaceReclaimed: int


class Found(TypedDict, total=False):
    """One element of GET /images/search."""

    name: str
    description: str
    star_count: int
    is_official: bool
    is_automated: bool


class Amount(TypedDict, total=False):
    """Bytes; ``total`` is 0 or missing where it is not known."""

    current: int
    total: int


class Aux(TypedDict, total=False):
    """What a push or a build says at its end."""

    ID: str
    Tag: str
    Digest: str
    Size: int


class Transfer(TypedDict, total=False):
    """One JSON line of a pull, push, load, import or of the classic builder."""

    id: str
    status: str
    stream: str
    progress: str
    progressDetail: Amount | None
    aux: Aux | None
