"""The page's server for tests: one ASGI request by hand, and the running command with its address."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from .command import PYCOMPOSE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from .command import Command

VIEWS = (
    "#/",
    "#/p/shop",
    "#/p/shop/s/db",
    "#/images",
    "#/volumes",
    "#/networks",
    "#/builds",
    "#/events",
    "#/engine",
)
"""Where the page has a view of its own, for a project called shop with a service called db."""


def asked(
    app: ASGIApp, method: str, path: str, headers: dict[str, str], query: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Status (or a WebSocket's close code), headers and body. ``method`` may be ``websocket``."""
    kind = "websocket" if method == "websocket" else "http"
    scope: dict[str, Any] = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    if kind == "http":
        scope["method"] = method
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    first = sent[0]
    if first["type"] == "websocket.close":
        return first["code"], {}, b""
    found = {name.decode(): value.decode() for name, value in first["headers"]}
    return first["status"], found, b"".join(one.get("body", b"") for one in sent[1:])


@contextlib.contextmanager
def page_of(command: Command, *options: str, host: str = "") -> Iterator[str]:
    """`pycompose ui` in the command's directory, over its engine or that at ``host``; gives the address with its token."""
    engine = ("--host", host) if host else ("--root", str(command.root))
    process = subprocess.Popen(
        [str(PYCOMPOSE), *engine, "ui", "--no-open", *options],
        cwd=command.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found is not None, line + process.stderr.read()
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert "Traceback" not in said, said
