"""Builds that are asked for by gRPC: jobs, their results, and what becomes of them.

    Control.Solve ─► job ─┬─ with a frontend: that is the build
                          └─ without one: the client drives it by the gateway: Solve … Return names the result
    result ─► evaluated once, when it is exported or looked into ─► exported: an image with names, or files sent back

A job ends with its request, and with its session: a client that is gone has its build cancelled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from base64 import b64encode
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from ..bridge import Bridge
from ..build.dockerfile.errors import DockerfileError
from ..build.progress import Steps
from ..build.stage import StepError
from ..errors import Conflict, EngineError, NotImplemented_
from ..timestamps import rfc3339
from . import messages, subrequests
from .exports import FILES, IMAGES, Exporter
from .frontend import FRONTENDS, Asked, CacheImport, options
from .grpc import CANCELLED, NOT_FOUND, UNKNOWN, GrpcError
from .lent import Lender
from .progress import Told
from .sessions import PATIENCE
from .stores import brought, export_cache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from typing import BinaryIO

    from ..build.dockerfile.errors import Place
    from ..build.service import Builder, Export, Trees
    from ..containers.life.workers import Workers
    from ..images.service import Images
    from ..layout import Layout
    from .history import History
    from .sessions import Sessions

V = TypeVar("V")

_RESULT = "pycompose-result://"
_SOURCE = "github.com/moby/buildkit/errdefs.Source+json"
_LARGEST_EXCERPT = 256 << 10
_FINISHED = 2
_EXPORTS = 1 << 20  # more steps than a build has


@dataclass(slots=True)
class Result:
    """A build, made at most once. ``inputs`` are other results by name; ``told`` is for the client, whatever becomes of the image."""

    asked: Asked
    job: Job
    inputs: Mapping[str, Result]
    id: str = field(default_factory=lambda: os.urandom(16).hex())
    image: str = ""
    told: dict[str, str] = field(default_factory=dict)
    lock: anyio.Lock = field(default_factory=anyio.Lock)


@dataclass(slots=True)
class Job:
    """One Control.Solve. ``body`` is a context that came with it. ``returned`` is set when the gateway's client has said what the result is."""

    ref: str
    request: messages.control.SolveRequest
    lender: Lender
    told: Told
    cancel: threading.Event
    body: BinaryIO | None = None
    results: dict[str, Result] = field(default_factory=dict)
    returned: anyio.Event = field(default_factory=anyio.Event)
    result: Result | None = None
    failure: GrpcError | None = None


class Solver:
    """All jobs of this engine. ``threads`` bounds how many builds run."""

    def __init__(
        self,
        builder: Builder,
        images: Images,
        layout: Layout,
        sessions: Sessions,
        threads: Workers,
        history: History,
    ) -> None:
        self._builder, self._images, self._sessions, self._threads = builder, images, sessions, threads
        self._history = history
        self._agents = layout.build_cache / "work"
        self._jobs: dict[str, Job] = {}
        self._finished: deque[Job] = deque(maxlen=_FINISHED)
        self._changed = anyio.Event()

    # jobs ------------------------------------------------------------------------------------------------------------
    async def job(self, ref: str) -> Job:
        """The job of this ref; waits for one that is about to begin. Raises GrpcError."""
        with anyio.move_on_after(PATIENCE):
            while ref not in self._jobs and not any(job.ref == ref for job in self._finished):
                await self._changed.wait()
        if ref in self._jobs:
            return self._jobs[ref]
        for job in self._finished:
            if job.ref == ref:
                self._finished.remove(job)
                return job
        raise GrpcError(f"no such job {ref}", NOT_FOUND)

    def knows(self, ref: str) -> bool:
        """Whether the job is under way, or has ended just now."""
        return ref in self._jobs or any(job.ref == ref for job in self._finished)

    @asynccontextmanager
    async def _job(self, request: messages.control.SolveRequest, body: BinaryIO | None) -> AsyncIterator[Job]:
        ref = request.Ref
        if not ref or ref in self._jobs:
            raise Conflict(f"job ID {ref} exists")
        session = await self._sessions.get(request.Session)
        cancel = threading.Event()
        async with anyio.create_task_group() as group:
            lender = Lender(self._sessions, session, Bridge(), group, cancel)
            job = self._jobs[ref] = Job(ref, request, lender, Told(ref), cancel, body)
            self._changed.set()
            self._changed = anyio.Event()

            async def watch() -> None:
                try:
                    await session.ended.wait()
                finally:  # also when this request is given up
                    cancel.set()
                    lender.abort()

            group.start_soon(watch)
            try:
                yield job
            finally:
                del self._jobs[ref]
                job.told.end()
                if not job.told.readers:
                    self._finished.append(job)
                group.cancel_scope.cancel()

    async def solve(self, request: messages.control.SolveRequest, body: BinaryIO | None = None) -> dict[str, str]:
        """Control.Solve: the exporter's answer. ``body`` is the build context, as a tar. Raises EngineError."""
        exporters = [(one.Type, dict(one.Attrs)) for one in request.Exporters]
        if not exporters and request.ExporterDeprecated:
            exporters = [(request.ExporterDeprecated, dict(request.ExporterAttrsDeprecated))]
        answer: dict[str, str] = {}
        failure: EngineError | None = None
        async with self._job(request, body) as job, self._remembered(job) as record:
            try:
                result = await self._result(job)
                if result is not None:
                    outputs = [
                        Exporter(kind, attributes, self._images, job.lender, number)
                        for number, (kind, attributes) in enumerate(exporters)
                    ]
                    answer = await (self._export(result, outputs) if outputs else self._only(result))
                    answer |= result.told
            except EngineError as error:
                failure = error
                record.error.message, record.error.code = str(error), getattr(error, "code", UNKNOWN)
            messages.update(record.ExporterResponse, answer)
        if failure is not None:
            raise failure
        return answer

    @asynccontextmanager
    async def _remembered(self, job: Job) -> AsyncIterator[messages.control.BuildHistoryRecord]:
        """The build's entry in the history, to be filled in. One that is cut off was canceled."""
        request = job.request
        record = messages.control.BuildHistoryRecord(
            Ref=job.ref, Frontend=request.Frontend or FRONTENDS[0], Exporters=request.Exporters
        )
        record.FrontendAttrs.update(request.FrontendAttrs)
        messages.set_time(record.CreatedAt, time.time())
        if request.Internal:
            yield record
            return
        await self._history.began(record)
        try:
            yield record
        except BaseException:
            record.error.message, record.error.code = "context canceled", CANCELLED
            raise
        finally:
            messages.set_time(record.CompletedAt, time.time())
            with anyio.CancelScope(shield=True):
                await self._history.ended(record, job.told.all())

    async def _result(self, job: Job) -> Result | None:
        request = job.request
        if request.Frontend:
            return self.begin(job, request.Frontend, dict(request.FrontendAttrs), {}, ())
        if getattr(request.Definition, "def"):
            raise NotImplemented_("build definitions (LLB) are not offered by this engine: it builds from Dockerfiles")
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await job.lender.session.ended.wait()
                job.failure = job.failure or GrpcError("context canceled", CANCELLED)
                job.returned.set()

            group.start_soon(watch)
            await job.returned.wait()
            group.cancel_scope.cancel()
        if job.failure is not None:
            raise job.failure
        return job.result

    # results ---------------------------------------------------------------------------------------------------------
    def begin(
        self,
        job: Job,
        frontend: str,
        attributes: Mapping[str, str],
        inputs: Mapping[str, messages.ops.Definition],
        cache_imports: tuple[CacheImport, ...],
    ) -> Result:
        """A result that is yet to be made. ``inputs`` are definitions by name, as ``definition`` gave them out."""
        if frontend not in FRONTENDS:
            raise NotImplemented_(f"frontend {frontend}: this engine builds from Dockerfiles only")
        request = job.request
        imports = [*request.Cache.Imports]
        asked = Asked(
            attributes=attributes,
            entitlements=frozenset(request.Entitlements),
            cache_exports=tuple(CacheImport(one.Type, dict(one.Attrs)) for one in request.Cache.Exports),
            body=job.body,
            cache_imports=(*cache_imports, *(CacheImport(one.Type, dict(one.Attrs)) for one in imports)),
        )
        result = Result(asked, job, {name: self._input(one) for name, one in inputs.items()})
        job.results[result.id] = result
        return result

    async def ask(self, job: Job, asked: str, attributes: Mapping[str, str]) -> dict[str, bytes]:
        """A question about the Dockerfile: the answer's metadata."""

        def work() -> dict[str, bytes]:
            build = options(Asked(attributes), job.lender, self._agents)
            return subrequests.answer(asked, build, self._agents, self._builder)

        return await self._explained(work)

    def _input(self, definition: messages.ops.Definition) -> Result:
        for raw in getattr(definition, "def"):
            identifier = messages.parse(messages.ops.Op, raw).source.identifier
            if identifier.startswith(_RESULT):
                id = identifier.removeprefix(_RESULT)
                for job in self._jobs.values():
                    if id in job.results:
                        return job.results[id]
        raise NotImplemented_("an input that is not another build's result is not offered by this engine")

    def definition(self, result: Result) -> messages.ops.Definition:
        """A build definition that stands for a result: clients hand it back as an input of another build."""
        op = messages.ops.Op(source=messages.ops.SourceOp(identifier=_RESULT + result.id)).SerializeToString()
        digest = f"sha256:{hashlib.sha256(op).hexdigest()}"
        last = messages.ops.Op(inputs=[messages.ops.Input(digest=digest)]).SerializeToString()
        definition = messages.ops.Definition()
        getattr(definition, "def").extend([op, last])
        for raw in (op, last):
            definition.metadata[f"sha256:{hashlib.sha256(raw).hexdigest()}"].description["llb.customname"] = "result"
        return definition

    def find(self, job: Job, id: str) -> Result:
        found = job.results.get(id)
        if found is None:
            raise GrpcError(f"no such ref: {id}", NOT_FOUND)
        return found

    async def evaluate(self, result: Result, tags: tuple[str, ...] = ()) -> str:
        """Build the result as an image, if it is not there yet; its id. ``tags`` are given to it in any case."""
        async with result.lock:
            if not result.image:
                result.image = await self._build(result, tags)
                return result.image
        for tag in tags:
            await self._in_thread(self._images.tag, result.image, tag)
        return result.image

    async def _only(self, result: Result) -> dict[str, str]:
        """Build and keep nothing but the cache."""
        async with result.lock:
            if not result.image:
                await self._build(result, (), lambda trees, steps: None)
        return {}

    async def _build(
        self, result: Result, tags: tuple[str, ...], export: Export | None = None, *, image: bool = False
    ) -> str:
        job = result.job
        inputs = {name: await self.evaluate(other) for name, other in result.inputs.items()}
        agents = self._agents / f"agents-{result.id}"

        def work() -> str:
            try:
                with brought(replace(result.asked, inputs=inputs), job.lender, self._images) as asked:
                    build = options(
                        asked, job.lender, agents, partial(export_cache, self._images, job.lender, result.told)
                    )
                    build = replace(build, tags=tags, cancel=job.cancel)
                    return self._builder.build(build, job.told.tell, export, image=image)
            finally:
                shutil.rmtree(agents, ignore_errors=True)

        try:
            return await self._explained(work)
        except EngineError as error:
            job.told.fail(str(error))
            raise

    async def _explained(self, work: Callable[[], V]) -> V:
        """Run something in a thread; an error that has a place in a Dockerfile says so to the client."""
        try:
            return await self._in_thread(work)
        except (DockerfileError, StepError) as error:
            details = [] if error.place is None else [_source(error.place)]
            raise GrpcError(str(error), details=details) from None

    async def _in_thread(self, function: Callable[..., V], *arguments: object) -> V:
        return await self._threads.run(partial(function, *arguments))

    # exports ---------------------------------------------------------------------------------------------------------
    async def _export(self, result: Result, outputs: Sequence[Exporter]) -> dict[str, str]:
        """All outputs, of one build: first what are files, which need its layers, then what is made of its image."""
        for exporter in outputs:
            exporter.check()
        before = await self._in_thread(self._images.ids)
        files = [one.files() for one in outputs if one.kind in FILES]
        others = [one for one in outputs if one.kind not in FILES]
        if files:

            def export(trees: Trees, steps: Steps) -> None:
                for one in files:
                    one(trees, steps)

            async with result.lock:
                image = await self._build(result, (), export, image=bool(others))
                result.image = result.image or image
        answer: dict[str, str] = {}
        try:
            for exporter in others:
                answer |= await self._export_image(result, exporter)
        finally:
            # What nobody has named, and nobody asked the store for, was made to be sent only.
            if others and result.image not in before and all(one.kind != "moby" for one in others):
                with anyio.CancelScope(shield=True):
                    await self._in_thread(self._images.drop_nameless, result.image)
        return answer

    async def _export_image(self, result: Result, exporter: Exporter) -> dict[str, str]:
        steps = Steps(result.job.told.tell, after=_EXPORTS)
        image = await self.evaluate(result, exporter.tags)
        if exporter.kind not in IMAGES:
            return await self._in_thread(exporter.archive, image, steps)
        await self._in_thread(self._images.contents.note_build, image, result.job.ref, rfc3339(time.time_ns()))
        digest = await self._in_thread(self._images.index_of, image)
        if exporter.pushes:
            digest = await self._in_thread(exporter.push, image, steps)
        return exporter.answer(image, digest)


def _source(place: Place) -> tuple[str, bytes]:
    """The detail by which clients show the lines of the Dockerfile that are meant."""
    text = place.text.encode("utf-8", "replace")[:_LARGEST_EXCERPT]
    lines = {"start": {"line": place.span.first}, "end": {"line": place.span.last}}
    info = {"filename": place.name, "data": b64encode(text).decode("ascii"), "language": "Dockerfile"}
    return _SOURCE, json.dumps({"info": info, "ranges": [lines]}).encode()
