"""The guard of a lease: watches the lease's owner, and outlives the engine and the keeper to do so.

    engine                            guard
      │◄── {"event":"hello",…} ───────────│   as protocol.py has it
      │◄── {"event":"ended","reason":…} ──│   once the owner is gone; again to each engine that adopts
      │── {"id":1,"op":"own","seconds":…} +fd ►│   another owner, or more time
      │── {"id":2,"op":"release"} ────────►│   the lease is over: the guard ends

Forked by the keeper, never executed, like a shim. The owner is a descriptor (a pidfd becomes readable when its process
ends, a pipe or socket hangs up when its other side closes) or a number of seconds. When the owner is gone and no engine
is connected, the guard runs the keeper's script: whoever wins the lock brings up an engine, which adopts the guard and
takes the stack away. Not here: what belongs to a lease (engine/leases).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from typing import TYPE_CHECKING

from ..linux import namespace, process
from . import environment, protocol
from .loop import Loop

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from . import wire
    from .loop import Timer

_FIRST_WAKE = 0.3
_LONGEST_WAKE = 20.0
_PIDFD = "anon_inode:[pidfd]"


def main(
    lease: str, control: str, channel: socket.socket, owner: int, seconds: float | None, wake: Sequence[str]
) -> None:
    """Watch until released. ``owner`` is -1 when time alone counts; ``wake`` is the command that starts a keeper."""
    os.setsid()
    process.reset_signals()
    # The group's terminal and its Ctrl-C are none of the guard's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    loop = Loop()
    guard = Guard(loop, control, channel, wake)
    guard.own(owner, seconds)
    process.set_title(f"pycompose-guard {lease}")
    loop.run()


class Guard:
    """One lease's owner, and the connection to whichever engine there is."""

    def __init__(self, loop: Loop, control: str, channel: socket.socket, wake: Sequence[str]) -> None:
        self._loop = loop
        self._control = control
        self._wake = list(wake)
        self._owner = -1
        self._deadline: Timer | None = None
        self._reason = ""
        self._retry: Timer | None = None
        self._delay = _FIRST_WAKE
        self._waking = -1
        self._listener = protocol.listen(control)
        self._connection: socket.socket | None = None
        self._loop.watch(self._listener.fileno(), lambda _: self._accept())
        self._adopt(channel)

    def own(self, owner: int, seconds: float | None) -> None:
        """Watch this owner instead of the one before. The descriptor is the guard's from here on."""
        if self._owner >= 0:
            self._loop.forget(self._owner)
            os.close(self._owner)
        if self._deadline is not None:
            self._deadline.cancel()
        self._owner, self._deadline, self._reason = owner, None, ""
        if owner >= 0:
            is_process = os.readlink(f"/proc/self/fd/{owner}") == _PIDFD
            events = select.EPOLLIN if is_process else select.EPOLLRDHUP
            reason = "its owner has ended" if is_process else "its owner has closed the descriptor"
            self._loop.watch(owner, lambda _: self._ended(reason), events)
        if seconds is not None:
            self._deadline = self._loop.after(seconds, lambda: self._ended("its time is over"))

    def _ended(self, reason: str) -> None:
        if self._owner >= 0:
            self._loop.forget(self._owner)
        self._reason = reason
        self._tell()

    def _tell(self) -> None:
        if not self._reason:
            return
        if self._connection is None:
            self._wake_soon()
            return
        try:
            protocol.send(self._connection, {"event": "ended", "reason": self._reason})
        except OSError:
            self._disconnect()

    # -- the engine ----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        self._disconnect()
        self._adopt(connection)

    def _adopt(self, connection: socket.socket) -> None:
        self._connection = connection
        self._delay = _FIRST_WAKE
        self._loop.watch(connection.fileno(), lambda _: self._readable(connection))
        try:
            protocol.send(connection, protocol.hello(("own", "release")))
        except OSError:
            self._disconnect()
            return
        self._tell()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._loop.forget(connection.fileno())
            connection.close()
            if self._reason:
                self._wake_soon()

    def _readable(self, connection: socket.socket) -> None:
        while connection is self._connection:
            try:
                received = protocol.receive(connection)
            except BlockingIOError:
                return
            except ValueError:
                received = None
            if received is None:
                self._disconnect()
                return
            message, descriptors = received
            number = message.get("id", 0)
            answer: wire.Message = {"reply": number, "ok": None}
            if message.get("op") == "own":
                self.own(descriptors.pop(0) if descriptors else -1, message.get("seconds"))
            elif message.get("op") == "release":
                with contextlib.suppress(OSError):  # gone, or on a disk that is read-only
                    os.unlink(self._control)
                self._loop.stop()
            else:
                answer = {"reply": number, "error": {"message": f"unknown request {message.get('op')!r}"}}
            for descriptor in descriptors:
                os.close(descriptor)
            try:
                protocol.send(connection, answer)
            except OSError:
                self._disconnect()

    # -- when nobody is there to be told -------------------------------------------------------------------------------

    def _wake_soon(self) -> None:
        if self._retry is None or self._retry.callback is None:
            self._retry = self._loop.after(self._delay, self._wake_now)
            self._delay = min(self._delay * 2, _LONGEST_WAKE)

    def _wake_now(self) -> None:
        if self._connection is not None or not self._reason:
            return
        if not os.path.exists(self._control):
            # Somebody has deleted the engine's directories: there is nothing left to take care of.
            self._loop.stop()
            return
        if self._waking < 0:
            pid = os.fork()
            if pid == 0:
                self._become_keeper()
            self._waking = os.pidfd_open(pid)
            self._loop.watch(self._waking, lambda _: self._woken())
        self._wake_soon()

    def _become_keeper(self) -> None:
        try:
            process.reset_signals()
            os.execve(self._wake[0], self._wake, environment.read())
        finally:
            os._exit(127)

    def _woken(self) -> None:
        if process.reap(self._waking) is not None:
            self._loop.forget(self._waking)
            os.close(self._waking)
            self._waking = -1


def leave(mount_namespace: int | None) -> None:
    """Back to the mount namespace of the user: a keeper started from here must not live in its predecessor's."""
    if mount_namespace is not None:
        namespace.setns(mount_namespace, namespace.CLONE_NEWNS, "mnt")


def command(script: str, root: str) -> tuple[str, ...]:
    """The command that starts a keeper for ``root`` in the background."""
    return (sys.executable, "-I", "-S", "-E", script, "--root", root)
