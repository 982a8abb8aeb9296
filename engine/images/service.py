"""Images: the one door to image records, layers and blobs.

Everything is synchronous and may be called from any thread. Work is done by the modules beside this one; this class
only joins them with the store and publishes events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ..layout import Layout
    from ..store import Store
    from .types import Auth, Image, ImageUser, Layer, Platform, RootRunner

    Publish = Callable[[str, str, str, Mapping[str, str]], None]
    Progress = Callable[[dict[str, Any]], None]


class Images:
    def __init__(self, layout: Layout, store: Store, publish: Publish) -> None:
        raise NotImplementedError

    def recover(self) -> None:
        """Drop what a crash left half done. Call once at engine start, before anything else."""
        raise NotImplementedError

    def close(self) -> None:
        """Wait for background flushing; call at engine exit."""
        raise NotImplementedError

    def protect(self, source: Callable[[], Iterable[str]]) -> None:
        """Register a source of chain IDs that are in use besides images (the build cache): never collected."""
        raise NotImplementedError

    # look-up -------------------------------------------------------------------------------------------------------
    def resolve(self, ref: str) -> Image:
        """By name[:tag], name@digest, image ID or unique ID prefix; NotFound "No such image: REF"."""
        raise NotImplementedError

    def list(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Image]:
        """Newest first. Filters as Docker's: reference, dangling, label, before, since, until."""
        raise NotImplementedError

    def inspect(self, image: Image) -> dict[str, Any]:
        """Docker's ImageInspect."""
        raise NotImplementedError

    def summary(self, image: Image) -> dict[str, Any]:
        """Docker's ImageSummary, as GET /images/json lists (Containers is -1)."""
        raise NotImplementedError

    def history(self, image: Image) -> builtins.list[dict[str, Any]]:
        """Docker's history entries, newest first."""
        raise NotImplementedError

    def layer_path(self, layer: Layer) -> Path:
        raise NotImplementedError

    def layer_paths(self, image: Image) -> tuple[Path, ...]:
        """Top-most first: the lowerdirs of an overlay."""
        raise NotImplementedError

    # change --------------------------------------------------------------------------------------------------------
    def tag(self, image_id: str, ref: str) -> None:
        raise NotImplementedError

    def remove(
        self, ref: str, *, force: bool = False, prune: bool = True, in_use: Callable[[str], Sequence[ImageUser]]
    ) -> builtins.list[dict[str, str]]:
        """Untag, or delete with all tags; returns [{"Untagged": …}, {"Deleted": …}]; Conflict in Docker's words."""
        raise NotImplementedError

    def prune(
        self,
        *,
        all: bool = False,
        filters: Mapping[str, Sequence[str]] | None = None,
        in_use: Callable[[str], Sequence[ImageUser]],
    ) -> tuple[builtins.list[dict[str, str]], int]:
        """Remove dangling (or all unused) images; (removed, bytes reclaimed)."""
        raise NotImplementedError

    def commit_layer(self, tree: Path, parents: Sequence[Layer], *, move: bool = True) -> Layer:
        """A directory in overlay-upper form becomes a layer atop ``parents`` (bottom first).

        ``move=True`` takes the directory away (same filesystem: a rename), ``move=False`` copies (docker commit).
        """
        raise NotImplementedError

    def apply_layer(self, stream: BinaryIO, parents: Sequence[Layer]) -> Layer:
        """A layer tar (any compression) becomes a layer atop ``parents``."""
        raise NotImplementedError

    def add(self, config: Mapping[str, Any], layers: Sequence[Layer], *, parent: str = "") -> Image:
        """Store an image configuration over these layers (rootfs.diff_ids is filled in here)."""
        raise NotImplementedError

    def import_rootfs(
        self,
        stream: BinaryIO,
        *,
        ref: str = "",
        changes: Sequence[str] = (),
        message: str = "",
        platform: Platform | None = None,
    ) -> Image:
        """docker import: a root filesystem tar (any compression) becomes a one-layer image."""
        raise NotImplementedError

    def mounted(
        self, lower: Sequence[Path], upper: Path | None = None, work: Path | None = None
    ) -> AbstractContextManager[Path]:
        """A temporary merged view under layout.mounts; ``lower`` top-most first; read-only without ``upper``."""
        raise NotImplementedError

    def hold(self, layers: Sequence[Layer]) -> AbstractContextManager[None]:
        """Protect layers from remove and prune while something is being made from them."""
        raise NotImplementedError

    # carry ---------------------------------------------------------------------------------------------------------
    def export(self, lower: Sequence[Path], upper: Path | None, out: BinaryIO) -> None:
        """docker export: the merged view as one tar."""
        raise NotImplementedError

    def save(self, refs: Sequence[str], out: BinaryIO, *, format: str = "docker-archive") -> None:
        """Formats: docker-archive (with an OCI layout inside, as docker save ≥ 25 writes), oci-archive."""
        raise NotImplementedError

    def load(self, stream: BinaryIO, progress: Progress | None = None) -> builtins.list[Image]:
        """Either format, any compression, from a stream."""
        raise NotImplementedError

    def pull(
        self,
        ref: str,
        *,
        auth: Auth | None = None,
        platform: Platform | None = None,
        progress: Progress | None = None,
        all_tags: bool = False,
    ) -> Image:
        raise NotImplementedError

    def push(self, ref: str, *, auth: Auth | None = None, progress: Progress | None = None) -> str:
        """Returns the digest of the pushed manifest."""
        raise NotImplementedError

    def login(self, auth: Auth, server: str = "") -> str:
        """Check credentials against a registry; returns an identity token or ""; Unauthorized when refused."""
        raise NotImplementedError

    def bootstrap(
        self,
        ref: str,
        *,
        runner: RootRunner,
        progress: Progress | None = None,
        mirror: str | None = None,
        platform: Platform | None = None,
    ) -> Image:
        """Build a Debian or Ubuntu base image from the distribution's signed archive and tag it ``ref``."""
        raise NotImplementedError
