"""HTTP for registries and package archives: one pool of keep-alive connections, proxies of the environment, retries.

Only connections and retries here; what the answers mean is for the callers. Connections make the difference: the same
package set took 0.1 s over kept ones and 15 s with one per file.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult, urljoin, urlsplit
from weakref import WeakSet

import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, InsecureRequestWarning, LocationParseError, SSLError

from ..errors import Unavailable
from . import trust
from .proxies import Proxies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from ssl import SSLContext
    from typing import BinaryIO, Protocol, TypeAlias

    from urllib3.response import BaseHTTPResponse

    class Readable(Protocol):
        """What a body is sent from, piece by piece."""

        def read(self, size: int = -1, /) -> bytes: ...

    Body: TypeAlias = bytes | str | Readable | None
    """Of a request."""

_RETRIED = frozenset({429, 500, 502, 503, 504})
_ATTEMPTS = 6
_WORTH_WAITING = 30.0
"""Seconds. A server that asks for more (Docker Hub's pull limit: hours) is answered at once to whoever waits."""
_TIMEOUT = urllib3.Timeout(connect=10.0, read=60.0)


class Transport:
    """Requests with retries. ``sleep`` waits between them (else an event that ``abort`` sets), ``tell`` hears of waits that a server asks for; ``insecure`` hosts
    get no certificate check. ``certificates`` are directories as in trust.py.

    Thread-safe. Bodies are streamed (``preload_content=False``): release or drain every response.
    """

    def __init__(
        self,
        *,
        connections: int = 8,
        sleep: Callable[[float], object] | None = None,
        user_agent: str = "pycompose",
        tell: Callable[[str], None] = lambda words: None,
        certificates: Sequence[Path] = trust.DIRECTORIES,
    ) -> None:
        self._connections = connections
        self._ended = threading.Event()
        self._sleep = sleep or self._ended.wait
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._agent = user_agent
        self._tell = tell
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, bool, Path | None], urllib3.PoolManager] = {}
        self._proxies = Proxies.of(os.environ)
        self._certificates = certificates

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def abort(self) -> None:
        """End everything that is under way, in whatever thread: it raises Unavailable. Does not block."""
        self._ended.set()
        with self._lock:
            sockets = list(self._sockets)
        for one in sockets:
            with suppress(OSError):  # it is closed, or was never connected
                # Not SSLSocket's, which takes the TLS object away from the thread that reads.
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    def _connected(self, opened: socket.socket) -> None:
        with self._lock:
            self._sockets.add(opened)

    def _pool(self, url: str, insecure: bool) -> urllib3.PoolManager:
        proxy = self._proxies.of_url(url)
        parts = urlsplit(url)
        own = (
            trust.directory_of(parts.netloc.rpartition("@")[2], self._certificates) if parts.scheme == "https" else None
        )
        with self._lock:
            pool = self._pools.get((proxy, insecure, own))
            if pool is None:
                if insecure:
                    urllib3.disable_warnings(InsecureRequestWarning)  # asked for by configuration, or loopback
                pool = self._new_pool(proxy, trust.context(own, insecure))
                pool.pool_classes_by_scheme = {
                    "http": _told(HTTPConnectionPool, HTTPConnection, self._connected),
                    "https": _told(HTTPSConnectionPool, HTTPSConnection, self._connected),
                }
                self._pools[(proxy, insecure, own)] = pool
            return pool

    def _new_pool(self, proxy: str | None, context: SSLContext) -> urllib3.PoolManager:
        size = self._connections
        if not proxy:
            return urllib3.PoolManager(maxsize=size, block=False, retries=False, timeout=_TIMEOUT, ssl_context=context)
        login = urlsplit(proxy)
        headers = (
            urllib3.make_headers(proxy_basic_auth=f"{login.username}:{login.password or ''}")
            if login.username
            else None
        )
        return urllib3.ProxyManager(
            proxy,
            proxy_headers=headers,
            maxsize=size,
            block=False,
            retries=False,
            timeout=_TIMEOUT,
            ssl_context=context,
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        insecure: bool = False,
        retry: bool = True,
    ) -> BaseHTTPResponse:
        """One exchange, not following redirects; retried on 429, 5xx and broken connections, with back-off.

        Raises Unavailable when the server cannot be reached. ``body`` of a retried request must be repeatable.
        """
        all_headers = {"User-Agent": self._agent, **(headers or {})}
        attempt = 0
        while True:
            if self._ended.is_set():
                raise Unavailable("cancelled")
            attempt += 1
            last = attempt >= _ATTEMPTS or not retry
            try:
                pool = self._pool(url, insecure)
                response = pool.request(
                    method,
                    url,
                    headers=all_headers,
                    body=cast("bytes | str | BinaryIO | None", body),  # a reader is all that urllib3 needs
                    preload_content=False,
                    decode_content=False,
                    redirect=False,
                )
            except SSLError as error:
                raise Unavailable(_failure(method, url, error, self._proxies)) from error
            except (HTTPError, LocationParseError, OSError) as error:
                if self._ended.is_set():
                    raise Unavailable("cancelled") from None
                # A name that does not resolve, or a refused connection, does not get better by asking again and again.
                if last or (attempt >= 2 and not isinstance(error, urllib3.exceptions.ProtocolError)):
                    raise Unavailable(_failure(method, url, error, self._proxies)) from error
                self._sleep(_backoff(attempt))
                continue
            if response.status not in _RETRIED or last:
                return response
            wait = retry_after(response.headers.get("Retry-After", ""), time.time())
            if wait is not None and wait > _WORTH_WAITING:
                return response
            response.drain_conn()
            response.release_conn()
            if wait:
                self._tell(f"{urlsplit(url).hostname} asks to wait: trying again in {wait:.0f} s")
            self._sleep(_backoff(attempt) if wait is None else wait)


def joined(base: str, location: str) -> str:
    """What a server names, seen from ``base``, as an absolute URL. Raises Unavailable for one that cannot be."""
    try:
        url = urljoin(base, location)
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Unavailable(f"{urlsplit(base).netloc} names {location[:100]!r}, which is no address")
    return url


def _told(
    pool: type[HTTPConnectionPool], connection: type[HTTPConnection], connected: Callable[[socket.socket], None]
) -> type[HTTPConnectionPool]:
    """A class of connection pools that tells of every socket it has connected."""

    def connect(self: HTTPConnection) -> None:
        connection.connect(self)
        if self.sock is not None:
            connected(self.sock)

    return type(
        pool.__name__, (pool,), {"ConnectionCls": type(connection.__name__, (connection,), {"connect": connect})}
    )


Origin = tuple[str, str, int]


def origin(url: str) -> Origin:
    """Scheme, host and port of a URL (RFC 6454): what credentials belong to."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)


def _backoff(attempt: int) -> float:
    """Doubling from 0.2 s, with jitter, so that many clients do not come back together."""
    return float(min(0.2 * 2**attempt, 10.0) * (0.5 + os.urandom(1)[0] / 510))


def retry_after(text: str, now: float) -> float | None:
    """Seconds to wait: RFC 9110 section 10.2.3 has seconds or a date."""
    if not text:
        return None
    if text.isdecimal():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _failure(method: str, url: str, error: BaseException, proxies: Proxies) -> str:
    """Why a server, or the proxy on the way to it, cannot be reached, in the words that Docker's users know from Go's HTTP
    client."""
    parts = urlsplit(url)
    # Docker asks a registry for its version first, so that is the address its messages tell.
    path = "/v2/" if parts.path.startswith("/v2/") else parts.path
    said = f'{method.title()} "{parts.scheme}://{parts.netloc.rpartition("@")[2]}{path}"'
    proxy = proxies.of_url(url)
    if proxy:
        address = urlsplit(proxy)
        shown = f"{address.scheme}://{address.netloc.rpartition('@')[2]}"
        return f"{said}: proxyconnect tcp ({shown}): {_reason(address, error)}"
    return f"{said}: {_reason(parts, error)}"


def _reason(parts: SplitResult, error: BaseException) -> str:
    host = parts.hostname or ""
    cause = _cause(error)
    if isinstance(cause, socket.gaierror):
        reason = f"dial tcp: lookup {host}: {cause.strerror}"
    elif isinstance(cause, OSError) and cause.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
        reason = f"dial tcp {_numeric(host)}:{parts.port or _PORTS.get(parts.scheme, 0)}: connect: {os.strerror(cause.errno).lower()}"
    else:
        reason = (cause.strerror if isinstance(cause, OSError) else "") or str(cause) or type(cause).__name__
    return reason


_PORTS = {"http": 80, "https": 443}


def _numeric(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
    except OSError:
        return host


def _cause(error: BaseException) -> BaseException:
    """The innermost cause."""
    while True:
        inner = getattr(error, "reason", None)
        inner = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
        if inner is None:
            return error
        error = inner
