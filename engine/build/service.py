"""Builds images from Dockerfiles: the one door to engine/build.

A build reads its Dockerfile, plans the stages its target needs, builds independent stages at the same time, each step
from the cache where it can, and stores the result as an image. Synchronous; call it from a thread. Several builds may
run at once.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...grammar import sizes
from ..errors import EngineError, InvalidParameter
from ..images import reference
from ..images.types import Platform
from ..linux.spread import spread
from ..linux.tree import remove_directory
from ..meters import Operations
from . import plan as planning
from .cache import BuildCache
from .cachedir import MEMBER, CacheStores, parse_cache
from .checks import checked
from .contexts import open_context, received_definition
from .dockerfile import DockerfileError, parse
from .dockerfile.check import unused_arguments
from .dockerfile.errors import Place, excerpt
from .filecache import FileDigests
from .mountcache import MountCache
from .progress import Finished, Notice, Planned, StepFailed, StepNote, Steps, StepStatus
from .recent import Recent
from .result import Made, bound, default_of, finish
from .session import Session
from .stage import StageBuild
from .state import platform_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..images.bodies import ImageConfig
    from ..images.service import Images
    from ..layout import Layout
    from ..store import Store
    from .cache import BuildCacheEntry
    from .cachedir import CacheTarget
    from .checks import Checked
    from .contexts import OpenContext
    from .dockerfile import Dockerfile
    from .options import BuildOptions, FileSource
    from .plan import Plan, Source
    from .progress import Event
    from .state import ImageState
    from .steps import StepRunner

    Publish = Callable[[str, str, str, Mapping[str, str]], None]
    Trees = Mapping[str, tuple[Path, ...]]
    Export = Callable[[Trees, Steps], None]

_EPOCH = "SOURCE_DATE_EPOCH"
_KEPT = 48 * 3600  # seconds that a client's files are kept for its next build, as BuildKit does


class _Begun(NamedTuple):
    """What a build has until it ends."""

    workdir: Path
    stop: threading.Event
    resources: ExitStack
    steps: Steps
    stores: CacheStores


class Builder:
    """``runner`` runs RUN's commands; ``publish`` is told of finished images; of one build ``workers`` stages are built
    at a time."""

    def __init__(
        self,
        images: Images,
        runner: StepRunner,
        layout: Layout,
        store: Store,
        publish: Publish,
        *,
        workers: int = 2,
        builds: Operations | None = None,
    ) -> None:
        self._images, self._runner, self._publish = images, runner, publish
        self._workers = workers
        self._builds = builds or Operations()
        self.recent = Recent(publish)
        self._ending, self._idle, self._active = threading.Event(), threading.Condition(), 0
        root = layout.build_cache
        self._work = root / "work"
        self._cache = BuildCache(store, images)
        self._mounts = MountCache(root / "mounts")
        self._contexts = MountCache(root / "contexts", "source.local", "local source for")
        self._files = FileDigests(root / "files.db")

    def recover(self) -> None:
        """Drop what a killed engine left half built. Call once at engine start, before any build."""
        remove_directory(self._work)
        self._work.mkdir(parents=True, mode=0o700)
        spread(self._work)
        self._mounts.recover()
        self._contexts.recover()

    def end(self, patience: float) -> None:
        """Cancel all builds, and every later one; return when they have ended, or after ``patience`` seconds."""
        self._ending.set()
        with self._idle:
            self._idle.wait_for(lambda: not self._active, patience)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._active += 1
        try:
            yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def close(self) -> None:
        self._files.close()

    # cache ---------------------------------------------------------------------------------------------------------
    def usage(self) -> list[BuildCacheEntry]:
        """BuildCache entries of ``GET /system/df``."""
        return [*self._cache.usage(), *self._mounts.usage(), *self._contexts.usage()]

    def prune(self, *, all: bool = False, keep_storage: int = 0, until: float | None = None) -> tuple[list[str], int]:
        """Forget cached steps, and with ``all`` delete cache directories; (ids, bytes freed on disk).

        Without ``all`` steps whose layer an image shares stay. ``until`` in seconds since the epoch spares what was used
        after it, ``keep_storage`` (bytes) the most recently used.
        """
        removed = self._cache.prune(all=all, keep_storage=keep_storage, until=until)
        freed = self._images.collect()
        if all:
            for kept in (self._mounts, self._contexts):
                directories, more = kept.prune(until=until)
                removed += directories
                freed += more
        return removed, freed

    # building ------------------------------------------------------------------------------------------------------
    def build(
        self,
        options: BuildOptions,
        progress: Callable[[Event], None],
        export: Export | None = None,
        *,
        image: bool = False,
    ) -> str:
        """Build and return the image ID (``sha256:…``). Progress comes from several threads, one call at a time.

        With ``export`` no image is made, and "" returned, unless ``image`` asks for it: it is called with the target's layers, top-most first, by the name
        of each platform's directory ("" where there is one platform), and does with them what it likes. Raises EngineError; a failing step is told as StepFailed first.
        """
        with self.recent.follow(options, progress) as tell:
            return self._build(options, Steps(tell), export, image=image)

    def _build(self, options: BuildOptions, steps: Steps, export: Export | None, *, image: bool) -> str:
        stop = _Stop(options.cancel, self._ending)
        platforms = _platforms(options)
        tags = [str(reference.parse(tag).with_default_tag.familiar) for tag in options.tags]
        targets = [parse_cache(text) for text in options.cache_to]
        started = time.time_ns()
        workdir = self._work / os.urandom(8).hex()
        workdir.mkdir(parents=True, mode=0o700)
        try:
            with self._builds.measured(), self._counted(), ExitStack() as resources:
                context = resources.enter_context(self._context(options, workdir, stop, steps))
                stores = CacheStores(self._images, lambda text: steps.emit(Notice(text)))
                begun = _Begun(workdir, stop, resources, steps, stores)
                made: list[Made] = []
                for platform in platforms:
                    one = replace(options, platforms=(str(platform),)) if len(platforms) > 1 else options
                    session = self._session(one, context, platform, begun, tell=not made, several=len(platforms) > 1)
                    if not made:
                        stores.load(options.cache_from, lambda ref: session.image(planning.ImageSource(ref)))  # noqa: B023 - called here
                    plan = self._plan(session)
                    session.receive_context(plan)
                    self._build_stages(session, plan)
                    made.append(Made(session, plan))
                id = ""
                if export is not None:
                    export(_trees(made, several=len(platforms) > 1), steps)
                if export is None or image:
                    id = self._image(made, tags, started, inline=any(t.kind == "inline" for t in targets))
                for target in targets:
                    with steps.internal(f"exporting cache to {target.kind} {target.place}".rstrip()):
                        self._export(made[0], target)
        finally:
            remove_directory(workdir)
            self._files.flush()
        if not id:
            return ""
        steps.emit(Finished(id, tuple(tags)))
        self._publish("builder", "build", id, {"name": tags[0] if tags else id})
        return id

    def _image(self, made: Sequence[Made], tags: Sequence[str], started: int, *, inline: bool) -> str:
        """Store what was built, as an image or an index of images, and name it. The image's id, of several the default one's."""
        session = made[0].session
        options, steps = session.options, session.steps
        with steps.internal("exporting to image") as step, self._images.lease():
            ids = [finish(one.session, one.state, inline=inline) for one in made]
            image, index = default_of(session, ids), ""
            steps.emit(StepNote(step, f"writing image {image}"))
            if len(ids) > 1 or options.several or options.provenance or options.sbom:
                index = bound(made, ids, tags, started, step)
                steps.emit(StepNote(step, f"exporting manifest list {index}"))
            for tag in tags:
                self._images.tag(image, tag, index)
                steps.emit(StepNote(step, f"naming to {reference.parse(tag)}"))
        return image

    def check(self, options: BuildOptions) -> Checked:
        """The build checks alone: nothing is built or pulled. Raises EngineError for a Dockerfile that cannot be read."""
        workdir = self._work / os.urandom(8).hex()
        workdir.mkdir(parents=True, mode=0o700)
        steps = Steps(lambda event: None)
        try:
            with self._context(options, workdir, _Stop(options.cancel), steps) as context:
                dockerfile = self._parse(context, steps)
                every = not options.target
                return checked(dockerfile, options, self._images, context.tree.ignore, every=every)
        finally:
            remove_directory(workdir)

    @contextmanager
    def _context(
        self, options: BuildOptions, workdir: Path, stop: threading.Event, steps: Steps
    ) -> Iterator[OpenContext]:
        name = os.path.basename(options.dockerfile) or "Dockerfile"
        with ExitStack() as opened:
            with steps.internal(f"[internal] load build definition from {name}") as step:
                inline = options.dockerfile_inline
                if options.definition is not None:
                    text, _ = received_definition(options.definition, options.dockerfile, workdir / "definition")
                    inline = text.decode("utf-8", "surrogateescape")
                context = opened.enter_context(
                    open_context(
                        options.context,
                        dockerfile=options.dockerfile,
                        inline=inline,
                        workdir=workdir,
                        cancelled=stop.is_set,
                        received=partial(self._received, stop),
                        agents=options.ssh,
                    )
                )
                steps.emit(StepNote(step, f"transferring dockerfile: {sizes.decimal(len(context.dockerfile))}"))
            yield context

    @contextmanager
    def _received(self, stop: threading.Event, files: FileSource, fresh: Path) -> Iterator[Path]:
        """Where a client's files go: kept from one build to the next, so that only what has changed need be sent. Two builds
        at a time have a directory each."""
        if not files.identity:
            fresh.mkdir()
            yield fresh
            return
        with self._contexts.use(files.identity, "private", stop.is_set, lambda directory: None) as kept:
            yield kept
        self._contexts.prune(until=time.time() - _KEPT)

    def _session(
        self,
        options: BuildOptions,
        context: OpenContext,
        platform: Platform,
        begun: _Begun,
        *,
        tell: bool,
        several: bool,
    ) -> Session:
        steps = begun.steps
        dockerfile = self._parse(context, steps)
        predefined = platform_arguments(Platform.host(), platform, options.target, options.args)
        try:
            found = checked(dockerfile, options, self._images, context.tree.ignore, every=False)
        except DockerfileError as error:
            raise _explained(error, dockerfile, steps) from None
        if tell:
            found.tell(steps)
        unused = unused_arguments(dockerfile, options.args)
        if unused and tell:
            steps.emit(Notice(f"One or more build-args [{' '.join(unused)}] were not consumed"))
        try:
            arguments = planning.global_arguments(dockerfile, options.args, predefined)
        except DockerfileError as error:
            raise _explained(error, dockerfile, steps) from None
        epoch = options.args.get(_EPOCH) or arguments.get(_EPOCH) or ""
        if epoch and not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 12):
            raise InvalidParameter(f"invalid {_EPOCH} {epoch!r}: want seconds since 1970")
        return Session(
            options=options,
            dockerfile=dockerfile,
            context=context,
            images=self._images,
            runner=self._runner,
            cache=self._cache,
            mounts=self._mounts,
            files=self._files,
            stores=begun.stores,
            workdir=begun.workdir,
            platform=platform,
            arguments=arguments,
            epoch=int(epoch) if epoch else None,
            stop=begun.stop,
            resources=begun.resources,
            steps=steps,
            among_others=several,
        )

    @staticmethod
    def _parse(context: OpenContext, steps: Steps) -> Dockerfile:
        try:
            return parse(context.dockerfile, context.dockerfile_name)
        except DockerfileError as error:
            source = context.dockerfile.decode("utf-8", "replace")
            shown = excerpt(source, error.span, context.dockerfile_name) if error.span else ""
            if error.span:
                error.place = Place(context.dockerfile_name, source, error.span)
            steps.emit(StepFailed(0, str(error), shown))
            raise

    def _plan(self, session: Session) -> Plan:
        def triggers(base: Source) -> list[str]:
            source = session.named_image(base) if isinstance(base, planning.NamedContext) else base
            if not isinstance(source, planning.ImageSource):
                return []
            return list(session.image(source).process.get("OnBuild") or ())

        try:
            plan = planning.plan(
                session.dockerfile,
                target=session.options.target,
                arguments=session.arguments,
                contexts=session.options.contexts,
                triggers=triggers,
            )
        except DockerfileError as error:
            raise _explained(error, session.dockerfile, session.steps) from None
        work = sum(stage.work for stage in plan.stages.values())
        session.emit(Planned(plan.total, session.options.target, work))
        return plan

    def _build_stages(self, session: Session, plan: Plan) -> None:
        """Start each stage when all it needs is done; after a failure nothing more is started."""
        waiting = {index: plan.stages[index].needs for index in plan.order}
        running: dict[Future[ImageState], int] = {}
        failure: EngineError | None = None
        with ThreadPoolExecutor(session.options.workers or self._workers, "build") as pool:
            while waiting or running:
                ready = [index for index, needs in waiting.items() if needs <= session.results.keys()]
                for index in ready if failure is None else ():
                    del waiting[index]
                    running[pool.submit(StageBuild(session, plan.stages[index]).run)] = index
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    index = running.pop(future)
                    try:
                        session.results[index] = future.result()
                    except EngineError as error:
                        failure = failure or error
                        session.stop.set()
        if failure is not None:
            raise failure

    def _export(self, made: Made, target: CacheTarget) -> None:
        session = made.session
        if target.kind == "local":
            session.stores.export(Path(target.place))
        elif target.kind == "client":
            send = session.options.caches.get(target.place)
            if send is None:
                raise InvalidParameter(f"the client lends no cache directory {target.place}")
            send(_carrier(self._images, made, target))
        elif target.kind == "registry":
            carrier = _carrier(self._images, made, target)
            self._images.tag(carrier, target.place)
            domain = reference.parse(target.place).domain
            self._images.push(
                target.place,
                auth=session.options.auth.get(domain),
                progress=lambda status: session.emit(StepStatus(0, status)),
            )


def _carrier(images: Images, made: Made, target: CacheTarget) -> str:
    """An image that only carries a cache: the target's layers, with the records in its configuration. Its id."""
    session, state = made.session, made.state
    if not target.everything:
        return finish(session, state, inline=True)
    config: ImageConfig = {**state.other, "config": {}, MEMBER: session.stores.index()}
    return images.add(config, session.stores.all_layers(state.layers)).id


class _Stop(threading.Event):
    """Set when the build was cancelled from outside, when the engine ends, or by itself once a stage has failed."""

    def __init__(self, *outer: threading.Event | None) -> None:
        super().__init__()
        self._outer = [one for one in outer if one is not None]

    def is_set(self) -> bool:
        return super().is_set() or any(one.is_set() for one in self._outer)


def _platforms(options: BuildOptions) -> list[Platform]:
    """What to build for, each once; never none."""
    return list(dict.fromkeys(map(Platform.parse, options.platforms))) or [Platform.host()]


def _trees(made: Sequence[Made], *, several: bool) -> Trees:
    """The layers of each result by the name of its directory, as BuildKit calls them; "" where there is one platform only."""
    return {
        str(one.session.platform).replace("/", "_") if several else "": one.session.lower(one.state.layers)
        for one in made
    }


def _explained(error: DockerfileError, dockerfile: Dockerfile, steps: Steps) -> DockerfileError:
    shown = excerpt(dockerfile.source, error.span, dockerfile.name) if error.span else ""
    if error.span:
        error.place = Place(dockerfile.name, dockerfile.source, error.span)
    steps.emit(StepFailed(0, str(error), shown))
    return error
