"""The log of a container as the API streams it: lines, with times where asked for, framed unless there is a terminal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InvalidParameter, NotImplemented_
from ...runtime.logread import LogReader
from ...timestamps import rfc3339
from ..life import pump
from ..spec import logoptions
from .logfeed import reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...runtime.logread import Entry, Notify
    from ..life.container import Container
    from ..life.service import Containers


@dataclass(frozen=True, slots=True)
class LogRequest:
    """``since`` and ``until`` in ns since the epoch; ``tail`` None is everything; ``streams`` of 1 and 2."""

    streams: tuple[int, ...]
    since: int | None = None
    until: int | None = None
    tail: int | None = None
    timestamps: bool = False
    follow: bool = False
    details: bool = False


def check(container: Container, request: LogRequest) -> None:
    if not request.streams:
        raise InvalidParameter("Bad parameters: you must choose at least one stream")
    if container.record.spec.log.driver == "none":
        raise NotImplemented_("configured logging driver does not support reading")


async def stream(containers: Containers, container: Container, request: LogRequest, send: pump.Send) -> None:
    """Send what is asked for; with ``follow`` until the container ends."""
    directory = str(containers.layout.container_state(container.id) / "log")
    framed = not container.record.spec.tty
    before = f"{logoptions.details(logoptions.attributes(container.record))} ".encode() if request.details else b""
    if not request.follow and container.state.running and not _written(directory):
        async with reading(
            containers, lambda notify: LogReader(directory, follow=notify), follow=True, from_end=True
        ) as feed:
            await feed.first_output(container)
    follow = request.follow and container.state.active

    def make(notify: Notify | None) -> LogReader:
        return LogReader(
            directory,
            since=request.since,
            until=request.until,
            tail=request.tail,
            streams=request.streams,
            follow=notify,
        )

    def text(entries: list[Entry]) -> bytes:
        return render(entries, request, framed=framed, details=before)

    async with reading(containers, make, follow=follow, from_end=request.tail == 0) as feed:
        while True:
            over = not follow or container.removed or not container.state.active
            while data := await feed.take(text):
                await send(data)
            if feed.ended:
                return
            if over:
                if data := feed.finish(text):
                    await send(data)
                return
            await feed.grown_or(container, lambda: container.removed or not container.state.active)


def _written(directory: str) -> bool:
    """Whether the container has written anything."""
    with os.scandir(directory) as entries:
        return any(entry.name.endswith(".data") and entry.stat().st_size for entry in entries)


def render(entries: Iterable[Entry], request: LogRequest, *, framed: bool, details: bytes = b"") -> bytes:
    pieces: list[bytes] = []
    for time, stream, data, _ in entries:
        if details:
            data = details + data
        if request.timestamps:
            data = timestamp(time).encode() + b" " + data
        if framed:
            pieces.append(pump.header(stream, len(data)))
        pieces.append(data)
    return b"".join(pieces)


def timestamp(time: int) -> str:
    """RFC 3339 with nine digits, always, as log lines carry it."""
    text = rfc3339(time // 1_000_000_000 * 1_000_000_000)
    return f"{text[:-1]}.{time % 1_000_000_000:09d}Z"
