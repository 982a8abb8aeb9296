"""TLS to an engine's TCP port, as a plain socket: a thread carries the bytes between a socket pair and the connection.

A hijacked stream is polled, read without blocking and shut down in one direction only. A TLS socket of Python's can do
none of these dependably; a socket pair can. Certificates are where the docker CLI keeps them: ca.pem, cert.pem, key.pem.
"""

from __future__ import annotations

import os
import select
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from .tunnel import Tunnel, tunnel

if TYPE_CHECKING:
    import socket

_BLOCK = 64 * 1024


def secured(plain: socket.socket, host: str, directory: str, *, verify: bool) -> Tunnel:
    """Shake hands with ``host`` over the connected socket ``plain``, which belongs to the tunnel from then on.

    Raises `OSError` (`ssl.SSLError` among them) when that fails; ``plain`` is closed then.
    """
    try:
        session = _Session(_context(directory, verify=verify), host)
        session.shake_hands(plain)
    except OSError:
        plain.close()
        raise
    near, far = tunnel()
    near.carrier = threading.Thread(target=_Pump(session, plain, far, near).run, name="tls", daemon=True)
    near.carrier.start()
    return near


def _context(directory: str, *, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    authority, certificate, key = (os.path.join(directory, name) for name in ("ca.pem", "cert.pem", "key.pem"))
    if os.path.exists(authority):
        context.load_verify_locations(authority)
    if os.path.exists(certificate):
        context.load_cert_chain(certificate, key)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Session:
    """TLS over two buffers: only so can one direction be ended while the other goes on. OpenSSL looks for the peer's answer
    as soon as it has said that no more comes, and takes data for an error there; with an empty buffer it finds none."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def shake_hands(self, plain: socket.socket) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                plain.sendall(self.to_send())
                data = plain.recv(_BLOCK)
                if not data:
                    raise ConnectionResetError("the connection was closed during the handshake") from None
                self._incoming.write(data)
                continue
            plain.sendall(self.to_send())
            return

    def to_send(self) -> bytes:
        return self._outgoing.read()

    def decrypt(self, data: bytes) -> tuple[bytes, bool]:
        """What ``data`` from the wire holds, and whether the peer has ended."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        out = bytearray()
        while True:
            try:
                piece = self._tls.read(_BLOCK)
            except ssl.SSLWantReadError:
                return bytes(out), False
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return bytes(out), True
            if not piece:
                return bytes(out), True
            out += piece

    def encrypt(self, data: bytes) -> None:
        self._tls.write(data)

    def end(self) -> None:
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()


class _Pump:
    """Both directions of one tunnel, until the engine has ended its own or the client is gone."""

    def __init__(self, session: _Session, outside: socket.socket, inside: socket.socket, tunnel: Tunnel) -> None:
        self._session = session
        self._outside, self._inside = outside, inside
        self._tunnel = tunnel
        self._to_engine, self._to_client = bytearray(), bytearray()
        self._client_open = self._engine_open = True

    def run(self) -> None:
        self._outside.setblocking(False)
        self._inside.setblocking(False)
        try:
            while self._engine_open or self._to_client:
                self._step()
        except OSError as error:
            self._tunnel.reason = getattr(error, "reason", None) or error.strerror or str(error)
        finally:
            self._outside.close()
            self._inside.close()

    def _step(self) -> None:
        readers: list[socket.socket] = []
        if self._engine_open and len(self._to_client) < _BLOCK:
            readers.append(self._outside)
        if self._client_open and not self._to_engine:
            readers.append(self._inside)
        writers = [self._outside] * bool(self._to_engine) + [self._inside] * bool(self._to_client)
        readable, writable, _ = select.select(readers, writers, [])
        if self._outside in readable:
            data, ended = self._session.decrypt(self._outside.recv(_BLOCK))
            self._to_client += data
            self._engine_open = not ended
        if self._inside in readable:
            data = self._inside.recv(_BLOCK)
            if data:
                self._session.encrypt(data)
            else:
                self._client_open = False
                self._session.end()
        self._to_engine += self._session.to_send()
        if self._outside in writable:
            del self._to_engine[: self._outside.send(self._to_engine)]
        if self._inside in writable:
            del self._to_client[: self._inside.send(self._to_client)]
