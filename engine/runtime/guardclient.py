"""The engine's side of a lease's guard (guard.py): one connection, of its birth or by adoption after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from . import protocol
from .connection import Connection, RequestError, ShimLost

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from . import wire
    from .client import KeeperClient


class GuardClient:
    """``ended`` is set, with ``reason``, when the guard says that the owner is gone; ``closed`` when the guard itself is."""

    def __init__(self, channel: socket.socket) -> None:
        self.ended = asyncio.Event()
        self.reason = ""
        self._connection = Connection(channel, self._on_event, "the lease's guard")

    @staticmethod
    async def fork(
        keeper: KeeperClient, lease: str, control: Path, owner: int | None, seconds: float | None
    ) -> GuardClient:
        """Raises ShimLost and RequestError."""
        return GuardClient(await keeper.fork_guard(lease, control, owner, seconds))

    @staticmethod
    async def connect(control: Path) -> GuardClient:
        """Adopt the guard that listens at ``control``. Raises ShimLost when there is none."""
        try:
            return GuardClient(protocol.connect(os.fspath(control)))
        except OSError as error:
            raise ShimLost(f"no guard at {control}: {error.strerror}") from None

    @property
    def closed(self) -> asyncio.Event:
        return self._connection.closed

    async def own(self, owner: int | None, seconds: float | None) -> None:
        """Watch another owner from now on. Raises ShimLost."""
        await self._connection.request("own", () if owner is None else (owner,), seconds=seconds)
        self.ended.clear()

    async def release(self) -> None:
        """The lease is over: the guard ends. That it has ended already is as good."""
        with contextlib.suppress(ShimLost, RequestError):
            await self._connection.request("release")
        self.close()

    def close(self) -> None:
        """Let go of the guard without ending it."""
        self._connection.close()

    def _on_event(self, message: wire.Message, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)
        if message.get("event") == "ended":
            self.reason = str(message.get("reason", ""))
            self.ended.set()
