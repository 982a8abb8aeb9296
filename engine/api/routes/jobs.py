"""Routes of jobs, which are pycompose's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidParameter
from ...jobs.service import check_labels
from ..http import Response
from ..router import Route

if TYPE_CHECKING:
    from ...jobs.bodies import JobShown
    from ...jobs.record import Job
    from ..daemon import Daemon
    from ..http import Request


def _shown(daemon: Daemon, job: Job) -> JobShown:
    return job.to_api(daemon.jobs.last(job), daemon.jobs.following(job))


async def list_(daemon: Daemon, request: Request) -> Response:
    jobs = daemon.jobs.with_labels(check_labels(request.query.get("label", [])))
    return Response.json([_shown(daemon, job) for job in jobs])


async def register(daemon: Daemon, request: Request) -> Response:
    return Response.json(_shown(daemon, await daemon.jobs.register(request["name"], await request.json())))


async def inspect(daemon: Daemon, request: Request) -> Response:
    job = daemon.jobs.get(request["name"])
    return Response.json({**_shown(daemon, job), "Container": job.body})


async def runs(daemon: Daemon, request: Request) -> Response:
    return Response.json([run.to_api() for run in daemon.jobs.runs(daemon.jobs.get(request["name"]))])


async def trigger(daemon: Daemon, request: Request) -> Response:
    """Start a run; the answer comes when it has a container."""
    job = daemon.jobs.get(request["name"])
    run = await daemon.jobs.trigger(job)
    return Response.json((await daemon.jobs.wait_started(job, run.iteration)).to_api(), 201)


async def wait(daemon: Daemon, request: Request) -> Response:
    job = daemon.jobs.get(request["name"])
    text = request["run"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidParameter(f"invalid run {text[:40]!r}: want its number")
    return Response.json((await daemon.jobs.wait(job, int(text))).to_api())


async def cancel(daemon: Daemon, request: Request) -> Response:
    return Response.json((await daemon.jobs.cancel(daemon.jobs.get(request["name"]))).to_api())


async def pause(daemon: Daemon, request: Request) -> Response:
    return Response.json(_shown(daemon, await daemon.jobs.pause(daemon.jobs.get(request["name"]), paused=True)))


async def resume(daemon: Daemon, request: Request) -> Response:
    return Response.json(_shown(daemon, await daemon.jobs.pause(daemon.jobs.get(request["name"]), paused=False)))


async def remove(daemon: Daemon, request: Request) -> Response:
    await daemon.jobs.remove(daemon.jobs.get(request["name"]))
    return Response(204)


ROUTES = (
    Route("GET", "/pycompose/jobs", list_),
    Route("PUT", "/pycompose/jobs/{name}", register),
    Route("GET", "/pycompose/jobs/{name}", inspect),
    Route("GET", "/pycompose/jobs/{name}/runs", runs),
    Route("POST", "/pycompose/jobs/{name}/runs", trigger),
    Route("GET", "/pycompose/jobs/{name}/runs/{run}/wait", wait),
    Route("POST", "/pycompose/jobs/{name}/cancel", cancel),
    Route("POST", "/pycompose/jobs/{name}/pause", pause),
    Route("POST", "/pycompose/jobs/{name}/resume", resume),
    Route("DELETE", "/pycompose/jobs/{name}", remove),
)
