"""A stack: a Compose project on an engine, and what can be done with it. The verbs and the public library stand on this.

    stack = Stack("compose.yaml", ephemeral=True)
    stack.up()
    host, port = stack.address("web", 80)

Nothing is read, and no engine is spoken to, before a method needs it. Every method returns when it is done. Errors are
`ComposeError`: `LoadError` for the files, `StackError` with a report for a plan that failed, `EngineError` for the rest.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import OperationError
from .choices import Choices, Silent
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal, Unpack

    from ..client import Engine
    from ..model import Project
    from ..plan.observe import ObservedContainer
    from ..plan.plan import Plan
    from ..plan.reconcile.options import UpOptions
    from ..run.perform import Settings
    from .choices import Chosen, Listener
    from .commands import ExecKeywords
    from .converge import Convergence
    from .ends import Ends
    from .feed import LogFeed
    from .oneoff import OneOffOptions
    from .results import Completed, Container


class Stack:
    """``files`` and ``chosen`` are what `pycompose` takes as global options: see `Choices`. Without files the usual names
    are looked for. ``listener`` is told warnings and progress; without one, warnings are kept in ``warnings``."""

    def __init__(
        self, *files: str | os.PathLike[str], listener: Listener | None = None, **chosen: Unpack[Chosen]
    ) -> None:
        self.warnings: list[str] = []
        choices = Choices(files=tuple(os.fspath(one) for one in files), **chosen)
        self.session = Session(choices, listener or Silent(self.warnings))

    @classmethod
    def of(cls, session: Session) -> Stack:
        """The stack of a session that is there already."""
        stack = cls.__new__(cls)
        stack.session = session
        stack.warnings = []
        return stack

    # -- what it is

    @property
    def name(self) -> str:
        """The project's name."""
        return self.session.name

    @property
    def project(self) -> Project:
        """The loaded model. Raises `LoadError` with every finding."""
        return self.session.project

    @property
    def engine(self) -> Engine:
        """The engine's API, typed. Our own engine is started when nobody listens."""
        return self.session.engine

    # -- the whole of it: naming a service enables its profile

    def up(
        self, *services: str, wait: bool = True, wait_timeout: float | None = None, options: UpOptions | None = None
    ) -> Convergence:
        """Bring the services (all without any) to what the model says, and wait until they run and are healthy.

        ``options`` say the rest (builds, recreation, scale); ``services`` and ``wait`` come before what they say.
        ``wait_timeout`` is in seconds. Raises `StackError` with the report when something failed.
        """
        from dataclasses import replace

        chosen = _for(services, options)
        return self.converge(replace(chosen, wait=wait or chosen.wait), wait_timeout=wait_timeout)

    def converge(
        self, options: UpOptions, *, settings: Settings | None = None, wait_timeout: float | None = None
    ) -> Convergence:
        """`up` by its options alone. Raises `StackError`."""
        from .converge import converge
        from .report import settled

        session = self.session.naming((*options.services, *options.scale))
        return settled(session, converge(session, options, settings=settings, wait_timeout=wait_timeout))

    def down(
        self,
        *services: str,
        volumes: bool = False,
        remove_orphans: bool = False,
        images: Literal["", "local", "all"] = "",
        timeout: int | None = None,
    ) -> Convergence:
        """Stop and remove containers and networks, with ``volumes`` also the volumes, with ``images`` also images.
        ``timeout`` is the grace in seconds, 0 kills. Raises `StackError`."""
        from ..plan.reconcile.options import DownOptions
        from .down import take_down
        from .report import settled

        options = DownOptions(services, volumes, remove_orphans, images, timeout)
        return settled(self.session, take_down(self.session, options))

    def build(self, *services: str, no_cache: bool = False, pull: bool = False) -> Convergence:
        """Build the images of the services (of all that have a build section). Raises `StackError`."""
        from .building import build
        from .report import settled

        session = self.session.naming(services)
        return settled(session, build(session, services, {"no_cache": no_cache, "pull": pull}))

    def plan(self, *services: str, options: UpOptions | None = None) -> Plan:
        """What `up` would do, and why: operations with their causes; ``empty`` when there is nothing to do, ``text()`` to
        print. Nothing is changed."""
        from .planning import plan_up

        chosen = _for(services, options)
        return plan_up(self.session.naming((*chosen.services, *chosen.scale)), chosen)

    def create(self, *services: str, options: UpOptions | None = None) -> Convergence:
        """Everything that `up` does, short of starting. Raises `StackError`."""
        from dataclasses import replace

        return self.converge(replace(_for(services, options), start=False, wait=False))

    def scale(
        self, replicas: Mapping[str, int], *, wait: bool = True, wait_timeout: float | None = None
    ) -> Convergence:
        """Bring each of these services to its number of containers, and leave those that are there as they are. ``wait`` and
        ``wait_timeout`` as for `up`. Raises `StackError`."""
        from .report import settled
        from .scaling import scale

        session = self.session.naming(list(replicas))
        return settled(session, scale(session, replicas, wait=wait, wait_timeout=wait_timeout))

    def pull(self, *services: str, missing_only: bool = False) -> Convergence:
        """Pull the images of the services, with ``missing_only`` those that are not here. Raises `StackError`."""
        from .pulling import PullOptions, pull
        from .report import settled

        options = PullOptions(services, "missing" if missing_only else "always")
        session = self.session.naming(services)
        return settled(session, pull(session, options)[0])

    def push(self, *services: str) -> list[str]:
        """Push the images that are built here and have a name; their references. Raises `OperationError` when one could not be
        pushed; the others are pushed then."""
        from .pushing import push, pushable

        session = self.session.naming(services)
        images, others = pushable(session, services)
        failures = push(session, images, others)
        if failures:
            raise OperationError("\n".join(f"{reference}: {error}" for reference, error in failures))
        return list(dict.fromkeys(images.values()))

    @contextmanager
    def running(
        self,
        *services: str,
        wait_timeout: float | None = None,
        options: UpOptions | None = None,
        volumes: bool | None = None,
    ) -> Iterator[Stack]:
        """For ``with``: `up` at the beginning, and at the end `down`, however it ends. The volumes go with it where ``volumes``
        says so; by default those of an ephemeral stack do, which are its own."""
        try:
            self.up(*services, wait_timeout=wait_timeout, options=options)
            yield self
        finally:
            self.down(volumes=self.session.choices.ephemeral if volumes is None else volumes)

    # -- its containers

    def ps(self, *services: str, all: bool = True) -> list[Container]:
        """The containers, by service and number; without ``all`` only those that run."""
        from .results import container

        return [container(row) for row in self.session.containers(services, all=all)]

    def start(self, *services: str, wait: bool = False, wait_timeout: float | None = None) -> None:
        """Start containers that are there, dependencies first. Raises `OperationError`, `StackError`."""
        from .lifecycle import start
        from .report import settled

        settled(self.session, start(self.session, services, wait=wait, wait_timeout=wait_timeout))

    def stop(self, *services: str, timeout: int | None = None) -> None:
        """Stop containers, dependants first; ``timeout`` is the grace in seconds. Raises `OperationError`."""
        from .stopping import stop_containers

        stop_containers(self.session, self._chosen(services), timeout)

    def restart(self, *services: str, timeout: int | None = None, dependants: bool = True) -> None:
        """Stop and start containers, and with ``dependants`` those tied to them by ``restart: true``."""
        from .lifecycle import restart
        from .report import settled

        result = restart(self.session, services, timeout=timeout, dependants=dependants)
        if result is not None:
            settled(self.session, result)

    def kill(self, *services: str, signal: str = "SIGKILL") -> None:
        """Send ``signal`` to the running containers."""
        from .stopping import run_levels

        kill = self.engine.containers.kill
        run_levels(self.session, [self._running(services)], "Killing", "Killed", lambda one: kill(one.id, signal))

    def pause(self, *services: str) -> None:
        """Freeze the running containers."""
        from .stopping import run_levels

        pause = self.engine.containers.pause
        run_levels(self.session, [self._running(services)], "Pausing", "Paused", lambda one: pause(one.id))

    def unpause(self, *services: str) -> None:
        """Thaw the paused containers."""
        from .stopping import run_levels

        unpause = self.engine.containers.unpause
        run_levels(self.session, [self._running(services)], "Unpausing", "Unpaused", lambda one: unpause(one.id))

    def rm(self, *services: str, stop: bool = False, volumes: bool = False) -> list[str]:
        """Remove the containers that do not run, with ``stop`` after stopping all of them, with ``volumes`` their anonymous
        volumes too; the names of those that are gone. Raises `OperationError`."""
        from .removing import remove

        if stop:
            self.stop(*services)
        gone = [one for one in self._chosen(services) if not one.running]
        remove(self.session, gone, volumes=volumes)
        return [one.name for one in gone]

    def wait(self, *services: str, timeout: float | None = None) -> dict[str, int]:
        """Block until the containers of the services have ended, ``timeout`` seconds at most; the exit codes by container name.
        Raises `TimedOut`, `NotRunning` when there are none."""
        return self.ends(*services).result(timeout)

    def ends(self, *services: str) -> Ends:
        """The ends of the containers, waited for from now on. Raises `NotRunning` when there are none."""
        from .ends import Ends

        return Ends(self.session, services)

    # -- what runs in them

    def exec(
        self,
        service: str,
        *command: str,
        input: str | bytes | None = None,
        timeout: float | None = None,
        **how: Unpack[ExecKeywords],
    ) -> Completed:
        """Run a command in a running container of the service to its end, with ``input`` on its standard input, ``timeout``
        seconds at most. ``how`` are the members of `ExecOptions`. Raises `TimedOut`, and then the command is killed."""
        from .commands import ExecOptions, begin_exec

        return begin_exec(self.session, service, command, input, ExecOptions(**how)).result(timeout)

    def run(
        self,
        service: str,
        *command: str,
        input: str | bytes | None = None,
        timeout: float | None = None,
        options: OneOffOptions | None = None,
    ) -> Completed:
        """Run a command in a container of its own, made like the service's, which is removed afterwards; ``input`` and
        ``timeout``, from its start on, as for `exec`. Dependencies are brought up first. Raises `StackError` when they do not
        come up, `TimedOut`."""
        from .commands import begin_run

        return begin_run(self.session.naming([service]), service, command, input, options).result(timeout)

    def logs(self, *services: str, tail: int | None = None, since: str | None = None, timestamps: bool = False) -> str:
        """What the containers have written so far, one container after the other. ``since`` is in seconds since the
        epoch, as text."""
        from ..labels import SERVICE
        from .commands import output

        rows = self.session.containers(services)
        self.session.require_declared(services, [row["Labels"].get(SERVICE) for row in rows])
        parts = [output(self.engine, row["Id"], tail=tail, since=since, timestamps=timestamps) for row in rows]
        return "".join(one.stdout + one.stderr for one in parts)

    def follow(self, *services: str, tail: int | None = None, since: str | None = None) -> LogFeed:
        """Lines as they are written, of containers too that start later, until all have ended: iterate, and `close` it, or
        leave its ``with``, when that is enough. ``tail`` and ``since`` as for `logs`."""
        from .feed import LogFeed

        return LogFeed(self.session, services, tail=tail, since=since)

    def top(self, *services: str) -> dict[str, list[dict[str, str]]]:
        """The processes of the running containers, by container name: values by the titles of `ps`, such as PID and CMD."""
        found: dict[str, list[dict[str, str]]] = {}
        for one in self._running(services):
            told = self.engine.containers.top(one.id)
            found[one.name] = [dict(zip(told["Titles"] or (), row, strict=False)) for row in told["Processes"] or ()]
        return found

    def copy_to(
        self, service: str, source: str | os.PathLike[str], target: str, *, index: int = 0, archive: bool = False
    ) -> None:
        """Copy a file or directory of this machine into the containers of a service (into number ``index`` alone), by the rules
        of `pycompose cp`; with ``archive`` owners stay the same. Raises `OperationError`."""
        from .copying import to_container

        for identity in self._ids(service, index):
            to_container(
                self.engine,
                identity,
                os.fspath(source),
                target,
                archive=archive,
                follow=False,
                remark=self.session.listener.warn,
            )

    def copy_from(self, service: str, source: str, target: str | os.PathLike[str], *, index: int = 0) -> None:
        """Copy a file or directory of a service's container, the first one's or number ``index``'s, to this machine. Raises
        `OperationError`."""
        from .copying import from_container

        identity = self._ids(service, index)[0]
        from_container(
            self.engine, identity, source, os.fspath(target), follow=False, remark=self.session.listener.warn
        )

    # -- where it is

    def address(self, service: str, port: int, protocol: str = "tcp", *, index: int = 0) -> tuple[str, int]:
        """Host and port that lead to ``port`` of a service: published on this machine, else the container's own address.
        Raises `OperationError` when nothing does."""
        from .addresses import lookup

        return lookup(self.session.container_of(service, index), service, port, protocol)

    def environment(self, *services: str) -> dict[str, str]:
        """DB_HOST, DB_PORT, DB_5432 … of the running services, as `pycompose env` prints them."""
        from .addresses import environment

        return environment(self.session.containers(services, all=False))

    def _ids(self, service: str, index: int) -> list[str]:
        """Containers of a service, running or not. Raises `NotRunning`."""
        if index > 0:
            return [str(self.session.container_of(service, index)["Id"])]
        self.session.container_of(service)  # raises where there is none
        return [str(one["Id"]) for one in self.session.containers([service])]

    def _chosen(self, services: Sequence[str]) -> list[ObservedContainer]:
        from .chosen import chosen

        return chosen(self.session, services)

    def _running(self, services: Sequence[str]) -> list[ObservedContainer]:
        return [one for one in self._chosen(services) if one.running]


def _for(services: Sequence[str], options: UpOptions | None) -> UpOptions:
    """``options`` with these services, where any are named."""
    from dataclasses import replace

    from ..plan.reconcile.options import UpOptions

    options = options or UpOptions()
    return replace(options, services=tuple(services) or options.services)
