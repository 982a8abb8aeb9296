"""The life of one container under its shim: start, end, restart by policy, stop.

    created ──start──► running ──end──► exited ◄───────────┐
       ▲                  ▲               │ policy          │ stop
       │ launch failed    └──after delay──┴─► restarting ───┘

The one writer of status.json. Facts only: what the user wants is the engine's business. Not here: the sockets
(shim.py), the operations (launch.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from ..linux import cgroups, process
from . import bundle, child, foreign, leftover, restart, spaces, statusfile
from .containerlog import ContainerLog
from .foreign import Console
from .launch import Launch
from .memorywatch import MemoryWatch
from .stage import Failure, ProgramError
from .streams import Streams
from .supervisor import supervise

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from ..linux.cgroup import Cgroup
    from . import wire
    from .bundle import ShimSpec
    from .launch import Host
    from .loop import Loop, Timer

    Done = Callable[[wire.Answer | None, Failure | None], None]
    """Gets the answer to a start: the started document or the failure."""

_KILL_PATIENCE = 10.0
"""Seconds after SIGKILL until a stop is answered with an error: a process in the kernel's hands may never go."""


class Refused(Exception):
    """A request that makes no sense in the container's present state."""


class Run(NamedTuple):
    """One run of the container's program, from clone to exit."""

    child: child.Child
    pid_starttime: int
    streams: Streams
    clock: float
    console: Console | None = None
    """Only while another runtime launches."""


class Container:
    """``publish(event, fields)`` is told what happens, in order, after status.json says so."""

    def __init__(self, loop: Loop, host: Host, spec: ShimSpec, publish: Callable[[str, wire.Message], None]) -> None:
        self._loop = loop
        self._host = host
        self._publish = publish
        self.spec = spec
        self._signature = bundle.signature(spec.launch)
        self.policy = spec.restart
        self._user, self.network = spaces.make(spec)
        self.cgroup: Cgroup | None = None
        self.run: Run | None = None
        self._mounts = -1
        self.status = statusfile.created()
        self._log = ContainerLog(loop, spec.log)
        self._report = child.Report()
        self._launching: Done | None = None
        self._delayed_signals: list[int] = []
        self._restart: Timer | None = None
        self._kill: Timer | None = None
        self._delay = 0.0
        self._attempts = 0
        self._manual = self._by_policy = self._last_run = False
        self._stopped: list[Callable[[str], None]] = []
        self._size = (0, 0)
        self.files = -1
        self._warnings: tuple[str, ...] = ()
        self._memory: MemoryWatch | None = None
        self._record()

    @property
    def launching(self) -> bool:
        """Whether the first process is still on its way to the program."""
        return self._launching is not None

    # -- start -------------------------------------------------------------------------------------------------------

    def start(self, done: Done) -> None:
        """Run; ``done`` gets the started document or the failure. A launch.json that has changed is read again."""
        if self.run is not None or self._restart is not None:
            raise Refused("the container is already running")
        self._manual = self._by_policy = self._last_run = False
        self._delay = 0.0
        try:
            self._renew()
            if self.spec.cgroup:
                self.cgroup = cgroups.at(self.spec.cgroup, self._host.hierarchies)
                self._warnings = self.cgroup.create()
        except (OSError, ValueError) as error:
            self._refuse(Failure.of("prepare", error), done)
            return
        self.status["restart_count"] = self._attempts = 0
        self._launch(done)

    def _renew(self) -> None:
        signature = bundle.signature(self.spec.launch)
        if signature == self._signature:
            return
        before = self.spec
        self.spec = bundle.read(before.launch).for_shim()
        self._signature = signature
        self.policy = self.spec.restart
        self._user = spaces.renewed(self._user, before, self.spec)
        if self.spec.log != before.log:
            self._log.close()

    def _launch(self, done: Done) -> None:
        try:
            console = Console(foreign.Files.of(self.spec)) if self.spec.runtime and self.spec.terminal else None
            forked, streams = self._fork(console.address if console is not None else "")
        except (OSError, ValueError) as error:
            self._refuse(Failure.of("launch", error), done)
            return
        self._report = child.Report()
        self._launching = done
        self.run = Run(forked, process.start_time(forked.pid) or 0, streams, time.monotonic(), console)
        child.follow(self._loop, forked, self._on_report)

    def _fork(self, console: str) -> tuple[child.Child, Streams]:
        spec = self.spec
        network = self.network.descriptor if self.network is not None else -1
        streams = Streams(self._loop, self._log.open(), terminal=spec.terminal, stdin=spec.stdin_open)
        try:
            if spec.runtime:
                process.become_subreaper()
                draft = foreign.ForeignLaunch(spec.launch, self._host, network, console)
                forked = child.fork(draft, streams.child, pid_namespace="")
            else:
                limits, window = not self._by_policy, self._size
                own = Launch(spec.launch, self._host, network, limits=limits, window=window, user=self._user)
                forked = child.fork(own, streams.child, pid_namespace=spaces.pids(spec), cgroup=self.cgroup)
        except OSError:
            streams.finish()
            raise
        finally:
            streams.forked()
        return forked, streams

    def _on_report(self, settled: child.Child, report: child.Report) -> None:
        assert self.run is not None
        run, self._report = self.run, report
        self._hold_files(self._report.files)
        supervise(self._loop, self._report.listener)
        run = self.run = run._replace(child=settled, pid_starttime=process.start_time(settled.pid) or 0)
        if self.spec.runtime and self._report.failure is None:
            # So far only the other runtime runs.
            self._loop.watch(run.child.pidfd, lambda _: self._on_runtime_exit())
            return
        if self._report.failure is not None:
            if run.console is not None:
                run.console.close()
            self._failed(run, self._report.failure)
            return
        self._running(run)

    def _on_runtime_exit(self) -> None:
        assert self.run is not None
        run = self.run
        code = process.reap(run.child.pidfd)
        if code is None:
            return
        self._loop.forget(run.child.pidfd)
        os.close(run.child.pidfd)
        try:
            if code:
                raise ValueError
            with open(foreign.Files.of(self.spec).pid) as handle:
                pid = int(handle.read())
            pidfd = os.pidfd_open(pid)
            if run.console is not None:
                self._report = self._report._replace(terminal=run.console.receive())
        except (OSError, ValueError):
            self._failed(run, foreign.failure(self.spec, code))
            return
        finally:
            if run.console is not None:
                run.console.close()
        self.run = run._replace(
            child=child.Child(pid, pidfd, run.child.channel), pid_starttime=process.start_time(pid) or 0, console=None
        )
        self._running(self.run)

    def _running(self, run: Run) -> None:
        done, self._launching = self._launching, None
        assert done is not None
        if self._report.terminal >= 0:
            run.streams.attach_terminal(self._report.terminal)
            if all(self._size):
                run.streams.resize(*self._size)
        self._record(
            status="running",
            pid=run.child.pid,
            pid_starttime=run.pid_starttime,
            started_at=time.time_ns(),
            exit_code=0,
            oom_killed=False,
            error="",
            manual=False,
        )
        started = statusfile.started(self.status, [*self._warnings, *self._report.warnings])
        done(started, None)
        self._publish("started", {"started": started})
        self._mounts = leftover.hold(self.spec, self._host.hierarchies, run.child.pid)
        self._loop.watch(run.child.pidfd, lambda _: self._on_exit())
        if self.cgroup is not None:
            known = self._memory.kills if self._memory is not None else 0
            self._memory = MemoryWatch(self._loop, self.cgroup, known, lambda: self._publish("oom", {}))
        delayed, self._delayed_signals = self._delayed_signals, []
        for number in delayed:
            process.send_signal(run.child.pidfd, number)

    def _failed(self, run: Run, failure: Failure) -> None:
        done, self._launching = self._launching, None
        assert done is not None
        if self._report.terminal >= 0:
            os.close(self._report.terminal)
        run.streams.finish()
        self._log.flush()
        self.run = None
        self._hold_files(-1)
        self._delayed_signals = []
        self._refuse(failure, done)

    def _refuse(self, failure: Failure, done: Done) -> None:
        """The program does not run. At a start by request that is the answer; at one by policy it counts as an end."""
        if self._by_policy:
            self._ended(failure.exit_code, False, 0.0, failure.message)
        else:
            self._record(exit_code=failure.exit_code, error=failure.message)
            self._settle()
        done(None, failure)

    # -- end ---------------------------------------------------------------------------------------------------------

    def _on_exit(self) -> None:
        assert self.run is not None
        run = self.run
        code = process.reap(run.child.pidfd)
        if code is None:
            return
        self._loop.forget(run.child.pidfd)
        os.close(run.child.pidfd)
        self._hold_files(-1)
        if self.cgroup is not None and self.spec.pid_namespace != "new":
            # Without a pid namespace of its own the container's other processes outlive the first.
            self.cgroup.kill()
        leftover.kill(self._mounts)
        run.streams.finish()
        self._log.flush()
        self.run = None
        oom = self._memory is not None and self._memory.end()
        ran_for = time.monotonic() - run.clock
        if self.spec.runtime:
            self._forget_foreign(lambda: self._ended(code, oom, ran_for, ""))
        else:
            self._ended(code, oom, ran_for, "")

    def _forget_foreign(self, then: Callable[[], None]) -> None:
        """Have the other runtime forget the container, which it would not start a second time otherwise."""
        try:
            pidfd = os.pidfd_open(foreign.delete(self.spec))
        except (OSError, ProgramError):
            then()
            return

        def deleted(_: int) -> None:
            if process.reap(pidfd) is not None:
                self._loop.forget(pidfd)
                os.close(pidfd)
                then()

        self._loop.watch(pidfd, deleted)

    def _ended(self, code: int, oom: bool, ran_for: float, error: str) -> None:
        held = self._manual or self._last_run
        decision = restart.decide(self.policy, code, self._attempts, ran_for, held, self._delay)
        self._delay, self._attempts = decision or (0.0, self._attempts)
        self._record(
            status="exited" if decision is None else "restarting",
            pid=None,
            pid_starttime=None,
            finished_at=time.time_ns(),
            exit_code=code,
            oom_killed=oom,
            error=error,
            manual=self._manual,
        )
        if decision is not None:
            self._restart = self._loop.after(decision.delay, self._restart_now)
        self._announce_exit()
        if decision is None:
            self._settle()

    def _announce_exit(self) -> None:
        restarting = self._restart is not None
        fields = statusfile.exited(self.status, restarting=restarting, delay=self._delay, manual=self._manual)
        self._publish("exited", {"exited": fields})

    def _restart_now(self) -> None:
        self._restart = None
        self._by_policy = True
        self.status["restart_count"] += 1
        self._launch(lambda started, failure: None)

    def _settle(self) -> None:
        """The container is down for good: answer those who wait for that."""
        if self._kill is not None:
            self._kill.cancel()
            self._kill = None
        waiting, self._stopped = self._stopped, []
        for done in waiting:
            done("")

    # -- requests ----------------------------------------------------------------------------------------------------

    def signal(self, number: int) -> None:
        """To the first process. Raises Refused when there is none."""
        if self.run is None:
            raise Refused("the container is not running")
        if number == signal.SIGKILL:
            self._kill_all()
        elif self._launching is not None:
            # The first process of a pid namespace ignores what it has no handler for; it is not the program yet.
            self._delayed_signals.append(number)
        else:
            process.send_signal(self.run.child.pidfd, number)

    def forbid_restart(self) -> bool:
        """No policy starts the container again until it is started by request. Whether a restart was pending, and is called off."""
        self._manual = True
        if self._restart is None:
            return False
        self._restart.cancel()
        self._restart = None
        self._record(status="exited", manual=True)
        self._announce_exit()
        return True

    def wind_up(self, done: Callable[[str], None]) -> None:
        """The machine goes down: as `stop`, with the container's own signal and grace, but nobody has asked for it. So what its
        policy says after a boot holds."""
        self._last_run = True
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
            self._record(status="exited")
            self._announce_exit()
        self._end(self.spec.stop_signal, self.spec.stop_timeout, done)

    def stop(self, number: int, grace: float | None, done: Callable[[str], None]) -> None:
        """Signal, SIGKILL after ``grace`` seconds; ``done("")`` when the container is down, or with what went wrong."""
        self.forbid_restart()
        self._end(number, grace, done)

    def _end(self, number: int, grace: float | None, done: Callable[[str], None]) -> None:
        if self.run is None:
            done("")
            return
        self._stopped.append(done)
        if self.cgroup is not None:
            self.cgroup.thaw()
        self.signal(number)
        if grace is not None and number != signal.SIGKILL:
            if self._kill is not None:
                self._kill.cancel()
            self._kill = self._loop.after(grace, self._kill_all)

    def _kill_all(self) -> None:
        if self.run is None:
            return
        if self.cgroup is not None:
            self.cgroup.thaw()
        process.send_signal(self.run.child.pidfd, signal.SIGKILL)
        if self.launching:
            # The program may be another process than the one that is on its way (child.follow).
            self._delayed_signals.append(signal.SIGKILL)
        if self._kill is not None:
            self._kill.cancel()
        self._kill = self._loop.after(_KILL_PATIENCE, self._give_up)

    def _give_up(self) -> None:
        waiting, self._stopped = self._stopped, []
        for done in waiting:
            done(f"the container did not end within {_KILL_PATIENCE:.0f} s of SIGKILL")

    def _hold_files(self, folder: int) -> None:
        if self.files >= 0:
            os.close(self.files)
        self.files = folder

    def resize(self, rows: int, columns: int) -> None:
        self._size = (rows, columns)
        if self.run is not None:
            self.run.streams.resize(rows, columns)

    def release(self) -> None:
        """Give everything back. Raises Refused while the container runs."""
        if self.run is not None or self._restart is not None:
            raise Refused("the container is running")
        self._log.close()
        if self.cgroup is not None:
            self.cgroup.remove()

    def _record(self, **changes: Unpack[wire.StatusChange]) -> None:
        self.status = {**self.status, **changes}
        # On a full disk the container goes on; the engine hears from us what the file cannot say, and takes the end of
        # the container as unknown when neither of us is left to tell.
        with contextlib.suppress(OSError):
            statusfile.write(self.spec.status, self.status)
