"""A build's events as BuildKit tells them: vertexes, statuses, logs and warnings, for any number of readers.

Told from the build's threads; read on the event loop, each reader at its own pace. What was told is kept while the build
lasts, up to LIMIT bytes of logs, so that a reader who comes late misses nothing that matters.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio

from ..build.dockerfile.lint import DESCRIPTIONS, rule_url
from ..build.progress import (
    Notice,
    StepCached,
    StepDone,
    StepFailed,
    StepLog,
    StepNote,
    StepStarted,
    StepStatus,
)
from ..errors import InvalidParameter
from ..images import reference
from . import messages
from .messages import set_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..build.progress import Event

LIMIT = 8 << 20
_STREAMS = {"stdout": 1, "stderr": 2}
_FROM = "FROM "
_EXPORT = "exporting to image"


class Told:
    """What one build has told. Made on the event loop's thread."""

    def __init__(self, ref: str) -> None:
        self._ref = ref
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._entries: list[tuple[str, Any]] = []
        self._dropped = self._logged = 0
        self._vertexes: dict[int, messages.control.Vertex] = {}
        self._internal: set[int] = set()
        self._moved = anyio.Event()
        self._ended = False
        self.readers = 0

    # told from threads -----------------------------------------------------------------------------------------------
    def tell(self, event: Event) -> None:
        """Take one of the builder's events."""
        now = time.time()
        match event:
            case StepStarted():
                if event.kind != "config":
                    self._start(event, now)
            case StepLog():
                self._log(event.step, _STREAMS[event.stream], event.data, now)
            case StepNote():
                self._status(event.step, event.text, now)
            case StepStatus():
                self._transfer(event, now)
            case StepCached():
                self._complete(event.step, now, cached=True)
            case StepDone():
                self._complete(event.step, now)
            case StepFailed():
                self._complete(event.step, now, error=event.message)
            case Notice():
                self._warn(event)

    def _start(self, event: StepStarted, now: float) -> None:
        digest = hashlib.sha256(f"{self._ref} {event.step}".encode()).hexdigest()
        vertex = messages.control.Vertex(digest=f"sha256:{digest}", name=_name(event))
        set_time(vertex.started, now)
        self._vertexes[event.step] = vertex
        if event.kind == "internal":
            self._internal.add(event.step)
        self._add("vertexes", vertex)
        if event.text == _EXPORT:
            self._status(event.step, "exporting layers", now)  # they are the image's already

    def fail(self, message: str) -> None:
        """The build has failed: what the builder itself was doing has. Instructions under way were canceled."""
        for step in list(self._internal):
            self._complete(step, time.time(), error=message)

    def _complete(self, step: int, now: float, *, cached: bool = False, error: str = "") -> None:
        self._internal.discard(step)
        known = self._vertexes.get(step)
        if known is None:
            return
        vertex = type(known)()
        vertex.CopyFrom(known)
        vertex.cached, vertex.error = cached, error
        set_time(vertex.completed, now)
        self._add("vertexes", vertex)

    def _log(self, step: int, stream: int, data: bytes, now: float) -> None:
        if vertex := self._vertexes.get(step):
            log = messages.control.VertexLog(vertex=vertex.digest, stream=stream, msg=data)
            set_time(log.timestamp, now)
            self._add("logs", log)

    def _status(self, step: int, text: str, now: float, *, current: int = 0, total: int = 0, done: bool = True) -> None:
        if vertex := self._vertexes.get(step):
            status = messages.control.VertexStatus(
                ID=text, vertex=vertex.digest, name=text, current=current, total=total
            )
            for field in (status.timestamp, status.started, *([status.completed] if done else [])):
                set_time(field, now)
            self._add("statuses", status)

    def _transfer(self, event: StepStatus, now: float) -> None:
        detail = event.status.get("progressDetail") or {}
        layer, action = event.status.get("id"), str(event.status.get("status") or "")
        if layer:
            current, total = int(detail.get("current") or 0), int(detail.get("total") or 0)
            done = action in ("Pull complete", "Already exists")
            self._status(event.step, str(layer), now, current=current, total=total, done=done)

    def _warn(self, event: Notice) -> None:
        first = next(iter(self._vertexes.values()), None)
        if first is None:
            return
        warning = messages.control.VertexWarning(vertex=first.digest, level=1, short=event.text.encode())
        if event.rule:
            where = f" (line {event.line})" if event.line else ""
            warning.short = f"{event.rule}: {event.text}{where}".encode()
            warning.detail.append(DESCRIPTIONS[event.rule].encode())
            warning.url = rule_url(event.rule)
        if event.line:
            place = warning.ranges.add()
            place.start.line = place.end.line = event.line
        self._add("warnings", warning)

    def _add(self, field: str, message: Any) -> None:
        with self._lock:
            self._entries.append((field, message))
            if field == "logs":
                self._logged += len(message.msg)
                if self._logged > LIMIT:
                    self._forget()
        self._loop.call_soon_threadsafe(self._stir)

    def _forget(self) -> None:
        """Drop the older half of the logs that are kept; readers that slow have a gap."""
        keep = self._logged // 2
        left = []
        for entry in self._entries:
            if entry[0] == "logs" and self._logged > keep:
                self._logged -= len(entry[1].msg)
                entry = ("", None)
            left.append(entry)
        self._entries = left

    def _stir(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    # on the loop -----------------------------------------------------------------------------------------------------
    def end(self) -> None:
        """Nothing more will be told. What has begun and not ended was canceled."""
        self._ended = True
        self._stir()

    def all(self) -> messages.control.StatusResponse:
        """All that is remembered, as one StatusResponse."""
        response = messages.control.StatusResponse()
        with self._lock:
            entries = list(self._entries)
        for field, message in entries:
            if field:
                getattr(response, field).append(message)
        return response

    async def read(self) -> AsyncIterator[messages.control.StatusResponse]:
        """StatusResponses until the end."""
        self.readers += 1
        at = 0
        while True:
            moved, ended = self._moved, self._ended
            with self._lock:
                fresh = self._entries[at:]
            at += len(fresh)
            size = 0
            response = messages.control.StatusResponse()
            for field, message in fresh:
                if field:
                    getattr(response, field).append(message)
                    size += len(message.msg) if field == "logs" else 256
                if size > 1 << 20:
                    yield response
                    response, size = messages.control.StatusResponse(), 0
            if size:
                yield response
            if ended:
                return
            if not fresh:
                await moved.wait()


def _name(event: StepStarted) -> str:
    if event.kind == "internal":
        return event.text
    text = event.title or event.text
    if event.kind == "base" and text[: len(_FROM)].upper() == _FROM:
        text = _FROM + _canonical(text[len(_FROM) :])
    width = 1 + int(math.log10(event.total)) if event.total else 1
    stage = f"{event.stage} " if event.stage else ""
    return f"[{stage}{event.index:{width}}/{event.total}] {text}"


def _canonical(words: str) -> str:
    """A base's complete name; what follows it is left out, as in BuildKit."""
    base = next((word for word in words.split() if not word.startswith("--")), words)
    try:
        return str(reference.parse(base).with_default_tag)
    except InvalidParameter:
        return base
