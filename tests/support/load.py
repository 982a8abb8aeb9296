"""Requests without a pause against a published port: connections that are kept, and fresh ones, over IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

_PATIENCE = 30.0
"""Seconds within which a request must be answered: a busy machine is no lost request."""


@dataclass(frozen=True, slots=True)
class Client:
    """``rate`` requests a second; ``kept``: all over one connection, until the server ends it in words."""

    host: str
    rate: float
    kept: bool


@dataclass(slots=True)
class Load:
    """Runs the clients in a thread of its own while the block lasts. ``answers`` counts the bodies that came, ``lost`` are
    the requests that were not answered, and why."""

    port: int
    clients: list[Client]
    answers: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Load:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join()

    @property
    def rate(self) -> float:
        return self.answers.total() / self.seconds

    async def _run(self) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                group.create_task(self._client(client))
        self.seconds = time.monotonic() - began

    async def _client(self, client: Client) -> None:
        began = time.monotonic()
        made = 0
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._over.is_set():
            fresh = streams is None
            try:
                async with asyncio.timeout(_PATIENCE):
                    if streams is None:
                        streams = await asyncio.open_connection(client.host, self.port)
                    goes_on = await self._ask(*streams, kept=client.kept)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                kind = "fresh" if fresh else "kept"
                self.lost.append(f"{client.host} {kind} after {time.monotonic() - began:.3f} s: {error!r}")
                goes_on = False
            if not goes_on and streams is not None:
                streams[1].close()
                with suppress(OSError):
                    await streams[1].wait_closed()
                streams = None
            made += 1
            # By the number of requests made, so that one that took long is followed by others at once.
            await asyncio.sleep(max(0.0, began + made / client.rate - time.monotonic()))
        if streams is not None:
            streams[1].close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, kept: bool) -> bool:
        """One request; whether the connection can be used for another one."""
        words = "keep-alive" if kept else "close"
        writer.write(f"GET / HTTP/1.1\r\nHost: test\r\nConnection: {words}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        self.answers[(await reader.readexactly(length)).decode()] += 1
        return kept and "connection: close" not in head
