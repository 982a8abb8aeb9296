"""Datagrams carried from one socket to another: UDP knows no connections, so each pair of ends is one for as long as it talks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .loop import READ

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Hashable

    from .loop import Loop, Timer

_MOST = 1024
_IDLE = 60.0
"""Seconds without a datagram after which a flow is forgotten."""
_BURST = 64


class Flow:
    """``outside`` is connected to the far end; what comes from there goes to ``reply``."""

    __slots__ = ("last", "outside", "reply")

    def __init__(self, outside: socket.socket, reply: Callable[[bytes], object]) -> None:
        self.outside = outside
        self.reply = reply
        self.last = time.monotonic()

    def send(self, data: bytes) -> None:
        """To the far end; a datagram may be lost, this one too."""
        self.last = time.monotonic()
        try:
            self.outside.send(data)
        except OSError:
            return

    def answer(self) -> None:
        """What the far end has sent."""
        for _ in range(_BURST):
            try:
                data = self.outside.recv(65535)
                self.last = time.monotonic()
                self.reply(data)
            except OSError:
                return


class Flows:
    """The flows under way, at most ``most``: the one that was silent longest gives way."""

    def __init__(self, loop: Loop, most: int = _MOST) -> None:
        self.most = most
        self._loop = loop
        self._flows: dict[Hashable, Flow] = {}
        self._timer: Timer | None = None

    def get(self, key: Hashable) -> Flow | None:
        return self._flows.get(key)

    def add(self, key: Hashable, outside: socket.socket, reply: Callable[[bytes], object]) -> Flow:
        if len(self._flows) >= self.most:
            self._drop(min(self._flows, key=lambda one: self._flows[one].last))
        flow = self._flows[key] = Flow(outside, reply)
        self._loop.watch(outside.fileno(), lambda _: flow.answer(), READ)
        if self._timer is None:
            self._timer = self._loop.after(_IDLE, self._expire)
        return flow

    def close(self) -> None:
        for key in tuple(self._flows):
            self._drop(key)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self, key: Hashable) -> None:
        flow = self._flows.pop(key)
        self._loop.forget(flow.outside.fileno())
        flow.outside.close()

    def _expire(self) -> None:
        now = time.monotonic()
        for key in [key for key, flow in self._flows.items() if now - flow.last >= _IDLE]:
            self._drop(key)
        self._timer = self._loop.after(_IDLE, self._expire) if self._flows else None
