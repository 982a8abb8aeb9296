"""The keeper: the one process of an engine instance that forks, and the one that outlives the engine's crashes.

    python -I -S -E <engine>/runtime/keeper.py --root ROOT [--foreground]

Single-threaded and small on purpose. It holds the instance's lock and its API socket, starts the engine and starts it
again when it crashes, and forks shims for it (protocol.py). When it dies itself, the engine drains and exits; shims and
containers go on. Exit codes: 0 the engine has finished; 75 another keeper holds this root; 1 anything else.

Without --foreground the command returns as soon as the socket accepts connections.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

if not __package__:
    # Run by path, in isolated mode: the package has to be found first.
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3)))
    __package__ = "pycompose.engine.runtime"
    # Before everything else is loaded, since it would be loaded a second time.
    from pycompose.engine.runtime.sealed import seal

    try:
        if os.geteuid() == 0:  # else we become root first, in a user namespace: rootless.py
            seal()
    except OSError as error:
        sys.exit(f"pycompose keeper: cannot copy its own program into memory: {error}")

from ..documents import NewerFormat
from ..layout import Layout
from ..linux import cgroup, cgroups, process
from ..refusals import told
from . import activation, environment, guard, inner, lockfile, ownlog, protocol, residence, shim, statusfile
from .bundle import ShimSpec
from .isolation import isolate, shims_live
from .loop import Loop
from .outlet import Outlet

if TYPE_CHECKING:
    from . import wire
    from .launch import Host

_CRASHES = 5
"""So many crashes in a row, each within _EARLY seconds of its start, and the keeper gives up."""
_EARLY = 5.0
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0
_PATIENCE = 2.0
"""Seconds that the uplink gets to end."""

EX_TEMPFAIL = 75
EX_CONFIG = 78


class Keeper:
    """Lock and socket are held by whoever constructs this; they are inherited by nobody but the engine."""

    def __init__(self, layout: Layout, listener: socket.socket, host: Host) -> None:
        self._layout = layout
        self._listener = listener
        self._host = host
        self.loop = Loop()
        self._channel: socket.socket | None = None
        self._engine = -1
        self._engine_started = 0.0
        self._crashes = 0
        self._shims: dict[int, ShimSpec] = {}
        self._finishing = False
        self._terminating = False
        self._outlet: Outlet | None = None
        self.exit_code = 0

    def run(self) -> int:
        """Keep until the engine has finished. Returns the exit code."""
        self.catch_signals()
        if self._host.network is not None:
            self._outlet = Outlet(self.loop, self._host.network, self._layout.lifeline)
        self._start_engine()
        self.loop.run()
        if self._outlet is not None:
            self._outlet.close(0.0 if shims_live(self._layout) else _PATIENCE)
        return self.exit_code

    # -- the engine --------------------------------------------------------------------------------------------------

    def _start_engine(self) -> None:
        ours, theirs = protocol.pair()
        # Before there is an engine: it finds it waiting.
        protocol.send(ours, protocol.hello(("fork", "guard", "log", "shutdown")))
        pid = os.fork()
        if pid == 0:
            self._become_engine(theirs)
        theirs.close()
        self._engine = os.pidfd_open(pid)
        self._engine_started = time.monotonic()
        self._finishing = False
        self.attach(ours)
        self.loop.watch(self._engine, lambda _: self._engine_exited())

    def _become_engine(self, channel: socket.socket) -> None:
        try:
            process.reset_signals()
            process.set_oom_score(self._host.oom_score)
            for descriptor in (self._listener.fileno(), channel.fileno()):
                os.set_inheritable(descriptor, True)
            arguments = [sys.executable, "-I", "-m", "pycompose.engine", "--root", str(self._layout.root)]
            arguments += ["--listen-fd", str(self._listener.fileno()), "--keeper-fd", str(channel.fileno())]
            os.execve(sys.executable, arguments, environment.read())
        except OSError as error:
            ownlog.say("keeper", f"cannot execute {sys.executable}: {error}")
        finally:
            os._exit(127)

    def attach(self, channel: socket.socket) -> None:
        """Serve requests that come over ``channel``."""
        self._channel = channel
        self.loop.watch(channel.fileno(), lambda _: self._serve())

    def _engine_exited(self) -> None:
        code = process.reap(self._engine)
        if code is None:
            return
        self._serve()
        self._drop_channel()
        self.loop.forget(self._engine)
        os.close(self._engine)
        self._engine = -1
        if self._terminating:
            self.loop.stop()
            return
        if code == 0 or self._finishing:
            if code == 0 and _has_pending_connection(self._listener):
                # Restart the engine if a client is queued: it connected while the engine was ending.
                self._start_engine()
                return
            self.exit_code = 0 if code == 0 else 1
            self.loop.stop()
            return
        if code == EX_CONFIG:
            self.exit_code = EX_CONFIG  # it has said why; it would say so again
            self.loop.stop()
            return
        early = time.monotonic() - self._engine_started < _EARLY
        self._crashes = self._crashes + 1 if early else 1
        ownlog.say("keeper", f"the engine ended with exit code {code}")
        if self._crashes >= _CRASHES:
            ownlog.say(
                "keeper", f"it did so {_CRASHES} times in a row within {_EARLY:.0f} s: giving up, containers go on"
            )
            self.exit_code = 1
            self.loop.stop()
            return
        self.loop.after(min(_FIRST_DELAY * 2 ** (self._crashes - 1), _LONGEST_DELAY), self._start_engine)

    def _drop_channel(self) -> None:
        if self._channel is not None:
            self.loop.forget(self._channel.fileno())
            self._channel.close()
            self._channel = None

    def _serve(self) -> None:
        while self._channel is not None:
            try:
                received = protocol.receive(self._channel)
            except BlockingIOError:
                return
            if received is None:
                self._drop_channel()
                return
            message, descriptors = received
            try:
                answer = self._answer(message, descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            if self._channel is not None:
                try:
                    protocol.send(self._channel, {"reply": message["id"], **answer})
                except OSError:
                    self._drop_channel()

    def _answer(self, message: wire.Message, descriptors: list[int]) -> wire.Message:
        if message["op"] == "shutdown":
            self._finishing = True
            return {"ok": None}
        if message["op"] == "log":
            ownlog.write_as(message.get("form", ""))
            return {"ok": None}
        if message["op"] == "fork" and len(descriptors) == 1:
            try:
                return {"ok": self._fork_shim(ShimSpec.parse(message["shim"]), descriptors[0])}
            except (OSError, TypeError, KeyError, ValueError) as error:
                return {"error": {"message": f"cannot fork a shim: {error}"}}
        if message["op"] == "guard" and 1 <= len(descriptors) <= 2:
            try:
                return {"ok": self._fork_guard(message, descriptors)}
            except OSError as error:
                return {"error": {"message": f"cannot fork a guard: {error.strerror}"}}
        return {"error": {"message": f"unknown request {message['op']!r}"}}

    # -- guards of leases --------------------------------------------------------------------------------------------

    def _fork_guard(self, message: wire.Message, descriptors: list[int]) -> wire.Answer:
        pid = os.fork()
        if pid == 0:
            self._become_guard(message, descriptors)
        pidfd = os.pidfd_open(pid)
        self.loop.watch(pidfd, lambda _: self._guard_exited(pidfd))
        return {"pid": pid}

    def _become_guard(self, message: wire.Message, descriptors: list[int]) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            outside = self._host.mount_namespace
            kept = [0, 1, 2, *descriptors, *environment.held(), *([] if outside is None else [outside])]
            process.close_all_except(kept)
            guard.leave(outside)
            channel, owner = socket.socket(fileno=descriptors[0]), descriptors[1] if len(descriptors) > 1 else -1
            wake = guard.command(os.path.abspath(__file__), str(self._layout.root))
            guard.main(message["lease"], message["control"], channel, owner, message["seconds"], wake)
            code = 0
        except BaseException:
            # The last frame before the process ends: say what happened, whatever it is.
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _guard_exited(self, pidfd: int) -> None:
        if process.reap(pidfd) is not None:
            self.loop.forget(pidfd)
            os.close(pidfd)

    # -- shims -------------------------------------------------------------------------------------------------------

    def _fork_shim(self, spec: ShimSpec, control: int) -> wire.Answer:
        pid = os.fork()
        if pid == 0:
            self._become_shim(spec, control)
        pidfd = os.pidfd_open(pid)
        self._shims[pidfd] = spec
        self.loop.watch(pidfd, lambda _: self._shim_exited(pidfd))
        return {"pid": pid, "pid_starttime": process.start_time(pid) or 0}

    def _become_shim(self, spec: ShimSpec, control: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            keep = [0, 1, 2, control]
            keep += [handle for handle in (self._host.mount_namespace, self._host.network) if handle is not None]
            if self._outlet is not None and self._outlet.lifeline >= 0:
                keep.append(self._outlet.lifeline)
            process.close_all_except(keep)
            shim.main(spec, socket.socket(fileno=control), self._host)
            code = 0
        except BaseException:
            # The last frame before the process ends: say what happened, whatever it is.
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _shim_exited(self, pidfd: int) -> None:
        code = process.reap(pidfd)
        if code is None:
            return
        self.loop.forget(pidfd)
        os.close(pidfd)
        spec = self._shims.pop(pidfd)
        if code != 0:
            self._bury(spec, code)

    def _bury(self, spec: ShimSpec, code: int) -> None:
        """A shim has died without a release: its container must not outlive it. In a child, since it may take time."""
        pid = os.fork()
        if pid:
            cleaner = os.pidfd_open(pid)
            self.loop.watch(cleaner, lambda _: self._buried(cleaner))
            return
        try:
            ownlog.say("keeper", f"the shim of {spec.id[:12]} died (exit code {code})")
            statusfile.bury(spec.status, spec.cgroup, self._host.hierarchies)
        except (OSError, ValueError) as error:
            ownlog.say("keeper", f"after the shim of {spec.id[:12]}: {error}")
        finally:
            os._exit(0)

    def _buried(self, cleaner: int) -> None:
        if process.reap(cleaner) is not None:
            self.loop.forget(cleaner)
            os.close(cleaner)

    # -- signals -----------------------------------------------------------------------------------------------------

    def catch_signals(self) -> None:
        """SIGTERM and SIGINT end us in order; shims inherit the handlers."""
        reader, writer = protocol.pair()
        self._wake = (reader, writer)
        signal.set_wakeup_fd(writer.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.loop.watch(reader.fileno(), lambda _: self._terminate())

    def _terminate(self) -> None:
        """SIGTERM or SIGINT: the engine finishes, and so do we. Containers go on."""
        self._wake[0].recv(64)
        self._terminating = self._finishing = True
        if self._engine >= 0:
            process.send_signal(self._engine, signal.SIGTERM)
        else:
            self.loop.stop()


def main(arguments: list[str]) -> int:
    """The command. Returns the exit code."""
    root: str | None = None
    foreground = False
    rest = iter(arguments)
    for argument in rest:
        if argument == "--foreground":
            foreground = True
        elif argument == "--root":
            root = next(rest, "")
        elif argument.startswith("--root="):
            root = argument[7:]
        else:
            _say(f"unknown argument {argument!r}")
            return 2
    layout = Layout.for_root(root)
    if os.geteuid() != 0:
        return _become_root(layout)
    if foreground:
        return _keep(layout, -1)
    return _in_background(layout)


def _become_root(layout: Layout) -> int:
    from .rootless import Withheld, enter

    try:
        enter(layout)
    except (Withheld, OSError, NewerFormat) as error:
        _say(told(error, layout.run))
        return EX_CONFIG if isinstance(error, NewerFormat) else 1


def _in_background(layout: Layout) -> int:
    """Detach; return when the detached keeper listens, or with its exit code when it ends before."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(writer)
        if os.read(reader, 1):
            return 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        os.close(reader)
        os.setsid()
        code = _keep(layout, writer)
    finally:
        os._exit(code)


def _keep(layout: Layout, ready: int) -> int:
    try:
        return _keep_until_finished(layout, ready)
    except OSError as error:
        _say(told(error, layout.run))
        return 1
    except NewerFormat as error:
        _say(str(error))
        return EX_CONFIG


def _keep_until_finished(layout: Layout, ready: int) -> int:
    os.makedirs(layout.run, mode=0o700, exist_ok=True)
    os.chdir("/")
    os.umask(0o022)
    lock = lockfile.take(str(layout.lock))
    if lock is None:
        _say(f"an engine for {layout.root} is running already")
        return EX_TEMPFAIL
    if ready >= 0:
        ownlog.redirect_output(str(layout.engine_log))
    host = isolate(layout)
    if ready >= 0:
        residence.move_out(layout, host.hierarchies)
    passed = activation.passed_listener(str(layout.socket))
    listener = passed or protocol.listen_stream(str(layout.socket))
    keeper = Keeper(layout, listener, host)
    if ready >= 0:
        with contextlib.suppress(BrokenPipeError):  # who has started us was killed; others are connected by now
            os.write(ready, b"1")
        os.close(ready)
    # Shims share these objects' pages for as long as no collection writes to them.
    gc.collect()
    gc.freeze()
    gc.disable()
    code = keeper.run()
    listener.close()
    if passed is None:
        os.unlink(layout.socket)
    if code == 0:
        _clean_up(layout, host.hierarchies)
    os.close(lock)
    return code


def _has_pending_connection(listener: socket.socket) -> bool:
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    return bool(poller.poll(0))


def _clean_up(layout: Layout, hierarchies: cgroup.Hierarchies) -> None:
    """Remove what belongs to a running instance only. Whatever still holds something stays."""
    residence.move_back(layout.instance, hierarchies)
    cgroups.remove_instance(layout.instance)
    if not shims_live(layout):
        inner.remove(layout)
    try:
        ownlog.put_aside(layout)
    except OSError as error:  # no room, or nothing was ever stored here
        ownlog.say("keeper", f"{layout.last_log}: {error.strerror}")
    os.unlink(layout.lock)
    parts = ("containers", "networks", "build", "mounts/empty", "mounts", "files")
    for directory in (*(layout.run / part for part in parts), layout.run):
        try:
            os.rmdir(directory)
        except OSError:
            # Not there, or not empty: then it is not ours to remove.
            continue


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # for whoever starts a keeper, on a terminal perhaps
        os.write(2, f"pycompose keeper: {text}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
