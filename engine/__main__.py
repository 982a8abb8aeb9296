"""The engine process: ``python -m pycompose.engine --root ROOT --listen-fd N --keeper-fd M``, started by the keeper.

Puts the nouns together, recovers, opens the API, and ends when it is told to, when the keeper has died, or when nothing
runs and no client has come for a while. It never forks. Exit code 0 means: finished for good; 78 (EX_CONFIG): the
configuration or the state cannot be used, and another start would not help; anything else is a crash.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ..version import __version__
from . import journal, refusals, watchdog
from .api import upkeep
from .api.access import make_private, open_to_group
from .api.application import Application
from .api.daemon import Daemon
from .api.pulls import Pulls
from .api.router import API_VERSION
from .api.server import MOST_UNTRUSTED, Server
from .build.runner import ContainerRunner, root_runner
from .build.service import Builder
from .configuration import ConfigurationError, Settings, load
from .containers.life import memory, recover, takeover, teardown
from .containers.life.service import Containers
from .containers.view.hour import Hours
from .documents import Incomplete, NewerFormat
from .errors import EngineError, InvalidParameter, Unavailable
from .events import Events
from .idle import IdleRule
from .images.service import Images
from .jobs import Jobs
from .layout import Layout
from .leases import Leases
from .linux import libc, threads
from .linux.spread import spread
from .meters import Meters
from .networks import Networks, drain
from .runtime.client import KeeperClient, ShimError
from .store import Store
from .trash import Trash
from .volumes import Volumes
from .volumes.exchange import Exchange
from .volumes.shipping import Shipping
from .volumes.snapshots import Snapshots

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    Remote = tuple[ssl.SSLContext, list[socket.socket]]

log = logging.getLogger("engine")

DRAIN_SECONDS = 10.0
CATCH_UP_SECONDS = 5.0
FIREWALL_SECONDS = 0.5
EX_CONFIG = 78


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until finished; the exit code."""
    parser = argparse.ArgumentParser(prog="engine")
    parser.add_argument("--root", default="")
    parser.add_argument("--config", default=os.environ.get("PYCOMPOSE_ENGINE_CONFIG", ""))
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--keeper-fd", type=int, required=True)
    options = parser.parse_args(arguments)
    libc.limit_heap()
    journal.set_up("warning", "text")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    layout = Layout.for_root(options.root or None)
    try:
        given = json.loads(os.environ.get("PYCOMPOSE_ENGINE_REMOTE") or "{}")
        file = Path(options.config) if options.config else layout.configuration
        settings = load(file, required=bool(options.config), given=given)
        journal.set_up(settings.log_level, settings.log_format)
        remote = _remote(settings)
        metrics = _metrics(settings)
        IdleRule.of(os.environ, settings.idle)  # it is refused now, or else nobody is told
    except (ConfigurationError, InvalidParameter) as error:
        print(f"engine configuration: {error}", file=sys.stderr, flush=True)
        return EX_CONFIG
    listener = socket.socket(fileno=options.listen_fd)
    os.set_inheritable(options.listen_fd, False)
    backend = {"loop_factory": watchdog.watched_loop}
    reasons: list[str] = []
    try:
        return anyio.run(
            _run, layout, listener, options.keeper_fd, settings, Listeners(remote, metrics), backend_options=backend
        )
    except* CannotStart as group:
        reasons += [str(error) for error in _leaves(group)]
    for reason in reasons:
        print(f"engine: {reason}", file=sys.stderr, flush=True)
    return EX_CONFIG


class CannotStart(Exception):
    """What is on disk cannot be read or used; ``str(error)`` says which file, why, and what to do."""


@contextmanager
def _starting(layout: Layout) -> Iterator[None]:
    """What the next start would meet just the same, in words."""
    try:
        yield
    except (NewerFormat, Unavailable) as error:
        raise CannotStart(str(error)) from error
    except Incomplete as error:
        raise CannotStart(
            f"{layout.database}: a record is damaged: {error}: bring the file back from a backup"
        ) from error
    except OSError as error:
        if not refusals.is_refusal(error):
            raise
        raise CannotStart(refusals.in_words(error, (layout.state, layout.run))) from error


def _tidy(work: Callable[[], None]) -> None:
    """Clear up what an earlier engine has left half done. That a disk takes no change is told, and keeps nobody from stopping
    containers: the next start tries again."""
    try:
        work()
    except OSError as error:
        if not refusals.is_refusal(error):
            raise
        log.error("not everything could be cleared up: %s", refusals.in_words(error))


def _leaves(group: BaseExceptionGroup[CannotStart]) -> Iterator[CannotStart]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _remote(settings: Settings) -> Remote | None:
    """The TCP side of the API, ready to accept. Imported only where it is wanted."""
    if settings.remote is None:
        return None
    from .api import remote

    return remote.context(settings.remote), remote.listen(settings.remote)


def _metrics(settings: Settings) -> socket.socket | None:
    if settings.metrics is None:
        return None
    from .api import metrics

    return metrics.listen(settings.metrics)


@dataclass(frozen=True, slots=True)
class Listeners:
    """What listens on TCP, where the configuration asks for it: the API, and the metrics."""

    remote: Remote | None
    metrics: socket.socket | None


async def _run(
    layout: Layout, listener: socket.socket, keeper_fd: int, settings: Settings, listeners: Listeners
) -> int:
    remote, meters = listeners.remote, Meters()
    with _starting(layout):
        keeper = KeeperClient(keeper_fd)
        await keeper.log_as(settings.log_format)
        make_private(layout)
        spread(layout.state / "containers")
        # One that has lost its keeper may still be finishing requests: what it writes must be there when we read.
        alone = os.open(layout.state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        await anyio.to_thread.run_sync(fcntl.flock, alone, fcntl.LOCK_EX)
        open_to_group(layout)
        # In a thread, as the networks below: opening the database writes to the disk and waits for it.
        store = await anyio.to_thread.run_sync(Store, layout.database)
        events = Events()
        trash = Trash()
        images = Images(layout, store, events.publish, trash=trash, registries=settings.registries, pulls=meters.pulls)
        volumes = Volumes(layout, store, events.publish, trash)
        # In a thread, for it asks the kernel for links and routes, which waits for whoever is changing them.
        networks = await anyio.to_thread.run_sync(
            Networks, layout, store, events.publish, settings.pools, settings.resolver
        )
        containers = Containers(
            layout, store, events, images, networks, volumes, keeper, trash, settings.log, settings.ids
        )
        snapshots = Snapshots(layout, store, volumes, trash, events.publish)
        leases = Leases(layout, store, containers, snapshots, keeper)
        jobs = Jobs(store, containers)
        runner = ContainerRunner(keeper, networks, layout, asyncio.get_running_loop())
        builder = Builder(images, runner, layout, store, events.publish, workers=settings.workers, builds=meters.builds)
    daemon = Daemon(
        layout=layout,
        store=store,
        events=events,
        images=images,
        networks=networks,
        volumes=volumes,
        containers=containers,
        hours=Hours(containers),
        leases=leases,
        jobs=jobs,
        snapshots=snapshots,
        exchange=Exchange(layout, store, volumes, trash),
        shipping=Shipping(layout, store, volumes, snapshots, trash),
        builder=builder,
        bootstrap_runner=root_runner(runner),
        keeper=keeper,
        keeper_pid=os.getppid(),
        meters=meters,
        turns=watchdog.turns(),
        shows_metrics=settings.metrics is not None,
    )
    server = Server(Application(daemon), _headers(), meters)
    log.info("pycompose %s serves %s", __version__, layout.socket)
    code = 1
    async with anyio.create_task_group() as tasks:
        containers.begin(tasks)
        threads.prepare()
        store.write_behind()
        with _starting(layout):
            await containers.blocking(_tidy, images.recover)
            await runner.recover()
            await containers.blocking(_tidy, builder.recover)
            found = await recover.recover(containers)
            await containers.blocking(networks.recover, found.live)
            await takeover.recover(containers)
            await containers.blocking(_tidy, volumes.recover)
            await leases.recover()
            await jobs.recover()
        again = [container for container in found.again if leases.lasts(container.record.labels)]
        # What is alive now stays alive: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        async with anyio.create_task_group() as serving:
            daemon.pulls = Pulls(daemon, serving)
            serving.start_soon(server.serve, listener)
            if remote is not None:
                from .api.remote import RemoteListener, shown

                daemon.remote = shown(remote[1])
                outside = RemoteListener(remote[0], partial(server.begin, serving))
                for other in remote[1]:
                    serving.start_soon(outside.serve, other)
            if listeners.metrics is not None:
                from .api.metrics import MetricsApplication

                shown_there = Server(MetricsApplication(daemon), [], most=MOST_UNTRUSTED)
                serving.start_soon(shown_there.serve, listeners.metrics)
            serving.start_soon(jobs.watch)
            serving.start_soon(daemon.hours.watch)
            serving.start_soon(_watch_signals, daemon)
            serving.start_soon(_watch_keeper, daemon)
            serving.start_soon(_catch_up, daemon)
            serving.start_soon(upkeep.watch, daemon, settings.upkeep)
            serving.start_soon(
                _watch_idle,
                daemon,
                server,
                0.0 if remote is not None or listeners.metrics is not None else settings.idle,
            )
            serving.start_soon(_watch_firewall, daemon)
            async with anyio.create_task_group() as restarting:
                restarting.start_soon(recover.restart_by_policy, containers, again)
                containers.revive = lambda one, delay: restarting.start_soon(recover.revive, containers, one, delay)
                await daemon.stopping.wait()
                containers.revive = None
                restarting.cancel_scope.cancel()  # what is starting looks like what has ended, and would be cleared away
            code = await _finish(daemon, server)
            server.abort()
            serving.cancel_scope.cancel()
        tasks.cancel_scope.cancel()
    for container in containers:
        if container.shim is not None:
            container.shim.close()
    leases.close()
    containers.close()
    keeper.close()
    builder.close()
    images.close()
    store.close()
    return code


def _headers() -> list[tuple[str, str]]:
    return [
        ("Api-Version", f"{API_VERSION[0]}.{API_VERSION[1]}"),
        ("Docker-Experimental", "false"),
        ("Ostype", "linux"),
        ("Server", f"pycompose/{__version__} (linux)"),
    ]


async def _watch_signals(daemon: Daemon) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            daemon.stopping.set()


async def _watch_keeper(daemon: Daemon) -> None:
    """Without a keeper no container can be started: drain and leave the field to the next keeper's engine."""
    await daemon.keeper.closed.wait()
    daemon.stopping.set()


async def _catch_up(daemon: Daemon) -> None:
    """Write what a full disk has refused, once it takes it: nothing tells when somebody has made room."""
    while True:
        await anyio.sleep(CATCH_UP_SECONDS)
        if daemon.store.behind:
            await _try(daemon, daemon.store.flush)
        await _try(daemon, daemon.networks.catch_up)


async def _watch_idle(daemon: Daemon, server: Server, configured: float | None) -> None:
    """Finish when nothing runs and no client has come for a while (idle.py)."""
    rule = IdleRule.of(os.environ, configured)
    if rule.seconds <= 0:
        return
    while True:
        quiet = time.monotonic() - server.last_active
        busy = (
            server.active > 0
            or (daemon.pulls is not None and daemon.pulls.is_serving)
            or daemon.leases.ending
            or daemon.jobs.busy
            or daemon.store.behind
            or not daemon.containers.trash.is_empty
            or daemon.containers.holding
            or memory.held(daemon.layout)
            or any(one.state.active or one.shim is not None for one in daemon.containers)
        )
        if not busy and rule.allows(quiet, lent=server.lent):
            daemon.stopping.set()
            return
        await anyio.sleep(rule.seconds if busy or quiet >= rule.seconds else rule.seconds - quiet)


async def _watch_firewall(daemon: Daemon) -> None:
    """See that no firewall that is started or reloaded cuts containers off."""
    with daemon.networks.firewall_changes() as changes:
        while True:
            await anyio.wait_readable(changes)
            await anyio.sleep(FIREWALL_SECONDS)  # a firewall is loaded in many steps; look when they are done
            drain(changes)
            await _try(daemon, daemon.networks.check_firewall)


async def _try(daemon: Daemon, work: Callable[[], object]) -> None:
    """Do what is done again and again: that it fails once is told, and no reason to end."""
    try:
        await daemon.containers.blocking(work)
    except (EngineError, OSError, MemoryError) as error:
        log.warning("%s: %s", getattr(work, "__qualname__", work), error or "Cannot allocate memory")


async def _finish(daemon: Daemon, server: Server) -> int:
    """Let requests end; when nothing runs, remove what this instance has in the kernel."""
    await daemon.containers.blocking(daemon.builder.end, DRAIN_SECONDS)
    await server.stop_accepting()
    with anyio.move_on_after(DRAIN_SECONDS):
        await server.drained()
        await daemon.leases.drained()
    if not daemon.keeper.closed.is_set():  # else the next engine is waiting for us
        await daemon.containers.blocking(daemon.containers.trash.empty, DRAIN_SECONDS)
    running = any(one.state.active or one.shim is not None for one in daemon.containers)
    if not running:
        for one in daemon.containers:  # what a teardown without descriptors or memory has left
            await daemon.containers.blocking(teardown.clear_run, daemon.containers, one.record)
        await daemon.containers.blocking(
            recover.sweep, daemon.containers
        )  # and a removal, of containers that are no more
        await daemon.containers.blocking(daemon.containers.trash.empty, DRAIN_SECONDS)
        await daemon.containers.blocking(daemon.networks.shutdown)
        await daemon.containers.blocking(memory.shut_down, daemon.layout)
    if not daemon.keeper.closed.is_set():
        try:
            await daemon.keeper.shutdown()
        except ShimError as error:
            log.warning("the keeper did not answer: %s", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
