"""sd_notify's socket: who sends without end holds nobody up."""

from __future__ import annotations

import os
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

    def setsockopt(self, level: int, option: int, value: int) -> None:
        assert (level, option, value) == (socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def recvmsg(self, size: int, room: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        self.read += 1
        assert self.read < 10_000, "read without end"
        return b"READY=1\nSTATUS=" + b"x" * 4000, [], 0, None


def test_an_endless_sender_is_left_at_some_point() -> None:
    endless = Endless()
    inbox = Inbox(cast("socket.socket", endless), lambda sender: "")
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
        inbox = Inbox(ours, lambda sender: "")
        count, ends = 0, time.monotonic() + 0.6
        while time.monotonic() < ends:
            theirs.send(b"STATUS=busy")
            await inbox.more_or(lambda: container.until(lambda: False))
            inbox.take()
            count += 1
        return count

    with ours, theirs:
        assert anyio.run(partial(turns)) <= 5


def test_who_is_doubted_is_neither_ready_nor_heard() -> None:
    """The kernel says who sends, whatever the datagram says, and descriptors that come along stay nowhere."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    asked: list[int] = []

    def doubt(sender: int) -> str:
        asked.append(sender)
        return "a stranger" if len(asked) == 1 else ""

    before = set(os.listdir("/proc/self/fd"))
    with ours, theirs:
        inbox = Inbox(ours, doubt)
        socket.send_fds(theirs, [b"STATUS=forged\nREADY=1"], [0, 1, 2])
        assert not inbox.take() and (inbox.status, inbox.doubted) == ("", "a stranger")
        assert set(os.listdir("/proc/self/fd")) == before
        theirs.send(b"STATUS=true\nREADY=1")
        assert inbox.take() and inbox.status == "true"
    assert asked == [os.getpid()] * 2
