"""moby.buildkit.v1.Control and grpc.health: what buildx asks of a BuildKit daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from ..errors import NotImplemented_
from ..images.types import Platform
from ..timestamps import parse_time
from . import messages
from .grpc import ServerCall, one
from .messages import control, set_time
from .tunnel import Tunnel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ..build.service import Builder
    from .history import History
    from .sessions import Sessions
    from .solver import Solver

_SERVICE = "/moby.buildkit.v1.Control/"
_HEALTH = "/grpc.health.v1.Health/Check"
_HOST_GATEWAY = "org.mobyproject.buildkit.worker.moby.host-gateway-ip"
# The BuildKit whose behaviour this is nearest to; clients compare it.
_VERSION = "v0.13.2"


class Control:
    """``gateway`` gives the address that ``host-gateway`` stands for, "" for none."""

    def __init__(
        self,
        solver: Solver,
        sessions: Sessions,
        history: History,
        builder: Builder,
        instance: str,
        gateway: Callable[[], str],
    ) -> None:
        self._solver, self._sessions, self._history, self._builder = solver, sessions, history, builder
        self._instance, self._gateway = instance, gateway

    def methods(self) -> Mapping[str, Callable[[ServerCall], Awaitable[None]]]:
        return {
            _SERVICE + "Solve": one(control.SolveRequest, self._solve),
            _SERVICE + "Status": self._status,
            _SERVICE + "Session": self._session,
            _SERVICE + "ListenBuildHistory": self._listen,
            _SERVICE + "UpdateBuildHistory": one(control.UpdateBuildHistoryRequest, self._update),
            _SERVICE + "ListWorkers": one(control.ListWorkersRequest, self._workers),
            _SERVICE + "Info": one(control.InfoRequest, self._info),
            _SERVICE + "DiskUsage": one(control.DiskUsageRequest, self._usage),
            _SERVICE + "Prune": self._prune,
            _HEALTH: one(messages.ops.Position, self._healthy),
        }

    async def _solve(self, request: control.SolveRequest, call: ServerCall) -> control.SolveResponse:
        answer = control.SolveResponse()
        messages.update(answer.ExporterResponse, await self._solver.solve(request))
        return answer

    async def _status(self, call: ServerCall) -> None:
        request = await call.request(control.StatusRequest)
        if not self._solver.knows(request.Ref) and (past := await self._history.told(request.Ref)) is not None:
            await call.send(past)
            return
        job = await self._solver.job(request.Ref)
        async for response in job.told.read():
            await call.send(response)

    async def _listen(self, call: ServerCall) -> None:
        await call.begin()
        async for event in self._history.listen(await call.request(control.BuildHistoryRequest)):
            await call.send(event)

    async def _update(
        self, request: control.UpdateBuildHistoryRequest, call: ServerCall
    ) -> control.UpdateBuildHistoryResponse:
        await self._history.update(request)
        return control.UpdateBuildHistoryResponse()

    async def _session(self, call: ServerCall) -> None:
        await call.begin()  # the client waits for it before it serves
        await self._sessions.serve(
            Tunnel(call),
            call.metadata.get("x-docker-expose-session-uuid", ""),
            shared_key=call.metadata.get("x-docker-expose-session-sharedkey", ""),
            methods=call.all("x-docker-expose-session-grpc-method"),
        )

    async def _healthy(self, request: messages.ops.Position, call: ServerCall) -> messages.rpc.HealthCheckResponse:
        return messages.rpc.HealthCheckResponse(status=1)

    async def _workers(self, request: control.ListWorkersRequest, call: ServerCall) -> control.ListWorkersResponse:
        gateway = await anyio.to_thread.run_sync(self._gateway)
        return control.ListWorkersResponse(record=[worker(self._instance, gateway)])

    async def _info(self, request: control.InfoRequest, call: ServerCall) -> control.InfoResponse:
        return control.InfoResponse(buildkitVersion=_buildkit())

    async def _usage(self, request: control.DiskUsageRequest, call: ServerCall) -> control.DiskUsageResponse:
        _no_filters(request)
        entries = await anyio.to_thread.run_sync(self._builder.usage)
        return control.DiskUsageResponse(record=[_record(entry) for entry in entries])

    async def _prune(self, call: ServerCall) -> None:
        request = await call.request(control.PruneRequest)
        _no_filters(request)
        until = None
        if request.keepDuration:
            until = time.time() - request.keepDuration / 1e9
        before = {entry["ID"]: entry for entry in await anyio.to_thread.run_sync(self._builder.usage)}

        def prune() -> list[str]:
            keep = request.maxUsedSpace or request.reservedSpace
            removed, _ = self._builder.prune(all=request.all, keep_storage=keep, until=until)
            return removed

        for id in await anyio.to_thread.run_sync(prune):
            entry = before.get(id[:25], {"ID": id, "Size": 0})
            await call.send(_record(entry))


def _no_filters(request: control.DiskUsageRequest | control.PruneRequest) -> None:
    """buildx sends one empty filter where it has none."""
    if any(request.filter):
        raise NotImplemented_(
            f"filters of the build cache ({', '.join(request.filter)}) are not offered by this engine"
        )


def worker(instance: str, gateway: str) -> control.WorkerRecord:
    host = Platform.host()
    record = control.WorkerRecord(ID=instance, BuildkitVersion=_buildkit())
    record.platforms.add(OS=host.os, Architecture=host.architecture, Variant=host.variant)
    # By this label clients know that images of several platforms, archives and attestations can be asked for.
    record.Labels["org.mobyproject.buildkit.worker.snapshotter"] = "overlayfs"
    if gateway:
        record.Labels[_HOST_GATEWAY] = gateway
    return record


def _buildkit() -> control.BuildkitVersion:
    return control.BuildkitVersion(package="github.com/moby/buildkit", version=_VERSION)


def _record(entry: Mapping[str, Any]) -> control.UsageRecord:
    record = control.UsageRecord(
        ID=entry["ID"],
        InUse=entry.get("InUse", False),
        Size=entry["Size"],
        UsageCount=entry.get("UsageCount", 0),
        Description=entry.get("Description", ""),
        RecordType=entry.get("Type", "regular"),
        Shared=entry.get("Shared", False),
        Parents=entry.get("Parents") or [],
    )
    for name, text in (("CreatedAt", entry.get("CreatedAt")), ("LastUsedAt", entry.get("LastUsedAt"))):
        if text:
            set_time(getattr(record, name), parse_time(text, 0) / 1e9)
    return record
