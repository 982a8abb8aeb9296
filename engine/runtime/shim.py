"""The shim: parent of one container, and all that is left of the engine when the engine is gone.

Forked by the keeper, never executed: it shares the keeper's pages. Serves one control connection at a time (see
protocol.py), holds the network namespace, the published ports' sockets and the container's name server, and ends when
it is released. The container's life itself is container.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .. import documents
from ..linux import namespace, process
from . import child, enter, filesystem, protocol, relay, restart
from .container import Container, Refused
from .dns import DnsServer
from .loop import Loop
from .stage import Failure
from .supervisor import supervise

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from . import wire
    from .bundle import ShimSpec
    from .launch import Host
    from .loop import Timer


class _Exec(NamedTuple):
    number: int
    connection: socket.socket
    child: child.Child


def main(spec: ShimSpec, control: socket.socket, host: Host) -> None:
    """Serve until released. ``control`` is the engine's connection."""
    # Out of reach of the terminal the keeper may have been started from.
    os.setsid()
    loop = Loop()
    try:
        if host.network is not None and spec.network_mode == "new":
            namespace.setns(host.network, namespace.CLONE_NEWNET)
        Shim(loop, control, spec, host)
    except (OSError, ValueError) as error:
        protocol.send(control, {"event": "failed", "error": Failure.of("prepare", error).document()})
        return
    process.set_title(f"pycompose-shim {spec.id[:12]}")
    loop.run()


class Shim:
    """Requests in, replies and events out."""

    def __init__(self, loop: Loop, control: socket.socket, spec: ShimSpec, host: Host) -> None:
        """Stand: namespace, status file, control socket. Raises OSError."""
        self._loop = loop
        self._host = host
        self._connection: socket.socket | None = control
        self._held: list[int] = []
        self._relays: list[relay.Relay | relay.DatagramRelay] = []
        self._relaying = True
        self._drained: list[Reply] = []  # who waits for the end of what the relays have under way
        self._execs: list[_Exec] = []
        self.container = Container(loop, host, spec, self.publish)
        self._listener = protocol.listen(spec.control)
        self._loop.watch(self._listener.fileno(), lambda _: self._accept())
        self._serve_names()
        self._catch_termination()
        self._adopt(control)

    def _catch_termination(self) -> None:
        # The keeper's handlers do nothing but wake us; to set the same ones again would cost 200 kB of private pages.
        self._wake = protocol.pair()
        signal.set_wakeup_fd(self._wake[1].fileno())
        self._loop.watch(self._wake[0].fileno(), lambda _: self._terminated())

    def _serve_names(self) -> None:
        network, resolver = self.container.network, self.container.spec.resolver
        if network is None or network.udp is None or network.tcp is None or resolver is None:
            return
        server = DnsServer(network.udp, network.tcp, resolver)
        timer: Timer | None = None

        def handle(_: int = 0) -> None:
            nonlocal timer
            server.handle()
            server.expire(time.monotonic())
            if timer is not None:
                timer.cancel()
            deadline = server.next_deadline()
            timer = self._loop.after(deadline - time.monotonic(), handle) if deadline is not None else None

        self._loop.watch(server.fileno(), handle)

    def publish(self, event: str, fields: wire.Message, descriptors: Sequence[int] = ()) -> None:
        """Tell the engine, if one is there."""
        self._send(self._connection, {"event": event, **fields}, descriptors)

    def _send(self, connection: socket.socket | None, message: wire.Message, descriptors: Sequence[int] = ()) -> None:
        if connection is None or connection is not self._connection:
            return
        try:
            protocol.send(connection, message, descriptors)
        except OSError:
            # Gone, or not reading any more: both mean that a new engine will have to come and adopt.
            self._lose()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._loop.forget(self._connection.fileno())
            self._connection.close()
            self._connection = None

    def _lose(self) -> None:
        """The engine is gone. Before it has asked for a start it may never have learned of us, and the next engine does not
        either when it looks before our status file is there: it would have the container started a second time."""
        self._disconnect()
        self._loop.after(0, self._leave_unused)

    def _leave_unused(self) -> None:
        if self._connection is None and self.container.run is None and self.container.status["started_at"] is None:
            self._release()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        self._disconnect()
        self._connection = connection
        self._adopt(connection)

    def _adopt(self, connection: socket.socket) -> None:
        network = self.container.network
        descriptors = (network.descriptor, network.rtnl.fileno()) if network is not None else ()
        self._loop.watch(connection.fileno(), lambda _: self._readable(connection))
        self._send(connection, protocol.hello(_OPS))
        self.publish("prepared", {"state": self.container.status}, descriptors)

    def _readable(self, connection: socket.socket) -> None:
        while connection is self._connection:
            try:
                received = protocol.receive(connection)
            except BlockingIOError:
                return
            except ValueError:
                received = None
            if received is None:
                self._lose()
                return
            self._serve(connection, *received)

    def _serve(self, connection: socket.socket, message: wire.Message, descriptors: list[int]) -> None:
        def reply(ok: wire.Answer | None = None, *, error: wire.Problem | None = None, fds: Sequence[int] = ()) -> None:
            answer: wire.Message = {"reply": message["id"]}
            if error is None:
                answer["ok"] = ok
            else:
                answer["error"] = error
            self._send(connection, answer, fds)

        handler = getattr(self, f"_do_{message['op']}", None)
        try:
            if handler is None:
                raise Refused(f"unknown request {message['op']!r}")
            handler(message, descriptors, reply)
        except (Refused, ValueError, OSError) as error:
            reply(error={"message": str(error)})
        except KeyError as error:
            reply(error={"message": f"the request lacks {error}"})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _do_start(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        def done(started: wire.Answer | None, failure: Failure | None) -> None:
            if failure is None:
                reply(started)
            else:
                reply(error=failure.document())

        self.container.start(done)

    def _do_signal(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        self.container.signal(message["signal"])
        reply()

    def _do_kill(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        # First, since the program may end by itself at this moment.
        if not self.container.forbid_restart():
            self.container.signal(message["signal"])
        reply()

    def _do_stop(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        def done(problem: str) -> None:
            if problem:
                reply(error={"message": problem})
            else:
                reply()

        self.container.stop(message["signal"], message["grace"], done)

    def _do_resize(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        self.container.resize(message["rows"], message["columns"])
        reply()

    def _do_refresh_files(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        if self.container.files >= 0:
            filesystem.copy_files(self.container.files, message["sources"])
        reply()

    def _do_close_stdin(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        if self.container.run is not None:
            self.container.run.streams.close_stdin()
        reply()

    def _do_stdin(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        if self.container.run is None:
            raise Refused("the container is not running")
        stdin = self.container.run.streams.stdin
        if stdin < 0:
            raise Refused("the container has no stdin")
        reply(fds=(stdin,))

    def _do_restart_policy(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        policy = message["policy"]
        known = (
            documents.build(restart.Policy, policy) if isinstance(policy, dict) else restart.Policy(*policy)  # type: ignore[arg-type]  # of an engine from before there were versions
        )
        self.container.policy = restart.checked(*known)
        reply()

    def _do_hold(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        self._relaying = message.get("on", True)
        self._held += descriptors
        towards = message.get("towards") or [None] * len(descriptors)
        for descriptor, place in zip(descriptors, towards, strict=True):
            if relay.wanted(descriptor):
                target = (place[0], place[1]) if place else None
                self._relays.append(relay.serve(self._loop, descriptor, self._relays_idle, target))
                if not self._relaying:
                    self._relays[-1].pause()
        descriptors.clear()
        reply()

    def _do_ports(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        """The sockets of published ports from number ``first`` on, as many as a message takes."""
        reply(fds=self._held[message["first"] :][: protocol.MOST_DESCRIPTORS])

    def _do_relay(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        """``on``: carry on what comes to the ports. Off: leave it to another shim that has the same sockets; the answer comes
        when the connections under way have ended, or the relays are on again."""
        self._relaying = message["on"]
        for one in self._relays:
            (one.resume if self._relaying else one.pause)()
        self._drained.append(reply)
        self._relays_idle()

    def _relays_idle(self) -> None:
        if self._relaying or not any(one.busy for one in self._relays):
            waiting, self._drained = self._drained, []
            for reply in waiting:
                reply()

    def _do_release(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        self._release()
        reply()

    def _release(self) -> None:
        self.container.release()
        with contextlib.suppress(OSError):  # gone, or on a disk that is read-only: who finds it finds nobody behind it
            os.unlink(self.container.spec.control)
        self._loop.stop()

    def _do_exec(self, message: wire.Message, descriptors: list[int], reply: Reply) -> None:
        run = self.container.run
        if run is None or self.container.launching:
            raise Refused("the container is not running")
        container = self.container.spec
        draft = enter.Execution(container.launch, self._host, message, run.child.pidfd)
        pid_namespace = "joined" if container.pid_namespace else ""
        streams = descriptors
        if message["terminal"]:
            descriptors.append(os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC))
            streams = descriptors[-1:] * 3
        forked = child.fork(draft, streams, pid_namespace=pid_namespace, cgroup=self.container.cgroup)
        assert self._connection is not None
        execution = _Exec(message["exec"], self._connection, forked)

        def launched(settled: child.Child, report: child.Report) -> None:
            supervise(self._loop, report.listener)
            self._exec_launched(execution._replace(child=settled), report, reply)

        child.follow(self._loop, forked, launched)

    def _exec_launched(self, execution: _Exec, report: child.Report, reply: Reply) -> None:
        terminal = (report.terminal,) if report.terminal >= 0 else ()
        if report.failure is not None:
            reply(error=report.failure.document())
        else:
            self._execs.append(execution)
            started: wire.Answer = {
                "pid": execution.child.pid,
                "pid_starttime": process.start_time(execution.child.pid) or 0,
            }
            reply(started, fds=terminal)
            self._loop.watch(execution.child.pidfd, lambda _: self._exec_exited(execution))
        for descriptor in terminal:
            os.close(descriptor)

    def _exec_exited(self, execution: _Exec) -> None:
        code = process.reap(execution.child.pidfd)
        if code is None:
            return
        self._loop.forget(execution.child.pidfd)
        os.close(execution.child.pidfd)
        self._execs.remove(execution)
        event: wire.Message = {"event": "exec_exited", "exec": execution.number, "exit_code": code}
        self._send(execution.connection, event)

    def _terminated(self) -> None:
        """SIGTERM (the machine goes down): stop the container as its owner would, then end."""
        self._wake[0].recv(64)
        self.container.wind_up(self._terminated_container)

    def _terminated_container(self, problem: str) -> None:
        if not problem:
            self._release()


_OPS = tuple(name.removeprefix("_do_") for name in vars(Shim) if name.startswith("_do_"))


class Reply(Protocol):
    """Answers one request, once."""

    def __call__(
        self, ok: wire.Answer | None = None, *, error: wire.Problem | None = None, fds: Sequence[int] = ()
    ) -> None: ...
