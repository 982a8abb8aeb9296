"""The server's process: a socket on loopback, the feed, uvicorn, until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from typing import TYPE_CHECKING

import uvicorn
import wsproto  # noqa: F401  (uvicorn imports it with the first connection: here its absence can be said)

from ...errors import UsageError
from ..store.feed import Feed
from .app import make_app
from .guard import Guard

if TYPE_CHECKING:
    from .app import Context


def listen(port: int) -> socket.socket:
    """A listening socket at 127.0.0.1, ``port`` 0 for any. Raises `UsageError` when the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise UsageError(f"127.0.0.1:{port}: {error.strerror}; choose another with --port") from None
    listener.listen(128)
    return listener


def serve(context: Context, port: int, *, browse: bool) -> None:
    """Serve until a signal comes. The address, token included, goes to standard output."""
    listener = listen(port)
    number = int(listener.getsockname()[1])
    token = secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{number}/?token={token}"
    config = uvicorn.Config(
        Guard(make_app(context), number, token),
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="wsproto",
        http="h11",
        ws_max_size=64 * 1024,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    with listener, Feed(context.engine, context.store):
        print(f"pycompose ui: {address}", flush=True)
        if browse:
            webbrowser.open(address)
        uvicorn.Server(config).run(sockets=[listener])
