"""sd_notify's socket: who sends without end holds nobody up."""

from __future__ import annotations

import socket
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import anyio

from pycompose.engine.containers.life.notified import Inbox

if TYPE_CHECKING:
    from pycompose.engine.containers.life.container import Container


class Endless:
    """What a socket is like whose sender is always faster."""

    def __init__(self) -> None:
        self.read = 0

    def recv(self, size: int) -> bytes:
        self.read += 1
        assert self.read < 10_000, "read without end"
        return b"READY=1\nSTATUS=" + b"x" * 4000


def test_an_endless_sender_is_left_at_some_point() -> None:
    endless = Endless()
    inbox = Inbox(cast("socket.socket", endless))
    assert inbox.take()
    assert len(inbox.status) == 200
    inbox.forget()
    assert inbox.status == ""
    assert endless.read < 200


def test_one_who_sends_all_the_time_is_listened_to_now_and_then() -> None:
    """Each turn costs the engine time that is nobody's but its own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    container = cast("Container", SimpleNamespace(until=lambda over: anyio.sleep_forever()))

    async def turns() -> int:
        inbox = Inbox(ours)
        count, ends = 0, time.monotonic() + 0.6
        while time.monotonic() < ends:
            theirs.send(b"STATUS=busy")
            await inbox.more_or(lambda: container.until(lambda: False))
            inbox.take()
            count += 1
        return count

    with ours, theirs:
        assert anyio.run(partial(turns)) <= 5
