"""The resident process: imports everything once, keeps one worker ready, and says how workers end.

One thread, one poll. Nothing of a command happens here; a worker that is ready accepts the next launcher itself, so that a
fork costs no command anything. Ends when nobody has come for a while, when its code is not what is installed any more,
when its socket is gone, or at SIGTERM; workers that run are waited for. A worker's launcher that vanishes takes the
worker with it.
"""

from __future__ import annotations

import array
import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from .cold import LISTENER_LOCK
from .identity import look_at
from .preload import Stamp, load_everything, rehearse, stamp
from .worker import STALE, TAKEN, serve

IDLE = 60.0
"""Seconds without a launcher after which the resident ends; PYCOMPOSE_WARM_IDLE is another number."""

_BACKLOG = 128


@dataclass(slots=True, eq=False)
class Worker:
    pid: int
    ended: int
    """A pidfd."""
    control: socket.socket
    connection: socket.socket | None = None
    """That of the launcher; None while the worker waits for one."""
    silent: bool = False
    """It has closed its end of ``control``, as every worker does when its command begins."""
    killed: bool = False


class Resident:
    def __init__(self, path: str, idle: float) -> None:
        self._path = path
        self._idle = idle
        self._leaving = False
        self._workers: list[Worker] = []
        self._self = look_at(os.getpid())
        self._code: Stamp = stamp()
        self._listener = _listen(path)
        self._inode = os.stat(path).st_ino

    def run(self) -> None:
        """Serve until there is a reason to leave, and then until the last worker has ended."""
        while True:
            if not self._leaving and not any(worker.connection is None for worker in self._workers):
                self._fork()
            busy = [worker for worker in self._workers if worker.connection is not None]
            if self._leaving and not busy:
                return
            poller = select.poll()
            for worker in self._workers:
                poller.register(worker.ended, select.POLLIN)
                # What stays ready is not asked for again: this process sleeps while commands run.
                if not worker.silent:
                    poller.register(worker.control, select.POLLIN | select.POLLRDHUP)
                if worker.connection is not None and not worker.killed:
                    poller.register(worker.connection, select.POLLRDHUP)
            ready = dict(poller.poll(None if busy else self._idle * 1000))
            if not ready or not self._is_reachable():
                self.leave()
            for worker in list(self._workers):
                self._attend(worker, ready)

    def leave(self) -> None:
        """Take no more launchers. One that has just come finds the worker gone, and runs its command itself."""
        if self._leaving:
            return
        self._leaving = True
        if self._is_reachable():
            os.unlink(self._path)
            with suppress(FileNotFoundError):
                os.unlink(f"{self._path}.lock")
        self._listener.close()
        for worker in self._workers:
            if worker.connection is None:
                signal.pidfd_send_signal(worker.ended, signal.SIGKILL)

    def _is_reachable(self) -> bool:
        try:
            return os.stat(self._path).st_ino == self._inode
        except OSError:
            return False

    def _fork(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            self._be_worker(ours, theirs)
        theirs.close()
        self._workers.append(Worker(pid, os.pidfd_open(pid), ours))

    def _be_worker(self, ours: socket.socket, theirs: socket.socket) -> NoReturn:
        ours.close()
        os.close(LISTENER_LOCK)
        for worker in self._workers:
            worker.control.close()
            os.close(worker.ended)
            if worker.connection is not None:
                worker.connection.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        serve(self._listener, theirs, self._self, self._code)

    def _attend(self, worker: Worker, ready: dict[int, int]) -> None:
        if not worker.silent and worker.control.fileno() in ready:
            self._hear(worker)
        if worker.connection is not None and not worker.killed and ready.get(worker.connection.fileno()):
            # The launcher was killed, or does not want its worker: a command ends with the process that was started.
            worker.killed = True
            signal.pidfd_send_signal(worker.ended, signal.SIGKILL)
        if worker.ended in ready:
            self._bury(worker)

    def _hear(self, worker: Worker) -> None:
        try:
            message, ancillary, _, _ = worker.control.recvmsg(1, socket.CMSG_SPACE(4), socket.MSG_DONTWAIT)
        except OSError:
            return  # it has ended, as its pidfd says
        if not message:
            worker.silent = True
        elif message == TAKEN:
            numbers = array.array("i")
            for _, _, body in ancillary:
                numbers.frombytes(body)
            worker.connection = socket.socket(fileno=numbers[0])
        elif message == STALE:
            self.leave()

    def _bury(self, worker: Worker) -> None:
        """Tell the launcher how its worker ended, and forget it."""
        self._hear(worker)  # one that ended at once may have spoken since
        _, status = os.waitpid(worker.pid, 0)
        os.close(worker.ended)
        worker.control.close()
        self._workers.remove(worker)
        if worker.connection is None:
            self.leave()  # killed while it waited: somebody wants no resident
            return
        with suppress(OSError):  # it may not have waited
            worker.connection.send(status.to_bytes(4, "big"), socket.MSG_DONTWAIT)
        worker.connection.close()


def _listen(path: str) -> socket.socket:
    """The lock is ours, so whatever is at ``path`` is of a resident that has gone."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.lexists(path):
        os.unlink(path)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(_BACKLOG)
    return listener


def main() -> None:
    path = sys.argv[1]
    os.chdir("/")
    load_everything()
    rehearse()
    gc.collect()
    gc.freeze()
    resident = Resident(path, float(os.environ.get("PYCOMPOSE_WARM_IDLE") or IDLE))
    signal.signal(signal.SIGTERM, lambda *_: resident.leave())
    resident.run()


if __name__ == "__main__":
    main()
