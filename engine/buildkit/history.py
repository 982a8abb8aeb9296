"""Builds that were: what was asked, how it ended, and what was told meanwhile, for ``docker buildx history``.

    DIRECTORY/<ref>    {"v": 1, "record": BuildHistoryRecord, "told": StatusResponse}    both in base64

The newest KEPT builds are remembered, and those that somebody has pinned. Records live in memory, what was told on disk.
A disk that takes nothing costs the history its newest entries and nobody a build.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from .. import documents
from ..errors import NotFound, NotImplemented_
from ..shapes import text
from .messages import control, parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path
    from typing import Literal

    from google.protobuf.message import Message

    _Kind = Literal["STARTED", "COMPLETE", "DELETED"]

log = logging.getLogger(__name__)

KEPT = 50
VERSION = 1
_LARGEST = 1 << 20
_REF = re.compile(r"[A-Za-z0-9_-]{1,128}")
_STARTED: Final = "STARTED"
_COMPLETE: Final = "COMPLETE"
_DELETED: Final = "DELETED"
_FILTER = re.compile(r"(status|ref)(==|!=)(.+)")


class History:
    """Belongs to the event loop's thread; files are read and written in others."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._records: dict[str, control.BuildHistoryRecord] | None = None
        self._opening = anyio.Lock()
        self._events: list[tuple[_Kind, control.BuildHistoryRecord]] = []
        self._told = 0  # events that were dropped from the list's beginning
        self._changed = anyio.Event()
        self._listeners = 0

    async def _open(self) -> dict[str, control.BuildHistoryRecord]:
        async with self._opening:
            if self._records is None:
                self._records = await anyio.to_thread.run_sync(_load, self._directory)
            return self._records

    # what builds tell ------------------------------------------------------------------------------------------------
    async def began(self, record: control.BuildHistoryRecord) -> None:
        if _REF.fullmatch(record.Ref):
            (await self._open())[record.Ref] = record
            self._say(_STARTED, record)

    async def ended(self, record: control.BuildHistoryRecord, told: control.StatusResponse) -> None:
        """``told`` is all that the build has said, as one StatusResponse."""
        records = await self._open()
        if record.Ref not in records:
            return
        count(record, told)
        records[record.Ref] = record
        superfluous = [one.Ref for one in _by_age(records.values()) if not one.pinned and one.HasField("CompletedAt")]
        del superfluous[:KEPT]
        self._say(_COMPLETE, record)
        for ref in superfluous:
            self._say(_DELETED, records.pop(ref))
        await anyio.to_thread.run_sync(_save, self._directory, record, shortened(told), superfluous)

    def _say(self, kind: _Kind, record: control.BuildHistoryRecord) -> None:
        if self._listeners:
            self._events.append((kind, record))
        self._changed.set()
        self._changed = anyio.Event()

    # what clients ask ------------------------------------------------------------------------------------------------
    async def told(self, ref: str) -> control.StatusResponse | None:
        """What a build of the past has told, or None."""
        record = (await self._open()).get(ref)
        if record is None or not record.HasField("CompletedAt"):
            return None
        return await anyio.to_thread.run_sync(_read_told, self._directory, ref)

    async def listen(self, request: control.BuildHistoryRequest) -> AsyncIterator[control.BuildHistoryEvent]:
        """BuildHistoryEvents: what there is, and unless the client wants no more, what comes."""
        records = await self._open()
        self._listeners += 1
        at = self._told + len(self._events)
        try:
            for record in chosen(records.values(), request):
                yield _event(_COMPLETE if record.HasField("CompletedAt") else _STARTED, record)
            while not request.EarlyExit:
                changed = self._changed
                for kind, record in self._events[at - self._told :]:
                    if chosen([record], request) or (kind == _DELETED and request.Ref in ("", record.Ref)):
                        yield _event(kind, record)
                    at += 1
                if changed is self._changed:
                    await changed.wait()
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._told += len(self._events)
                self._events.clear()

    async def update(self, request: control.UpdateBuildHistoryRequest) -> None:
        """Pin, unpin or forget a build. Raises NotFound."""
        records = await self._open()
        record = records.get(request.Ref)
        if record is None:
            raise NotFound(f"no such build: {request.Ref}")
        if request.Finalize:
            return  # nothing more is added to a build that has ended
        if request.Delete:
            self._say(_DELETED, records.pop(request.Ref))
            await anyio.to_thread.run_sync(_remove, self._directory, request.Ref)
            return
        record.pinned = request.Pinned
        if record.HasField("CompletedAt"):
            told = await anyio.to_thread.run_sync(_read_told, self._directory, request.Ref)
            await anyio.to_thread.run_sync(_save, self._directory, record, told or control.StatusResponse(), ())


# deciding ----------------------------------------------------------------------------------------------------------------
def chosen(
    records: Iterable[control.BuildHistoryRecord], request: control.BuildHistoryRequest
) -> list[control.BuildHistoryRecord]:
    """The builds that a BuildHistoryRequest means, newest first. Raises NotImplemented_ for filters of other fields."""
    wanted = [_filter(text) for text in request.Filter if text]
    found = [
        record
        for record in _by_age(records)
        if request.Ref in ("", record.Ref)
        and not (request.ActiveOnly and record.HasField("CompletedAt"))
        and all((_field(record, field) == value) == equal for field, equal, value in wanted)
    ]
    return found[: request.Limit] if request.Limit > 0 else found


def _filter(text: str) -> tuple[str, bool, str]:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise NotImplemented_(f"builds are filtered by status== and ref== by this engine, not by {text}")
    return match[1], match[2] == "==", match[3]


def _field(record: control.BuildHistoryRecord, name: str) -> str:
    if name == "ref":
        return str(record.Ref)
    if not record.HasField("CompletedAt"):
        return "running"
    if not record.HasField("error"):
        return "completed"
    return "canceled" if record.error.code == 1 else "error"


def _by_age(records: Iterable[control.BuildHistoryRecord]) -> list[control.BuildHistoryRecord]:
    return sorted(records, key=lambda one: (one.CreatedAt.seconds, one.CreatedAt.nanos), reverse=True)


def count(record: control.BuildHistoryRecord, told: control.StatusResponse) -> None:
    """Fill in a record's numbers of steps and warnings."""
    last = {vertex.digest: vertex for vertex in told.vertexes}
    record.numTotalSteps = len(last)
    record.numCachedSteps = sum(vertex.cached for vertex in last.values())
    record.numCompletedSteps = sum(vertex.HasField("completed") for vertex in last.values())
    record.numWarnings = len(told.warnings)


def shortened(told: control.StatusResponse) -> control.StatusResponse:
    """Without the oldest output, where there is too much of it to keep."""
    while told.logs and told.ByteSize() > _LARGEST:
        del told.logs[: max(1, len(told.logs) // 2)]
    return told


def _event(kind: _Kind, record: control.BuildHistoryRecord) -> control.BuildHistoryEvent:
    return control.BuildHistoryEvent(type=kind, record=record)


# files -------------------------------------------------------------------------------------------------------------------
def _save(
    directory: Path, record: control.BuildHistoryRecord, told: control.StatusResponse, superfluous: Iterable[str]
) -> None:
    body = {"record": _text(record), "told": _text(told)}
    fresh = directory / f".{record.Ref}"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.write_text(json.dumps(documents.stamped(body, VERSION)))
        os.replace(fresh, directory / record.Ref)
    except OSError as error:
        log.warning("build %s is not remembered: %s", record.Ref, error)
        _remove(directory, fresh.name)
    for ref in superfluous:
        _remove(directory, ref)


def _remove(directory: Path, name: str) -> None:
    with suppress(OSError):
        (directory / name).unlink(missing_ok=True)


def _load(directory: Path) -> dict[str, control.BuildHistoryRecord]:
    found = {}
    with suppress(FileNotFoundError):
        for entry in list(os.scandir(directory)):
            if not _REF.fullmatch(entry.name):
                _remove(directory, entry.name)  # half written
            elif (body := _read(directory, entry.name)) is not None:
                found[entry.name] = parse(control.BuildHistoryRecord, base64.b64decode(text(body["record"])))
    return found


def _read_told(directory: Path, ref: str) -> control.StatusResponse | None:
    body = _read(directory, ref)
    return None if body is None else parse(control.StatusResponse, base64.b64decode(text(body["told"])))


def _read(directory: Path, ref: str) -> dict[str, object] | None:
    path = directory / ref
    try:
        return documents.checked(json.loads(path.read_text()), VERSION, str(path))
    except (OSError, ValueError, documents.NewerFormat) as error:
        log.warning("a build of the past cannot be read: %s", error)
        return None


def _text(message: Message) -> str:
    return base64.b64encode(message.SerializeToString()).decode("ascii")
