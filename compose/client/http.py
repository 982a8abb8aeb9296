"""HTTP/1.1 over a unix or TCP socket, as much of it as the Docker Engine API needs.

For: keep-alive calls, streamed bodies both ways, and *hijacked* connections (attach, exec), where the socket must be
had raw after the response head. Not for: general HTTP. http.client and h11 would each cost `ps` a third of its time in
imports, and the former hides the socket.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, NamedTuple

from ..errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    Query: TypeAlias = Mapping[str, "str | int | float | Sequence[str] | None"]

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HEAD_LIMIT = 256 * 1024
_BLOCK = 256 * 1024
_UNIX_PATH_LIMIT = 107
_LENGTH_DIGITS = 20

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection; answers have timeouts of their own."""


class ConnectionLost(EngineError):
    """The engine closed the connection in the middle of an answer."""


class Refused(EngineError):
    """Nobody listens at the address."""


class Address(NamedTuple):
    """Where an engine listens: a unix socket path, or host and port with TLS material or none."""

    path: str | None
    host: str = ""
    port: int = 0
    tls: tuple[str, bool] | None = None  # certificate directory, whether to verify the server
    ssh: str = ""  # the URL of an engine that is reached by the program ssh

    def __str__(self) -> str:
        if self.ssh:
            return self.ssh
        return f"unix://{self.path}" if self.path is not None else f"tcp://{self.host}:{self.port}"


def quote(text: str) -> str:
    """Percent-encode everything but RFC 3986 unreserved characters."""
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


def target(path: str, query: Query | None = None) -> str:
    """Path and query string; None values are left out, booleans become 1 and 0, lists repeat their key."""
    if not query:
        return path
    parts: list[str] = []
    for key, value in query.items():
        if value is None:
            continue
        for item in value if isinstance(value, (list, tuple)) else (value,):
            text = str(int(item)) if isinstance(item, bool) else str(item)
            parts.append(f"{quote(key)}={quote(text)}")
    return f"{path}?{'&'.join(parts)}" if parts else path


def open_socket(address: Address) -> socket.socket:
    """Connect, or raise `Refused` when nobody listens and `EngineError` for everything else."""
    if address.ssh:
        return _dial(address)
    try:
        if address.path is not None:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                plain.settimeout(CONNECT_TIMEOUT)
                _connect_unix(plain, address.path)
            except OSError:
                plain.close()
                raise
        else:
            plain = socket.create_connection((address.host, address.port), CONNECT_TIMEOUT)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Refused(f"cannot connect to the engine at {address}: nobody listens there") from error
    except PermissionError as error:
        raise EngineError(f"cannot connect to the engine at {address}: permission denied") from error
    except OSError as error:
        raise EngineError(f"cannot connect to the engine at {address}: {error.strerror or error}") from error
    if address.tls is None:
        return plain
    return _wrap_tls(plain, address)


def _dial(address: Address) -> socket.socket:
    from .ssh import dial

    try:
        return dial(address.ssh)
    except OSError as error:
        raise EngineError(f"cannot run ssh to reach the engine at {address}: {error.strerror}") from error


def _connect_unix(plain: socket.socket, path: str) -> None:
    """Connect, by way of the directory where the path is longer than an address can be."""
    if len(os.fsencode(path)) <= _UNIX_PATH_LIMIT:
        plain.connect(path)
        return
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        plain.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    finally:
        os.close(directory)


def _wrap_tls(plain: socket.socket, address: Address) -> socket.socket:
    from .tls import secured

    assert address.tls is not None
    directory, verify = address.tls
    try:
        return secured(plain, address.host, directory, verify=verify)
    except OSError as error:
        raise EngineError(f"TLS with the engine at {address} failed: {error}") from error


class Connection:
    """One connection. Not for use by two threads at once."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.socket = open_socket(address)
        self._buffer = bytearray()
        self.reusable = True
        self.used = False

    def close(self) -> None:
        self.reusable = False
        self.socket.close()

    def why(self) -> str:
        """What the carrier of the connection has to say about its end, to be put behind a message."""
        from .tunnel import Tunnel

        reason = self.socket.why() if isinstance(self.socket, Tunnel) else ""
        return f": {reason}" if reason else ""

    def request(
        self,
        method: str,
        path_and_query: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        timeout: float | None,
    ) -> Response:
        """Send one request and read the head of its answer. ``timeout`` is per read and write, in seconds."""
        self.socket.settimeout(timeout)
        host = (
            "localhost"
            if self.address.path is not None or self.address.ssh
            else f"{self.address.host}:{self.address.port}"
        )
        head = [f"{method} {path_and_query} HTTP/1.1", f"Host: {host}", "User-Agent: pycompose"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        if isinstance(body, bytes):
            head.append(f"Content-Length: {len(body)}")
        elif body is not None:
            head.append("Transfer-Encoding: chunked")
        elif method in ("POST", "PUT"):
            head.append("Content-Length: 0")
        start = "\r\n".join([*head, "", ""]).encode("latin-1", "replace")
        self.used = True
        try:
            if isinstance(body, bytes):
                self.socket.sendall(start + body)
            else:
                self.socket.sendall(start)
                if body is not None:
                    self._send_chunked(body)
            return self._read_head(method)
        except EngineError:
            self.close()
            raise
        except TimeoutError as error:
            self.close()
            raise EngineError(
                f"the engine at {self.address} did not answer {method} {path_and_query} in time"
            ) from error
        except OSError as error:
            self.close()
            raise ConnectionLost(
                f"the connection to the engine at {self.address} broke: {error.strerror or error}{self.why()}"
            ) from error

    def _send_chunked(self, body: Iterable[bytes]) -> None:
        try:
            for block in body:
                if block:
                    self.socket.sendall(b"%x\r\n%b\r\n" % (len(block), block))
            self.socket.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            # The engine may refuse early and say why; its answer is still to be read.
            self.reusable = False

    def _read_head(self, method: str) -> Response:
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            while end < 0:
                if len(self._buffer) > _HEAD_LIMIT:
                    raise EngineError(f"the engine at {self.address} sent no HTTP answer")
                if not self._fill():
                    raise ConnectionResetError(0, "closed before the answer")
                end = self._buffer.find(b"\r\n\r\n")
            lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
            del self._buffer[: end + 4]
            protocol, _, rest = lines[0].partition(" ")
            code, _, reason = rest.partition(" ")
            if not protocol.startswith("HTTP/1.") or len(code) != 3 or not code.isdecimal():
                raise EngineError(f"the engine at {self.address} sent no HTTP answer")
            headers: dict[str, str] = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            if code == "100":
                continue
            return Response(self, method, int(code), reason, headers)

    def _fill(self) -> bool:
        data = self.socket.recv(_BLOCK)
        self._buffer += data
        return bool(data)

    def read_some(self, limit: int) -> bytes:
        """Up to ``limit`` bytes, at least one; b"" at the end of the stream."""
        if not self._buffer:
            return self.socket.recv(min(limit, _BLOCK))
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    def read_line(self) -> bytes:
        while True:
            end = self._buffer.find(b"\n")
            if end >= 0:
                line = bytes(self._buffer[: end + 1])
                del self._buffer[: end + 1]
                return line
            if len(self._buffer) > _HEAD_LIMIT or not self._fill():
                raise ConnectionResetError(0, "closed inside a chunk header")

    def take_buffer(self) -> bytes:
        data = bytes(self._buffer)
        self._buffer.clear()
        return data


class Response:
    """The answer to one request: head at once, body when asked for. Use as a context manager, or read to the end."""

    def __init__(self, connection: Connection, method: str, status: int, reason: str, headers: dict[str, str]) -> None:
        self.connection = connection
        self.status = status
        self.reason = reason
        self.headers = headers
        self.finished = False
        self.release: Callable[[Connection], None] | None = None
        self._closed = False
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length")
        self._remaining: int | None = (
            int(length) if length is not None and length.isdecimal() and len(length) <= _LENGTH_DIGITS else None
        )
        if status == 101:  # from here on the stream is the two sides' own, and ends when it is closed
            self._remaining, self._chunked = None, False
        elif method == "HEAD" or status in (204, 304) or 100 <= status < 200:
            self._remaining, self._chunked = 0, False
        if headers.get("connection", "").lower() == "close":
            connection.reusable = False
        if self._remaining == 0 and not self._chunked:
            self.finished = True

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hand the connection back when the body was read to its end, else give it up."""
        if self._closed:
            return
        self._closed = True
        if self.finished and self.connection.reusable and self.release is not None:
            self.release(self.connection)
        else:
            self.connection.close()

    def blocks(self) -> Iterator[bytes]:
        """The body as it arrives."""
        try:
            if self._chunked:
                yield from self._chunks()
            else:
                while self._remaining is None or self._remaining > 0:
                    data = self.connection.read_some(
                        _BLOCK if self._remaining is None else min(self._remaining, _BLOCK)
                    )
                    if not data:
                        if self._remaining is not None:
                            raise ConnectionResetError(0, "closed inside the body")
                        self.connection.reusable = False
                        break
                    if self._remaining is not None:
                        self._remaining -= len(data)
                    yield data
            self.finished = True
        except TimeoutError as error:
            self.connection.close()
            raise EngineError(f"the engine at {self.connection.address} stopped answering") from error
        except OSError as error:
            self.connection.close()
            raise ConnectionLost(
                f"the connection to the engine at {self.connection.address} broke: {error.strerror or error}"
            ) from error

    def _chunks(self) -> Iterator[bytes]:
        while True:
            header = self.connection.read_line().split(b";", 1)[0].strip()
            try:
                size = int(header, 16)
            except ValueError as error:
                raise ConnectionResetError(0, "malformed chunk header") from error
            if size < 0:
                raise ConnectionResetError(0, "malformed chunk header")
            if size == 0:
                while self.connection.read_line().strip():
                    pass
                return
            while size:
                data = self.connection.read_some(size)
                if not data:
                    raise ConnectionResetError(0, "closed inside a chunk")
                size -= len(data)
                yield data
            self.connection.read_line()

    def read(self) -> bytes:
        return b"".join(self.blocks())

    def hijack(self) -> tuple[socket.socket, bytes]:
        """The raw socket, and the bytes that came after the head. The caller closes the socket."""
        self.connection.reusable = False
        self.finished = self._closed = True
        self.connection.socket.settimeout(None)
        return self.connection.socket, self.connection.take_buffer()
