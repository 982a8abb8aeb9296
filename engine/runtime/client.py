"""The engine's side of keeper and shims: asyncio, cancellable, and every request is answered or fails (connection.py).

The engine process never forks; it asks the keeper. Runs on any asyncio loop (anyio's asyncio backend included), and
all of it on the loop's own thread. Not here: records, networks, logs (the log file is read directly).
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import termios
from dataclasses import dataclass, field
from fcntl import ioctl
from typing import TYPE_CHECKING

from .. import documents
from . import bundle, protocol
from .connection import Connection, LaunchError, RequestError, ShimError, ShimLost, close_all, error_of
from .execspec import ExecSpec
from .loopfd import LoopFd, input_pipe, output_pipe
from .shimevents import Exited, Lost, OutOfMemory, Prepared, ShimEvent, ShimState, Started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from . import wire
    from .restart import Policy

    Towards = Sequence[tuple[str, int] | None]


__all__ = [
    "ExecProcess",
    "ExecSpec",
    "Exited",
    "KeeperClient",
    "LaunchError",
    "Lost",
    "OutOfMemory",
    "Prepared",
    "RequestError",
    "ShimClient",
    "ShimError",
    "ShimEvent",
    "ShimLost",
    "ShimState",
    "Started",
]


@dataclass(slots=True)
class ExecProcess:
    """A running exec. The descriptors are the caller's to close: either ``terminal`` (a pty master, also the input)
    or ``stdout`` and ``stderr`` (and ``stdin`` where asked for)."""

    pid: int
    pid_starttime: int
    stdin: LoopFd | None
    stdout: LoopFd | None
    stderr: LoopFd | None
    terminal: LoopFd | None
    _exit: asyncio.Future[int] = field(repr=False)

    async def wait(self) -> int:
        """The exit code. Raises ShimLost when the shim dies first."""
        return await asyncio.shield(self._exit)

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size; without a terminal nothing happens."""
        if self.terminal is not None and self.terminal.fileno() >= 0:
            ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class KeeperClient:
    """The channel to the keeper, on the descriptor given to the engine by ``--keeper-fd``."""

    def __init__(self, keeper_fd: int) -> None:
        """Raises NewerFormat for a keeper of a pycompose to come."""
        channel = socket.socket(fileno=keeper_fd)
        os.set_inheritable(keeper_fd, False)
        self._connection = Connection(channel, lambda message, descriptors: close_all(descriptors), "the keeper")
        self._connection.take_in()  # a keeper has said hello before it started us
        if self._connection.newer is not None:
            raise self._connection.newer

    @property
    def closed(self) -> asyncio.Event:
        """Set when the keeper died (or the channel was closed): no more shims can be had, time to drain and exit."""
        return self._connection.closed

    async def fork_shim(
        self, launch: Path | bundle.ShimSpec, fds: Sequence[int] = (), *, relaying: bool = True, towards: Towards = ()
    ) -> ShimClient:
        """A shim for the container described by ``launch``, a launch.json or what it says of the shim. ``fds`` are bound sockets
        of published ports, and with ``relaying`` and ``towards`` go to `hold`; the caller's stay the caller's.

        Raises ShimLost when the keeper is gone, RequestError when it cannot fork, LaunchError when launch.json is no launch.
        """
        try:
            spec = launch if isinstance(launch, bundle.ShimSpec) else bundle.read(os.fspath(launch)).for_shim()
        except (OSError, ValueError) as error:
            raise LaunchError("prepare", getattr(error, "errno", None) or 0, str(error), 128) from None
        if spec.user and not self._connection.peer.v:
            raise RequestError(
                "the keeper is of an older pycompose and knows no user namespaces: engine stop, then start"
            )
        ours, theirs = protocol.pair()
        try:
            with theirs:
                document = spec.document() if self._connection.peer.v else spec.positions()
                reply, _ = await self._connection.request("fork", (theirs.fileno(),), shim=document)
        except BaseException:
            ours.close()
            raise
        shim = ShimClient(ours, reply["pid"])
        try:
            for first in range(0, len(fds), protocol.MOST_DESCRIPTORS):
                part = slice(first, first + protocol.MOST_DESCRIPTORS)
                await shim.hold(fds[part], relaying=relaying, towards=towards[part])
        except BaseException:
            shim.close()
            raise
        return shim

    async def fork_guard(self, lease: str, control: Path, owner: int | None, seconds: float | None) -> socket.socket:
        """The connection to a new guard of ``lease`` that listens at ``control`` (guard.py). ``owner`` is duplicated into
        it, the caller's stays the caller's. Raises ShimLost, RequestError."""
        ours, theirs = protocol.pair()
        descriptors = [theirs.fileno(), *([] if owner is None else [owner])]
        try:
            with theirs:
                await self._connection.request(
                    "guard", descriptors, lease=lease, control=os.fspath(control), seconds=seconds
                )
        except BaseException:
            ours.close()
            raise
        return ours

    async def log_as(self, form: str) -> None:
        """Keeper, shims and guards that begin from now on write their own lines in this form. One that is older than that
        goes on as it does."""
        if "log" in (self._connection.peer.ops or ()):
            await self._connection.request("log", form=form)

    async def shutdown(self) -> None:
        """Tell the keeper that the engine is about to exit for good: it then removes the socket and ends as well."""
        await self._connection.request("shutdown")

    def close(self) -> None:
        self._connection.close()


class ShimClient:
    """The control connection to one shim, either of its birth (:meth:`KeeperClient.fork_shim`) or by adoption."""

    def __init__(self, channel: socket.socket, pid: int | None = None) -> None:
        self.pid = pid
        self._events: asyncio.Queue[ShimEvent] = asyncio.Queue()
        self._execs: dict[int, asyncio.Future[int]] = {}
        self._next_exec = 1
        self._released = False
        self._owned: list[int] = []
        loop = asyncio.get_running_loop()
        self._prepared: asyncio.Future[Prepared] = loop.create_future()
        self._prepared.add_done_callback(_retrieve)
        self._connection = Connection(channel, self._on_event, "the container's shim")
        self._watch = loop.create_task(self._until_closed())

    @staticmethod
    async def connect(control: Path) -> ShimClient:
        """Adopt the shim that listens at ``control`` (shim.sock). Raises ShimLost when there is none."""
        try:
            return ShimClient(protocol.connect(os.fspath(control)))
        except OSError as error:
            raise ShimLost(f"no shim at {control}: {error.strerror}") from None

    @property
    def closed(self) -> asyncio.Event:
        """Set when the connection ended, by whichever side."""
        return self._connection.closed

    @property
    def netns_fd(self) -> int | None:
        """The container's network namespace, once prepared; valid until `close`."""
        prepared = self._prepared
        if not prepared.done() or prepared.cancelled() or prepared.exception() is not None:
            return None
        return prepared.result().netns_fd

    async def prepared(self) -> Prepared:
        """Wait until the shim stands. Raises LaunchError when it cannot (no namespace, no control socket), NewerFormat when
        it is of a pycompose to come."""
        return await asyncio.shield(self._prepared)

    async def start(self) -> Started:
        """Run the container as launch.json says now. Raises LaunchError, RequestError when it runs already."""
        reply, _ = await self._connection.request("start")
        return documents.build(Started, reply)

    async def signal(self, signum: int) -> None:
        """Signal the container's first process; the restart policy stays in force."""
        await self._connection.request("signal", signal=signum)

    async def kill(self, signum: int = 9) -> None:
        """Signal the container's first process, and let no policy restart it when it ends (``docker kill``)."""
        await self._connection.request("kill", signal=signum)

    async def stop(self, signum: int, grace: float | None) -> None:
        """Send ``signum``, after ``grace`` seconds SIGKILL (None: never), and return when the container has ended and
        its exit is recorded. No policy restarts it; a restart that is pending is called off. Thaws a frozen container.
        """
        await self._connection.request("stop", signal=signum, grace=grace)

    async def resize(self, rows: int, cols: int) -> None:
        """Set the size of the container's terminal, now and for later runs."""
        await self._connection.request("resize", rows=rows, columns=cols)

    async def refresh_files(self, sources: Sequence[str]) -> None:
        """Copy files anew that the running container has copies of (``own_files``)."""
        await self._connection.request("refresh_files", sources=list(sources))

    async def close_stdin(self) -> None:
        """Close the shim's end of the container's stdin: it reads end of file once nobody else holds the pipe."""
        await self._connection.request("close_stdin")

    async def open_stdin(self) -> LoopFd:
        """A descriptor whose writes reach the container's stdin (a pipe, or the pty master); the caller closes it.

        Raises RequestError when the container has no stdin or does not run.
        """
        _, descriptors = await self._connection.request("stdin")
        close_all(descriptors[1:])
        return LoopFd(descriptors[0])

    async def set_restart(self, policy: Policy) -> None:
        """Replace the restart policy."""
        known = policy.document() if self._connection.peer.v else list[object](policy)
        await self._connection.request("restart_policy", policy=known)

    async def hold(self, fds: Sequence[int], *, relaying: bool = True, towards: Towards = ()) -> None:
        """Let the shim keep duplicates of ``fds`` (at most 200 a call) until it is released. Without ``relaying`` it leaves what
        comes to them to another shim, until `relay`. ``towards`` is, for each, the address that its connections are carried on
        to; None, or nothing at all, where nftables leads on."""
        await self._connection.request("hold", tuple(fds), on=relaying, towards=[*towards] if any(towards) else [])

    @property
    def shares_ports(self) -> bool:
        """Whether it knows the two requests that follow, as shims of before them do not."""
        return "relay" in (self._connection.peer.ops or ())

    async def ports(self) -> list[int]:
        """The sockets that the shim holds, as descriptors of the caller's. RequestError for a shim of before these requests."""
        found: list[int] = []
        try:
            while True:
                _, some = await self._connection.request("ports", first=len(found))
                found += some
                if len(some) < protocol.MOST_DESCRIPTORS:
                    return found
        except BaseException:
            close_all(found)
            raise

    async def relay(self, *, on: bool) -> None:
        """Have the shim carry on what comes to its ports, or not; then it returns when what is under way has ended."""
        await self._connection.request("relay", on=on)

    async def exec(self, spec: ExecSpec) -> ExecProcess:
        """Run one more process in the container. Raises LaunchError (126, 127 as for the container itself)."""
        number = self._next_exec
        self._next_exec += 1
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        ended.add_done_callback(_retrieve)
        ours: list[LoopFd | None] = [None, None, None]
        theirs: list[int] = []
        self._execs[number] = ended
        try:
            if not spec.terminal:
                _pipes(spec.stdin, ours, theirs)
            reply, received = await self._connection.request("exec", theirs, exec=number, **spec.document())
        except BaseException:
            self._execs.pop(number, None)
            for descriptor in ours:
                if descriptor is not None:
                    descriptor.close()
            raise
        finally:
            close_all(theirs)
        terminal = LoopFd(received[0]) if received else None
        return ExecProcess(reply["pid"], reply["pid_starttime"], ours[0], ours[1], ours[2], terminal, ended)

    async def events(self) -> AsyncIterator[ShimEvent]:
        """What happens to the container, from the connection's beginning, in order; for one reader. Ends after
        :class:`Lost`, or after a release."""
        while True:
            event = await self._events.get()
            if isinstance(event, Lost):
                # For the next reader, should there be one.
                self._events.put_nowait(event)
                if not self._released:
                    yield event
                return
            yield event

    async def release(self) -> None:
        """The container has ended and is no longer needed: the shim removes its cgroup and ends, the network namespace
        and the held sockets go. Raises RequestError while the container runs. Closes the client."""
        self._released = True
        try:
            await self._connection.request("release")
            await self._connection.closed.wait()
        except RequestError:
            self._released = False
            raise
        except ShimLost:
            pass
        self.close()

    def close(self) -> None:
        """Let go of the shim without ending it (the engine exits, the container lives on)."""
        self._connection.close()
        close_all(self._owned)
        self._owned = []

    def _on_event(self, message: wire.Message, descriptors: list[int]) -> None:
        match message["event"]:
            case "prepared" if self._connection.newer is not None:
                if not self._prepared.done():
                    self._prepared.set_exception(self._connection.newer)
            case "prepared":
                self._owned += descriptors
                self.pid = message["state"]["shim_pid"]
                netns, rtnl = descriptors if len(descriptors) == 2 else (None, None)
                if not self._prepared.done():
                    self._prepared.set_result(Prepared(netns, rtnl, ShimState.parse(message["state"])))
                return
            case "failed":
                if not self._prepared.done():
                    self._prepared.set_exception(error_of(message["error"]))
            case "started":
                self._events.put_nowait(documents.build(Started, message["started"]))
            case "oom":
                self._events.put_nowait(OutOfMemory())
            case "exited":
                self._events.put_nowait(documents.build(Exited, message["exited"]))
            case "exec_exited":
                ended = self._execs.pop(message["exec"], None)
                if ended is not None and not ended.done():
                    ended.set_result(message["exit_code"])
        close_all(descriptors)

    async def _until_closed(self) -> None:
        await self._connection.closed.wait()
        lost = ShimLost("the shim is gone")
        futures: list[asyncio.Future[Prepared] | asyncio.Future[int]] = [self._prepared, *self._execs.values()]
        for waiting in futures:
            if not waiting.done():
                waiting.set_exception(lost)
        self._execs.clear()
        self._events.put_nowait(Lost())


def _retrieve(future: asyncio.Future[Prepared] | asyncio.Future[int]) -> None:
    # Whoever never waits must not be told on the log that the exception was never retrieved.
    if not future.cancelled():
        future.exception()


def _pipes(stdin: bool, ours: list[LoopFd | None], theirs: list[int]) -> None:
    if stdin:
        child, ours[0] = input_pipe()
        theirs.append(child)
    else:
        theirs.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
    for number in (1, 2):
        ours[number], child = output_pipe()
        theirs.append(child)
