"""HTTP and TCP probes: connections within the network namespace of a container, made from the engine.

A socket belongs to the namespace of the thread that opens it, wherever it is used afterwards. So a thread opens it there
(a millisecond), and the loop connects and reads as with any other.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
import h11

from ...linux import process
from ...networks.inside import inside
from ..spec.probing import HttpProbe

if TYPE_CHECKING:
    from ..spec.probing import TcpProbe
    from .container import Container
    from .service import Containers

ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
"""Where a server in the container is looked for, in this order: most listen at all addresses."""
_HEAD_LIMIT = 64 << 10
_CHUNK = 16 << 10


@dataclass(frozen=True, slots=True)
class Answer:
    """``failure`` is None for success; ``words`` are for people."""

    failure: str | None
    words: str = ""


async def probe(containers: Containers, container: Container, target: HttpProbe | TcpProbe, patience: float) -> Answer:
    """Probe once. Raises TimeoutError, and ProcessLookupError when the container has gone."""
    with anyio.fail_after(patience):
        try:
            connection = await _connect(containers, container, target.port)
        except ProcessLookupError:
            raise
        except OSError as error:
            return Answer(f"cannot connect to port {target.port}: {_reason(error)}")
        if not isinstance(target, HttpProbe):
            connection.close()
            return Answer(None, f"port {target.port} takes connections")
        return await _get(connection, target)


async def _connect(containers: Containers, container: Container, port: int) -> socket.socket:
    state = container.state
    network = process.open_namespace(state.pid, state.pid_starttime, "net")
    try:
        failure: OSError | None = None
        for family, address in ADDRESSES:
            connection = await containers.blocking(_open, network, family)
            try:
                await asyncio.get_running_loop().sock_connect(connection, (address, port))
                return connection
            except OSError as error:
                connection.close()
                failure = failure or error
            except BaseException:
                connection.close()
                raise
        assert failure is not None
        raise failure
    finally:
        os.close(network)


def _open(network: int, family: int) -> socket.socket:
    return inside(
        network, lambda: socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    )


async def _get(connection: socket.socket, target: HttpProbe) -> Answer:
    context = None
    if target.tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    scheme = "https" if target.tls else "http"
    what = f"GET {scheme}://127.0.0.1:{target.port}{target.path}"
    try:
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=context, server_hostname="localhost" if target.tls else None
        )
    except OSError as error:
        connection.close()
        return Answer(f"{what}: {_reason(error)}")
    try:
        status = await _status(reader, writer, target)
    except (OSError, h11.RemoteProtocolError) as error:
        return Answer(f"{what}: {error}")
    finally:
        writer.transport.abort()
    answer = f"{what}: {status} {_phrase(status)}".rstrip()
    if any(first <= status <= last for first, last in target.statuses):
        return Answer(None, answer)
    wanted = ",".join(f"{first}-{last}" if first != last else str(first) for first, last in target.statuses)
    return Answer(f"{answer} (want {wanted})")


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: HttpProbe) -> int:
    """Send the request and read the answer's head; its body is not waited for."""
    headers = {"Host": f"localhost:{target.port}", "User-Agent": "pycompose-probe", "Accept": "*/*"}
    given = {name.lower() for name, _ in target.headers}
    fields = [(name, value) for name, value in headers.items() if name.lower() not in given] + list(target.headers)
    machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
    request = h11.Request(method="GET", target=target.path, headers=[*fields, ("Connection", "close")])
    writer.write((machine.send(request) or b"") + (machine.send(h11.EndOfMessage()) or b""))
    await writer.drain()
    while True:
        event = machine.next_event()
        if event is h11.NEED_DATA:
            machine.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            return event.status_code
        elif isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("the connection was closed without an answer")


def _reason(error: OSError) -> str:
    """asyncio puts words of its own into strerror."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
