"""One build in progress: what all of its stages share, and how the things they copy from are opened."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...grammar import sizes
from ..errors import NotFound, Unprocessable
from ..images.reference import parse
from ..images.types import Image, Platform
from .contexts import Pending, fill_from_archive, open_directory
from .dockerfile.words import Budget
from .plan import ImageSource, NamedContext, Scratch, Source, StageSource
from .progress import Notice, StepNote, StepStatus
from .remote import clone, download, parse_git

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..images.service import Images
    from ..images.types import Auth, Layer
    from .cache import BuildCache
    from .cachedir import CacheStores
    from .contexts import OpenContext
    from .dockerfile import Dockerfile
    from .filecache import FileDigests
    from .mountcache import MountCache
    from .options import BuildOptions
    from .plan import Plan
    from .progress import Event, Steps
    from .state import ImageState
    from .steps import StepRunner
    from .trees import Tree

_IMAGE_SCHEME = "docker-image://"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Something to copy from, opened. ``path`` is its root on the host."""

    tree: Tree
    path: Path


@dataclass(slots=True)
class Session:
    """``workdir`` is the build's own directory, on the file system of the layers. ``epoch`` is SOURCE_DATE_EPOCH.

    ``among_others`` is one platform's part of a build for several. ``results`` are finished stages; a stage reads only those it depends on. ``resources`` is closed with the build.
    """

    options: BuildOptions
    dockerfile: Dockerfile
    context: OpenContext
    images: Images
    runner: StepRunner
    cache: BuildCache
    mounts: MountCache
    files: FileDigests
    stores: CacheStores
    workdir: Path
    platform: Platform
    arguments: dict[str, str]
    epoch: int | None
    stop: threading.Event
    resources: ExitStack
    steps: Steps
    among_others: bool = False
    results: dict[int, ImageState] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _images: dict[ImageSource, Image] = field(default_factory=dict)
    _named: dict[str, Path] = field(default_factory=dict)

    def emit(self, event: Event) -> None:
        """Report progress, one event at a time."""
        self.steps.emit(event)

    def cancelled(self) -> bool:
        return self.stop.is_set()

    def check(self) -> None:
        if self.stop.is_set():
            raise Unprocessable("context canceled")

    def held(self, layers: Sequence[Layer]) -> bool:
        """Keep layers from being pruned until the build ends. False where that comes too late for one of them."""
        with self._lock:
            self.resources.enter_context(self.images.hold(layers))
        return all(self.images.layer_path(layer).is_dir() for layer in layers)

    def scratch_directory(self, purpose: str) -> Path:
        """A new directory of the build's own."""
        path = self.workdir / f"{purpose}-{os.urandom(6).hex()}"
        path.mkdir(mode=0o755)
        return path

    # bases ---------------------------------------------------------------------------------------------------------
    def image(self, source: ImageSource) -> Image:
        """The image a source names: the local one, or pulled when there is none, or when the build says to pull."""
        with self._lock:
            known = self._images.get(source)
        if known is not None:
            return known
        name = source.reference
        if not name.startswith("sha256:"):
            name = str(parse(name).with_default_tag)
        with self.steps.internal(f"[internal] load metadata for {name}") as step:
            return self._find_image(source, step)

    def _find_image(self, source: ImageSource, step: int) -> Image:
        platform = Platform.parse(source.platform) if source.platform else self.platform
        for _ in range(_TRIES):
            image = self._local(source.reference, platform, explicit=bool(source.platform or self.options.platforms))
            if image is None:
                image = self.images.pull(
                    source.reference,
                    auth=self._auth(source.reference),
                    platform=platform,
                    progress=lambda status: self.emit(StepStatus(step, status)),
                )
            if self.held(image.layers):
                break
        else:
            raise NotFound(f"image {source.reference} is removed as soon as it is there")
        with self._lock:
            return self._images.setdefault(source, image)

    def _local(self, reference: str, platform: Platform, *, explicit: bool) -> Image | None:
        is_id = reference.startswith("sha256:")
        if self.options.pull and not is_id:
            return None
        try:
            with suppress(NotFound):
                return self.images.resolve(reference, platform)
            image = self.images.resolve(reference)
        except NotFound:
            if is_id:
                raise
            return None
        architecture = image.config.get("architecture") or platform.architecture
        if architecture != platform.architecture:
            if explicit and not is_id:
                return None
            self.emit(Notice(f"{reference} is for {architecture}, the build for {platform.architecture}"))
        return image

    def _auth(self, reference: str) -> Auth | None:
        return self.options.auth.get(parse(reference).domain)

    def image_layers(self, source: Source) -> tuple[Layer, ...] | None:
        """The layers that a source consists of, bottom first; None when it is no image."""
        if isinstance(source, StageSource):
            return tuple(self.results[source.index].layers)
        if isinstance(source, ImageSource):
            return self.image(source).layers
        if isinstance(source, Scratch):
            return ()
        image = self.named_image(source)
        return None if image is None else self.image(image).layers

    def named_image(self, source: NamedContext) -> ImageSource | None:
        value = self.options.contexts[source.name]
        if value.startswith(_IMAGE_SCHEME):
            return ImageSource(value.removeprefix(_IMAGE_SCHEME))
        return None

    # the client's files ----------------------------------------------------------------------------------------------
    def receive_context(self, plan: Plan) -> None:
        """Have the client send what the plan's stages read of the context, when it is one that is sent."""
        pending = self.context.pending
        if pending is None:
            return
        wanted = plan.context_paths()
        if wanted is not None and not wanted:
            return
        with self.steps.internal("[internal] load .dockerignore") as step:
            excluded = pending.patterns(self.scratch_directory("ignore"))
            self.emit(StepNote(step, f"transferring context: {sizes.decimal(len(pending.ignore or b''))}"))
        with self.steps.internal("[internal] load build context") as step:
            size = pending.files.receive(self.context.path, excluded=excluded, paths=wanted)
            self.emit(StepNote(step, f"transferring context: {sizes.decimal(size)}"))

    # copying from --------------------------------------------------------------------------------------------------
    def identity(self, source: Source | None) -> str | None:
        """A text that stands for everything in an immutable source; None for contexts, which may change."""
        if source is None:
            return None
        layers = self.image_layers(source)
        if layers is None:
            return None
        return layers[-1].chain_id if layers else "scratch"

    @contextmanager
    def origin(self, source: Source | None) -> Iterator[Origin]:
        """Open what a COPY or a mount reads: None is the build context."""
        if source is None:
            yield Origin(self.context.tree, self.context.path)
            return
        layers = self.image_layers(source)
        if layers is not None:
            lower = self.lower(layers)
            with self.images.mounted(lower) as path, open_directory(path, self._describe(source)) as tree:
                yield Origin(tree, path)
            return
        assert isinstance(source, NamedContext)
        path = self._named_directory(source.name)
        with open_directory(path, f"context {source.name}", own=True) as tree:
            yield Origin(tree, path)

    def lower(self, layers: Sequence[Layer]) -> tuple[Path, ...]:
        """An overlay's directories, top-most first; never none."""
        paths = tuple(self.images.layer_path(layer) for layer in reversed(layers))
        return paths or (self.empty_directory(),)

    def empty_directory(self) -> Path:
        path = self.workdir / "empty"
        path.mkdir(mode=0o755, exist_ok=True)
        return path

    @staticmethod
    def _describe(source: Source) -> str:
        return f"stage {source.index}" if isinstance(source, StageSource) else str(getattr(source, "reference", source))

    def _named_directory(self, name: str) -> Path:
        with self._lock:
            known = self._named.get(name)
            if known is None:
                known = self._named[name] = self._open_named(name, self.options.contexts[name])
        return known

    def _open_named(self, name: str, value: str) -> Path:
        source = self.options.received.get(name)
        if source is not None:
            path = self.scratch_directory("context")
            with self.steps.internal(f"[context {name}] load from client") as step:
                excluded = Pending(source, None).patterns(self.scratch_directory("ignore"))
                size = source.receive(path, excluded=excluded)
                self.emit(StepNote(step, f"transferring {name}: {sizes.decimal(size)}"))
            return path
        git = parse_git(value, context=True)
        if git is not None:
            path = self.scratch_directory("context")
            agents = self.options.ssh
            clone(git, path, self.cancelled, keep_git_dir=bool(git.keep_git_dir), own=True, agents=agents)
            if not git.directory:
                return path
            with open_directory(path, "repository") as tree:
                inner = tree.canonical(git.directory)
            if inner is None:
                raise Unprocessable(f"{value}: the repository has no directory {git.directory!r}")
            return path / inner
        if value.startswith(("http://", "https://")):
            path = self.scratch_directory("context")
            got = download(value, self.workdir, self.cancelled)
            with got.path.open("rb") as stream:
                lone = fill_from_archive(iter(lambda: stream.read(1 << 20), b""), path)
            if lone is not None:
                (path / got.name).write_bytes(lone)
            return path
        local = Path(value.removeprefix("dir:"))
        if not local.is_absolute():
            raise Unprocessable(
                f"named context {name!r}: {value!r} is neither an absolute directory, a URL nor an image"
            )
        return local
