"""A stack: a Compose project on an engine, and what can be done with it. The verbs and the public library stand on this.

    stack = Stack("compose.yaml", ephemeral=True)
    stack.up()
    host, port = stack.address("web", 80)

Nothing is read, and no engine is spoken to, before a method needs it. Every method returns when it is done. Errors are
`ComposeError`: `LoadError` for the files, `StackError` with a report for a plan that failed, `EngineError` for the rest.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .choices import Choices, Silent
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal, Unpack

    from ..client import Engine
    from ..model import Project
    from ..plan.observe import ObservedContainer
    from ..plan.reconcile.options import UpOptions
    from ..run.perform import Settings
    from .choices import Chosen, Listener
    from .converge import Convergence
    from .ends import Ends
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

    # -- the whole of it

    def up(
        self, *services: str, wait: bool = True, wait_timeout: float | None = None, options: UpOptions | None = None
    ) -> Convergence:
        """Bring the services (all without any) to what the model says, and wait until they run and are healthy.

        ``options`` say the rest (builds, recreation, scale); ``services`` and ``wait`` come before what they say.
        ``wait_timeout`` is in seconds. Raises `StackError` with the report when something failed.
        """
        from dataclasses import replace

        from ..plan.reconcile.options import UpOptions

        options = options or UpOptions()
        return self.converge(
            replace(options, services=services or options.services, wait=wait or options.wait),
            wait_timeout=wait_timeout,
        )

    def converge(
        self, options: UpOptions, *, settings: Settings | None = None, wait_timeout: float | None = None
    ) -> Convergence:
        """`up` by its options alone. Raises `StackError`."""
        from .converge import converge
        from .report import settled

        return settled(self.session, converge(self.session, options, settings=settings, wait_timeout=wait_timeout))

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

        return settled(self.session, build(self.session, services, {"no_cache": no_cache, "pull": pull}))

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

    def wait(self, *services: str) -> dict[str, int]:
        """Block until the containers of the services have ended; the exit codes by container name."""
        return self.ends(*services).result()

    def ends(self, *services: str) -> Ends:
        """The ends of the containers, waited for from now on. Raises `NotRunning` when there are none."""
        from .ends import Ends

        return Ends(self.session, services)

    # -- what runs in them

    def exec(
        self,
        service: str,
        *command: str,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        working_dir: str = "",
        index: int = 0,
    ) -> Completed:
        """Run a command in a running container of the service (number ``index``, or the first), to its end."""
        from .commands import execute

        identity = str(self.session.container_of(service, index, all=False)["Id"])
        return execute(self.engine, identity, command, user, environment or {}, working_dir)

    def run(self, service: str, *command: str, options: OneOffOptions | None = None) -> Completed:
        """Run a command in a container of its own, made like the service's, which is removed afterwards. Dependencies are
        brought up first. Raises `StackError` when they do not come up."""
        from .commands import run

        return run(self.session, service, command, options)

    def logs(self, *services: str, tail: int | None = None, since: str | None = None, timestamps: bool = False) -> str:
        """What the containers have written so far, one container after the other. ``since`` is in seconds since the
        epoch, as text."""
        from ..labels import SERVICE
        from .commands import output

        rows = self.session.containers(services)
        self.session.require_declared(services, [row["Labels"].get(SERVICE) for row in rows])
        parts = [output(self.engine, row["Id"], tail=tail, since=since, timestamps=timestamps) for row in rows]
        return "".join(one.stdout + one.stderr for one in parts)

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

    def _chosen(self, services: Sequence[str]) -> list[ObservedContainer]:
        from .chosen import chosen

        return chosen(self.session, services)

    def _running(self, services: Sequence[str]) -> list[ObservedContainer]:
        return [one for one in self._chosen(services) if one.running]
