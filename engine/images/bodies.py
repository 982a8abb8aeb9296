"""Images in types: the OCI image configuration as it is stored, and what the Engine API says of images.

Only type checkers import this. manifest.py has checked the JSON types of a configuration before it is stored; what a member
means is the OCI image specification's (https://github.com/opencontainers/image-spec/blob/main/config.md). Sizes are bytes.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Healthcheck(TypedDict, total=False):
    """Times in nanoseconds, 0 for the default."""

    Test: list[str]
    Interval: int
    Timeout: int
    StartPeriod: int
    StartInterval: int
    Retries: int


class Empty(TypedDict):
    """The value of each entry of a set."""


Set = dict[str, Empty]


class Process(TypedDict, total=False):
    """The ``config`` member: what containers made of the image run, and how. Null is as good as absent."""

    Hostname: str | None
    Domainname: str | None
    User: str | None
    ExposedPorts: Set | None
    Env: list[str] | None
    Cmd: list[str] | None
    Healthcheck: Healthcheck | None
    ArgsEscaped: bool | None
    Volumes: Set | None
    WorkingDir: str | None
    Entrypoint: list[str] | None
    OnBuild: list[str] | None
    Labels: dict[str, str] | None
    StopSignal: str | None
    Shell: list[str] | None


class History(TypedDict, total=False):
    """One step of an image's making, oldest first; ``created`` is RFC 3339 text."""

    created: str | None
    created_by: str | None
    author: str | None
    comment: str | None
    empty_layer: bool | None


class RootFs(TypedDict, total=False):
    """``diff_ids``: digests of the layers' tars, bottom first."""

    type: str
    diff_ids: list[str]


class CachedStep(TypedDict):
    """One step of a build in an inline or exported cache: ``diff_id`` None when it changed nothing, ``created`` in seconds
    since the epoch."""

    diff_id: str | None
    parent: str
    text: str
    created: float


_Dotted = TypedDict(
    "_Dotted",
    {
        "os.version": str | None,
        "os.features": list[str] | None,
        "pycompose.cache.v0": dict[str, CachedStep],
    },
    total=False,
)


class ImageConfig(_Dotted, total=False):
    """The configuration of an image. Others may have put further members into it, which are kept."""

    created: str | None
    author: str | None
    architecture: str | None
    os: str | None
    variant: str | None
    config: Process | None
    rootfs: RootFs | None
    history: list[History] | None
    comment: str | None
    docker_version: str | None
    container: str | None


class GraphDriver(TypedDict):
    Name: str
    Data: dict[str, str]


class RootFsShown(TypedDict):
    Type: str
    Layers: list[str]


class ImageMetadata(TypedDict):
    LastTagTime: str


class ManifestSize(TypedDict):
    """``Content`` is what is kept of it as at a registry, ``Total`` that and what is unpacked."""

    Content: int
    Total: int


class UnpackedSize(TypedDict):
    Unpacked: int


class ManifestImage(TypedDict):
    Platform: PlatformJson
    Containers: list[str]
    Size: UnpackedSize
    Identity: NotRequired[Identity]


class ManifestAttestation(TypedDict):
    """``For`` is the digest of the manifest that is attested."""

    For: str


class ManifestSummary(TypedDict):
    """One manifest that an image's name stands for; ``Kind`` is image, attestation or unknown."""

    ID: str
    Descriptor: DescriptorJson
    Available: bool
    Size: ManifestSize
    Kind: str
    ImageData: NotRequired[ManifestImage]
    AttestationData: NotRequired[ManifestAttestation]


class PullIdentity(TypedDict):
    Repository: str


class BuildIdentity(TypedDict):
    Ref: str
    CreatedAt: str


class Identity(TypedDict, total=False):
    """Where an image is from."""

    Pull: list[PullIdentity]
    Build: list[BuildIdentity]


class ImageInspect(TypedDict):
    """GET /images/{name}/json; ``Config`` is the image's own with defaults for what it does not say."""

    Id: str
    RepoTags: list[str]
    RepoDigests: list[str]
    Parent: str
    Comment: str
    Created: str
    DockerVersion: str
    Author: str
    Config: dict[str, object]
    Architecture: str
    Os: str
    Size: int
    VirtualSize: int
    GraphDriver: GraphDriver
    RootFS: RootFsShown
    Metadata: ImageMetadata
    Variant: NotRequired[str]
    OsVersion: NotRequired[str]
    Container: NotRequired[str]
    ContainerConfig: NotRequired[dict[str, object]]
    Descriptor: NotRequired[DescriptorJson]
    Manifests: NotRequired[list[ManifestSummary]]
    Identity: NotRequired[Identity]


class ImageSummary(TypedDict):
    """One row of GET /images/json; -1 is not counted. ``Created`` is seconds since the epoch."""

    Id: str
    ParentId: str
    RepoTags: list[str]
    RepoDigests: list[str]
    Created: int
    Size: int
    VirtualSize: int
    SharedSize: int
    Labels: dict[str, str]
    Containers: int
    Descriptor: NotRequired[DescriptorJson]
    Manifests: NotRequired[list[ManifestSummary]]


class HistoryEntry(TypedDict):
    """One of GET /images/{name}/history, newest first."""

    Id: str
    Created: int
    CreatedBy: str
    Tags: list[str] | None
    Size: int
    Comment: str


class ProgressDetail(TypedDict, total=False):
    """Bytes so far and in all; or units of something else."""

    current: int
    total: int
    hidecounts: bool
    units: str


class ErrorDetail(TypedDict, total=False):
    message: str
    code: int


class ProgressMessage(TypedDict, total=False):
    """One line of the stream of pulls, pushes, loads and builds (Docker's JSONMessage)."""

    id: str
    status: str
    progressDetail: ProgressDetail
    progress: str
    stream: str
    error: str
    errorDetail: ErrorDetail
    aux: dict[str, object]


class DescriptorJson(TypedDict):
    """OCI image specification, descriptor.md."""

    mediaType: str
    digest: str
    size: int
    platform: NotRequired[PlatformJson]
    annotations: NotRequired[dict[str, str]]
    artifactType: NotRequired[str]


PlatformJson = TypedDict(
    "PlatformJson",
    {"architecture": str, "os": str, "os.version": str, "os.features": list[str], "variant": str},
    total=False,
)


class Distribution(TypedDict):
    """GET /distribution/{name}/json."""

    Descriptor: DescriptorJson
    Platforms: list[PlatformJson]


class Attestation(TypedDict):
    """An in-toto statement that is kept of an image; ``Statement`` when it is asked for."""

    Descriptor: DescriptorJson
    PredicateType: str
    Statement: NotRequired[object]


class AttestationRecord(TypedDict):
    predicate: str
    digest: str
    size: int


class ImageRecordChanges(TypedDict, total=False):
    """Members of an image's record that are not always there. ``tagged`` in seconds since the epoch; ``manifest`` is the digest
    of what the image came by, ``blobs`` what is kept with it; ``builds`` are
    pairs of a build's ref and its RFC 3339 time, ``pulled`` repositories that it was pulled from, ``index`` the index that was built with the image and lives as long."""

    parent: str
    tagged: float
    manifest: str
    blobs: list[str]
    attestations: list[AttestationRecord]
    builds: list[list[str]]
    pulled: list[str]
    index: str


class ImageRecord(ImageRecordChanges):
    """``layers`` are chain IDs, bottom first."""

    layers: list[str]


class IndexRecord(TypedDict):
    """An image index that is kept. ``images`` are ids by the digest of the manifest, ``blobs`` what is kept with it, ``origin`` the
    repository that it came from, or ""."""

    images: dict[str, str]
    blobs: list[str]
    origin: str


class CompressedRecord(TypedDict):
    """The blob that a push has made of a layer."""

    digest: str
    size: int


class LayerRecord(TypedDict):
    """``size`` is the sum over regular files, ``tar_size`` that of the layer's tar. ``boot`` is there until the layer is
    synced. ``blob`` holds the layer as it came, when its tree does not give the same tar. ``places`` are repositories that
    have it."""

    diff_id: str
    parent: str
    size: int
    tar_size: int
    boot: NotRequired[str]
    blob: NotRequired[str]
    blob_size: NotRequired[int]
    media_type: NotRequired[str]
    places: NotRequired[list[str]]
    gzip: NotRequired[CompressedRecord]


class SearchResult(TypedDict):
    """One of GET /images/search."""

    name: str
    description: str
    star_count: int
    is_official: bool
    is_automated: bool
