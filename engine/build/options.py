"""What a build is asked to do, as values: the context, the Dockerfile, and everything ``docker build`` has a flag for.

Engine API and compose files are turned into these elsewhere; nothing is read or checked against the disk here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from ..images.types import Auth
    from ..linux import oci


Network = Literal["default", "none", "host"]


@dataclass(frozen=True, slots=True)
class DirectoryContext:
    """A directory of the engine host, absolute. It is read in place, through its ``.dockerignore``."""

    path: Path


@dataclass(frozen=True, slots=True)
class TarContext:
    """A tar of any compression, read once, as ``POST /build`` brings it."""

    stream: BinaryIO


@dataclass(frozen=True, slots=True)
class RemoteContext:
    """A git repository (``https://host/repo.git#ref:subdir``), or the URL of a tar or of a lone Dockerfile."""

    url: str


@dataclass(frozen=True, slots=True)
class EmptyContext:
    """No files at all: a Dockerfile from standard input."""


class FileSource(Protocol):
    """A directory of the client's, which sends it when it is asked to. ``identity`` says which it is from one build to the
    next; "" when that is not known."""

    identity: str

    def receive(self, root: Path, *, excluded: Sequence[str] = (), paths: Sequence[str] | None = None) -> int:
        """Make ``root`` what the client has, asking for what has changed; the bytes that came. ``excluded`` are patterns as in .dockerignore; with
        ``paths`` only these are wanted, and where links among them lead. Raises EngineError."""
        ...


@dataclass(frozen=True, slots=True)
class ReceivedContext:
    """A client's directory, of which only what the build reads is received. The Dockerfile lies in ``definition``."""

    files: FileSource
    definition: FileSource


Context = DirectoryContext | TarContext | RemoteContext | ReceivedContext | EmptyContext


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """One build.

    ``dockerfile`` is a path inside the context; for a directory context it may be absolute or lead outside.
    ``dockerfile_inline`` replaces it, or what a client sends from its ``definition``. ``args`` are build arguments. ``contexts`` are named contexts: an absolute
    directory, a URL, ``docker-image://ref`` or ``target:stage``; those in ``received`` the client sends. ``secrets`` are the bytes by id; ``ssh`` the path of an
    agent's socket by id. ``cache_from`` and ``cache_to`` are ``type=local,src=…``/``dest=…`` with absolute directories,
    ``type=inline``, or an image reference. the result for several ``platforms`` is an image index. ``ulimits`` map a name to (soft, hard), ``shm_size``
    is in bytes, ``resources`` as in the OCI runtime specification. ``entitlements`` are those of BuildKit
    (``security.insecure``, ``network.host``); ``privileged`` grants both and runs every step unconfined.
    ``several`` makes an index even for one platform. ``provenance`` ("min", "max" or "" for none) and ``sbom`` ask for attestations of the image.
    ``caches`` are the client's directories that ``type=client,ref=…`` of ``cache_to`` names: each takes an image that carries the cache.
    ``workers`` is how many stages are built at a time, 0 for the engine's own setting.
    ``auth`` are credentials by registry host. Setting ``cancel`` ends the build.
    """

    context: Context = EmptyContext()
    dockerfile: str = "Dockerfile"
    dockerfile_inline: str | None = None
    definition: FileSource | None = None
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    pull: bool = False
    platforms: tuple[str, ...] = ()
    several: bool = False
    contexts: Mapping[str, str] = field(default_factory=dict)
    received: Mapping[str, FileSource] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    ssh: Mapping[str, Path] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    caches: Mapping[str, Callable[[str], None]] = field(default_factory=dict)
    network: Network = "default"
    extra_hosts: tuple[str, ...] = ()
    shm_size: int | None = None
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    resources: oci.Resources | None = None
    hostname: str = ""
    privileged: bool = False
    entitlements: frozenset[str] = frozenset()
    provenance: str = ""
    sbom: bool = False
    auth: Mapping[str, Auth] = field(default_factory=dict, repr=False)
    workers: int = 0
    cancel: threading.Event | None = None
