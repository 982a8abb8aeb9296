"""moby.buildkit.v1.frontend.LLBBridge: how buildx drives a build by its own code. Each call names its job in its metadata."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import TYPE_CHECKING, TypeVar

import anyio.to_thread

from ..build.contexts import open_directory
from ..errors import InvalidParameter, NotImplemented_
from ..linux.libc import KernelError
from . import messages
from .control import worker
from .filesync import go_mode
from .frontend import CacheImport
from .grpc import NOT_FOUND, GrpcError, ServerCall, error_of, one
from .messages import gateway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..build.trees import Tree
    from ..images.service import Images
    from .solver import Job, Result, Solver

V = TypeVar("V")

_SERVICE = "/moby.buildkit.v1.frontend.LLBBridge/"
_LARGEST_FILE = 3 << 20

_GATEWAY_CAPABILITIES = (
    "solve.base", "solve.inlinereturn", "readfile", "return", "returnmap", "readdir", "statfile", "importcaches",
    "proto.refarray", "reference.output", "frontend.inputs", "gateway.solve.metadata", "frontend.caps",
    "gateway.solve.evaluate", "gateway.evaluate", "gateway.warnings",
)  # fmt: skip
_BUILD_CAPABILITIES = (
    "source.image", "source.image.resolvemode", "source.local", "source.local.unique", "source.local.sessionid",
    "source.local.includepatterns", "source.local.followpaths", "source.local.excludepatterns",
    "source.local.sharedkeyhint", "source.git", "source.git.keepgitdir", "source.git.fullurl", "source.git.subdir",
    "source.http", "source.http.checksum", "exec.meta.base", "exec.meta.network", "exec.meta.proxyenv",
    "exec.meta.security", "exec.meta.setsdefaultpath", "exec.meta.ulimit", "exec.meta.linux.resources",
    "exec.mount.bind", "exec.mount.cache", "exec.mount.cache.sharing", "exec.mount.selector", "exec.mount.tmpfs",
    "exec.mount.tmpfs.size", "exec.mount.secret", "exec.mount.ssh", "exec.secretenv", "file.base",
    "file.rm.wildcard", "file.copy.includeexcludepatterns", "constraints", "platform", "meta.ignorecache",
    "meta.description", "exporter.sourcedateepoch", "exporter.image.attestations", "exporter.multiple",
    "source.ocilayout",
)  # fmt: skip


class Gateway:
    def __init__(self, solver: Solver, images: Images, instance: str) -> None:
        self._solver, self._images, self._instance = solver, images, instance

    def methods(self) -> Mapping[str, Callable[[ServerCall], Awaitable[None]]]:
        return {
            _SERVICE + "Ping": one(gateway.PingRequest, self._ping),
            _SERVICE + "Solve": one(gateway.SolveRequest, self._solve),
            _SERVICE + "Inputs": one(gateway.InputsRequest, self._inputs),
            _SERVICE + "Return": one(gateway.ReturnRequest, self._return),
            _SERVICE + "Evaluate": one(gateway.EvaluateRequest, self._evaluate),
            _SERVICE + "ReadFile": one(gateway.ReadFileRequest, self._read_file),
            _SERVICE + "ReadDir": one(gateway.ReadDirRequest, self._read_dir),
            _SERVICE + "StatFile": one(gateway.StatFileRequest, self._stat_file),
            _SERVICE + "Warn": one(gateway.WarnRequest, self._warn),
        }

    async def _job(self, call: ServerCall) -> Job:
        return await self._solver.job(call.metadata.get("buildkit-controlapi-buildid", ""))

    async def _ping(self, request: gateway.PingRequest, call: ServerCall) -> gateway.PongResponse:
        answer = gateway.PongResponse(Workers=[worker(self._instance, "")])
        for name in _GATEWAY_CAPABILITIES:
            answer.FrontendAPICaps.add(ID=name, Enabled=True)
        for name in _BUILD_CAPABILITIES:
            answer.LLBCaps.add(ID=name, Enabled=True)
        return answer

    async def _solve(self, request: gateway.SolveRequest, call: ServerCall) -> gateway.SolveResponse:
        job = await self._job(call)
        if getattr(request.Definition, "def"):
            raise NotImplemented_("build definitions (LLB) are not offered by this engine: it builds from Dockerfiles")
        if not request.Frontend:
            return gateway.SolveResponse(result=gateway.Result(ref=gateway.Ref()))
        imports = tuple(CacheImport(entry.Type, dict(entry.Attrs)) for entry in request.CacheImports)
        attributes = dict(request.FrontendOpt)
        if asked := attributes.get("requestid"):
            answer = gateway.SolveResponse(result=gateway.Result(ref=gateway.Ref()))
            messages.update(answer.result.metadata, await self._solver.ask(job, asked, attributes))
            return answer
        result = self._solver.begin(job, request.Frontend, attributes, dict(request.FrontendInputs), imports)
        if request.Evaluate:
            await self._solver.evaluate(result)
        if not request.allowResultReturn:
            return gateway.SolveResponse(ref=result.id)
        if not request.allowResultArrayRef:
            return gateway.SolveResponse(result=gateway.Result(refDeprecated=result.id))
        ref = gateway.Ref(id=result.id)
        getattr(ref, "def").CopyFrom(self._solver.definition(result))
        return gateway.SolveResponse(result=gateway.Result(ref=ref))

    async def _inputs(self, request: gateway.InputsRequest, call: ServerCall) -> gateway.InputsResponse:
        return gateway.InputsResponse()

    async def _return(self, request: gateway.ReturnRequest, call: ServerCall) -> gateway.ReturnResponse:
        job = await self._job(call)
        if request.HasField("error"):
            job.failure = error_of(request.error)
        else:
            result = request.result
            ids = [result.ref.id, result.refDeprecated]
            ids += [ref.id for ref in result.refs.refs.values()] + list(result.refsDeprecated.refs.values())
            ids = [id for id in ids if id]
            if len(ids) > 1:
                raise NotImplemented_("results for several platforms are not offered by this engine")
            job.result = self._solver.find(job, ids[0]) if ids else None
        job.returned.set()
        return gateway.ReturnResponse()

    async def _warn(self, request: gateway.WarnRequest, call: ServerCall) -> gateway.WarnResponse:
        return gateway.WarnResponse()

    # looking into results --------------------------------------------------------------------------------------------
    async def _evaluate(self, request: gateway.EvaluateRequest, call: ServerCall) -> gateway.EvaluateResponse:
        await self._solver.evaluate(self._solver.find(await self._job(call), request.Ref))
        return gateway.EvaluateResponse()

    async def _look(self, call: ServerCall, ref: str, look: Callable[[Tree], V]) -> V:
        result: Result = self._solver.find(await self._job(call), ref)
        image = self._images.resolve(await self._solver.evaluate(result))

        def work() -> V:
            lower = [self._images.layer_path(layer) for layer in reversed(image.layers)]
            if not lower:
                raise GrpcError("the result has no files", NOT_FOUND)
            try:
                with self._images.mounted(lower) as path, open_directory(path, "result") as tree:
                    return look(tree)
            except KernelError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise GrpcError(f"{error}: no such file or directory", NOT_FOUND) from None
                raise

        return await anyio.to_thread.run_sync(work)

    async def _read_file(self, request: gateway.ReadFileRequest, call: ServerCall) -> gateway.ReadFileResponse:
        def read(tree: Tree) -> bytes:
            fd = tree.open_kind(_real(tree, request.FilePath), stat.S_IFREG)
            if fd is None:
                raise InvalidParameter(f"{request.FilePath} is not a regular file")
            with os.fdopen(fd, "rb") as file:
                file.seek(max(0, request.Range.Offset))
                length = request.Range.Length or _LARGEST_FILE + 1
                data = file.read(min(max(0, length), _LARGEST_FILE + 1))
            if len(data) > _LARGEST_FILE:
                raise InvalidParameter(f"{request.FilePath} is larger than {_LARGEST_FILE} bytes; read it in ranges")
            return data

        return gateway.ReadFileResponse(Data=await self._look(call, request.Ref, read))

    async def _read_dir(self, request: gateway.ReadDirRequest, call: ServerCall) -> gateway.ReadDirResponse:
        def read(tree: Tree) -> list[messages.fsutil.Stat]:
            directory = _real(tree, request.DirPath)
            fd = tree.open(directory)
            try:
                return [_stat(name, os.stat(name, dir_fd=fd, follow_symlinks=False)) for name in sorted(os.listdir(fd))]
            finally:
                os.close(fd)

        return gateway.ReadDirResponse(entries=await self._look(call, request.Ref, read))

    async def _stat_file(self, request: gateway.StatFileRequest, call: ServerCall) -> gateway.StatFileResponse:
        def look(tree: Tree) -> messages.fsutil.Stat:
            real = _real(tree, request.Path)
            status = tree.status(real) if real else os.fstat(tree.fd)
            if status is None:
                raise GrpcError(f"stat {request.Path}: no such file or directory", NOT_FOUND)
            return _stat(posixpath.basename(request.Path), status)

        return gateway.StatFileResponse(stat=await self._look(call, request.Ref, look))


def _real(tree: Tree, path: str) -> str:
    real = tree.canonical(path)
    if real is None:
        raise GrpcError(f"open {path}: no such file or directory", NOT_FOUND)
    return real


def _stat(name: str, status: os.stat_result) -> messages.fsutil.Stat:
    return messages.fsutil.Stat(
        path=name,
        mode=go_mode(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size,
        modTime=status.st_mtime_ns,
    )
