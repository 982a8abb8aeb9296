"""The syslog driver: every line that a container writes, sent to a syslog server by the shim.

    stdio ──splice──► log files (a bounded cache) ──LogReader──► Forwarder ──► unix, udp, tcp or tls

The container is never made to wait: its output goes to the log files first, and a server that is slow or away for so long
that the cache has been rotated loses the lines in between. Messages are those of Docker's driver: RFC 3164 (or the local
form without a host) and RFC 5424; over tls in the framing of RFC 5425. What the options may be is
engine/containers/logoptions.py's.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import TYPE_CHECKING

from . import handover
from .logfile import STDERR
from .logread import LogReader
from .loop import READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import wire
    from .logread import Entry
    from .loop import Loop, Timer

_PENDING = 256 << 10
"""Bytes waiting for the server before reading stops."""
_BATCH = 64 << 10
_FAREWELL = 2.0
"""Seconds that the end of a container may wait for its last lines to be taken."""
_RETRY = (0.5, 1.0, 2.0, 5.0, 10.0)
_ERROR, _INFO = 3, 6


def message(entry: Entry, target: wire.SyslogTarget, pid: int) -> bytes:
    """One line as a syslog message, with its framing."""
    priority = target["facility"] * 8 + (_ERROR if entry.stream == STDERR else _INFO)
    text = entry.data.rstrip(b"\n")
    tag, hostname = target["tag"], target["hostname"]
    if target["format"].startswith("rfc5424"):
        fraction = f".{entry.time % 1_000_000_000 // 1000:06d}" if target["format"] == "rfc5424micro" else ""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(entry.time // 1_000_000_000)) + fraction + "Z"
        head = f"<{priority}>1 {moment} {hostname} {tag} {pid} {tag} - "
    else:
        local = time.localtime(entry.time // 1_000_000_000)
        moment = f"{_MONTHS[local.tm_mon - 1]} {local.tm_mday:2d} {time.strftime('%H:%M:%S', local)}"
        host = f"{hostname} " if target["format"] == "rfc3164" else ""
        head = f"<{priority}>{moment} {host}{tag}[{pid}]: "
    data = head.encode() + text + b"\n"
    if target["format"].startswith("rfc5424") and target["protocol"] == "tcp+tls":
        return str(len(data)).encode() + b" " + data
    return data


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Forwarder:
    """Reads the log in ``directory`` from its present end on and sends it to ``target``, until :meth:`close`."""

    def __init__(self, loop: Loop, directory: str, target: wire.SyslogTarget) -> None:
        self._loop = loop
        self._target = target
        self._stream = target["protocol"] in ("tcp", "tcp+tls", "unix")
        self._pid = os.getpid()
        self._pending: list[bytes] = []
        self._size = 0
        self._socket: socket.socket | None = None
        self._ready = False
        self._attempts = 0
        self._closed = False
        self._timer: Timer | None = None
        self._reader = LogReader(directory, tail=0, follow=True)
        self._loop.watch(self._reader.fileno(), lambda _: self._turn())
        self._connect()

    # reading -------------------------------------------------------------------------------------------------------
    def _turn(self) -> None:
        """Take some lines from the log and send what can be sent; comes again while there is more."""
        more = self._read()
        self._send()
        if more and self._size < _PENDING:
            self._later(0.0, self._turn)

    def _read(self) -> bool:
        if self._size >= _PENDING:
            # Not watched until there is room: the descriptor stays readable.
            self._loop.forget(self._reader.fileno())
            return False
        entries = self._reader.read_available(_BATCH)
        self._queue(entries)
        return bool(entries)

    def _queue(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.data != b"\n":
                data = message(entry, self._target, self._pid)
                self._pending.append(data)
                self._size += len(data)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        if self._timer is None or self._timer.callback is None:
            self._timer = self._loop.after(seconds, what)

    # sending -------------------------------------------------------------------------------------------------------
    def _connect(self) -> None:
        target = self._target
        local = target["protocol"] in ("unix", "unixgram")
        family = socket.AF_UNIX if local else socket.AF_INET6 if ":" in target["address"] else socket.AF_INET
        address = target["host"] if local else (target["address"], target["port"])
        self._ready = False
        self._socket = socket.socket(family, socket.SOCK_STREAM if self._stream else socket.SOCK_DGRAM)
        handover.lead_out(self._socket)
        self._socket.setblocking(False)
        code = self._socket.connect_ex(address)
        if code == errno.EPROTOTYPE and target["protocol"] == "unix":
            # As Docker: a local daemon may listen for datagrams.
            self._socket.close()
            self._stream = False
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            handover.lead_out(self._socket)
            self._socket.setblocking(False)
            code = self._socket.connect_ex(address)
        if code == errno.EINPROGRESS:
            self._loop.watch(self._socket.fileno(), lambda _: self._connected(), WRITE)
        elif code:
            self._lost()
        else:
            self._established()

    def _connected(self) -> None:
        assert self._socket is not None
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lost()
            return
        self._loop.forget(self._socket.fileno())
        if self._target["protocol"] == "tcp+tls":
            self._secure()
        else:
            self._established()

    def _secure(self) -> None:
        import ssl  # megabytes, for those who ask for it

        options = self._target["tls"]
        assert self._socket is not None
        try:
            context = ssl.create_default_context(cafile=options["ca"] or None)
            if not options["verify"]:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if options["certificate"]:
                context.load_cert_chain(options["certificate"], options["key"] or None)
            self._socket = context.wrap_socket(
                self._socket, do_handshake_on_connect=False, server_hostname=self._target["host"]
            )
        except (OSError, ValueError):
            self._lost()
            return
        self._handshake()

    def _handshake(self) -> None:
        import ssl

        secured = self._socket
        assert isinstance(secured, ssl.SSLSocket)
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.watch(secured.fileno(), lambda _: self._handshake(), READ)
        except ssl.SSLWantWriteError:
            self._loop.watch(secured.fileno(), lambda _: self._handshake(), WRITE)
        except OSError:
            self._lost()
        else:
            self._loop.forget(secured.fileno())
            self._established()

    def _established(self) -> None:
        self._ready = True
        self._attempts = 0
        self._turn()

    def _lost(self) -> None:
        """Try again later, with what has not been sent."""
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._ready = False
        delay = _RETRY[min(self._attempts, len(_RETRY) - 1)]
        self._attempts += 1
        self._loop.after(delay, self._again)

    def _again(self) -> None:
        if self._socket is None and not self._closed:
            self._connect()

    def _send(self) -> None:
        if not self._ready or self._socket is None:
            return
        try:
            while self._pending:
                self._send_one(self._socket)
        except _wait():
            self._loop.watch(self._socket.fileno(), lambda _: self._writable(), WRITE)
            return
        except OSError as error:
            if self._stream or error.errno not in (errno.ECONNREFUSED, errno.EMSGSIZE, errno.ENOBUFS):
                self._lost()
                return
            self._drop()  # a datagram that nobody takes is lost, as datagrams are
        self._loop.watch(self._reader.fileno(), lambda _: self._turn())

    def _send_one(self, connection: socket.socket) -> None:
        data = self._pending[0]
        sent = connection.send(data)
        if self._stream and sent < len(data):
            self._pending[0] = data[sent:]
            self._size -= sent
        else:
            self._drop()

    def _drop(self) -> None:
        self._size -= len(self._pending.pop(0))

    def _writable(self) -> None:
        assert self._socket is not None
        self._loop.forget(self._socket.fileno())
        self._turn()

    # end -----------------------------------------------------------------------------------------------------------
    def flush(self) -> None:
        """A run has ended: its last lines, those without a newline too, as far as the server takes them soon."""
        while entries := self._reader.read_available(_BATCH):
            self._queue(entries)
        self._queue(self._reader.finish())
        if self._ready and self._socket is not None and self._pending:
            self._socket.settimeout(_FAREWELL)
            try:
                while self._pending:
                    self._send_one(self._socket)
            except OSError:
                self._pending.clear()
                self._size = 0
            finally:
                self._socket.setblocking(False)

    def close(self) -> None:
        self.flush()
        self._loop.forget(self._reader.fileno())
        self._reader.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._closed = True


def _wait() -> tuple[type[OSError], ...]:
    """What says that a socket would block; TLS has words of its own, when it is loaded at all."""
    import sys

    ssl = sys.modules.get("ssl")
    return (BlockingIOError,) if ssl is None else (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
