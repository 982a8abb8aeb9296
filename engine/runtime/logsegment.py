"""The numbers of a container's log, open for reading, and where in them a reader begins: at the last lines, at a time.

What a reader makes of them is logread's business.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from .logfile import (
    CONTINUES,
    MAX_CHUNK,
    RECORD,
    STDERR,
    STDOUT,
    STREAM,
    compressed_path,
    data_path,
    index_path,
    numbers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

MAX_LINE = 256 << 10
"""A line longer than this many bytes is handed out in pieces."""
BATCH = 512
"""Records that are read at once."""
_LOOK_BACK = 4096


class Record(NamedTuple):
    """One read of the writer's: when, where its bytes are, and whose. ``continues``: it has none, and says that its stream
    was within a line when the number began."""

    time: int
    offset: int
    length: int
    stream: int
    continues: bool

    @property
    def damaged(self) -> bool:
        return self.length > MAX_CHUNK or self.stream not in (STDOUT, STDERR)


class Segment:
    """One number, open for reading."""

    def __init__(self, directory: str, number: int) -> None:
        self.number = number
        self._index = os.open(index_path(directory, number), os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._data = _open_data(directory, number)
        except OSError:
            os.close(self._index)
            raise

    def close(self) -> None:
        os.close(self._index)
        os.close(self._data)

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def count(self) -> int:
        return os.fstat(self._index).st_size // RECORD.size

    def records(self, first: int, most: int, limit: int | None = None) -> list[Record]:
        """Up to ``most`` records from number ``first`` on, the first and then as many as cover ``limit`` bytes."""
        raw = os.pread(self._index, RECORD.size * most, RECORD.size * first)
        # The last may be half written.
        whole = raw[: len(raw) - len(raw) % RECORD.size]
        found = [
            Record(time, offset, length, stream & STREAM, bool(stream & CONTINUES))
            for time, offset, length, stream in RECORD.iter_unpack(whole)
        ]
        if limit is not None:
            total = 0
            for position, record in enumerate(found):
                total += record.length
                if total > limit and position:
                    return found[:position]
        return found

    def chunks(self, records: list[Record]) -> Iterator[tuple[Record, bytes]]:
        """These records with their data. A damaged record or one without data gives an empty chunk less, but for marks."""
        run: list[Record] = []
        for record in records:
            if record.damaged:
                continue
            if record.continues:
                yield record, b""
                continue
            if run and record.offset != run[-1].offset + run[-1].length:
                yield from self._run(run)
                run = []
            run.append(record)
        if run:
            yield from self._run(run)

    def _run(self, records: list[Record]) -> Iterator[tuple[Record, bytes]]:
        # Records nearly always follow each other without a gap: one read for all of them.
        start = records[0].offset
        data = self.read(start, records[-1].offset + records[-1].length - start)
        for record in records:
            if chunk := data[record.offset - start : record.offset - start + record.length]:
                yield record, chunk

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._data, length, offset)


def _open_data(directory: str, number: int) -> int:
    """The number's data, unpacked into a nameless file where it has been compressed. Raises FileNotFoundError."""
    try:
        return os.open(data_path(directory, number), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        source = open(compressed_path(directory, number), "rb")  # noqa: SIM115
    import zlib

    with source:
        target = os.open(directory, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        try:
            inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
            while data := source.read(MAX_CHUNK):
                while data and not inflate.eof:
                    os.write(target, inflate.decompress(data, MAX_CHUNK))
                    data = inflate.unconsumed_tail
        except (OSError, zlib.error):
            os.close(target)
            raise FileNotFoundError(compressed_path(directory, number)) from None
    return target


def _backwards(directory: str, before: tuple[int, int] | None = None) -> Iterator[tuple[Segment, int, Record]]:
    """All records (before this number and position) from the newest to the oldest.

    Each comes with its segment, open during that step only, and its position there.
    """
    for number in reversed(numbers(directory)):
        if before and number > before[0]:
            continue
        try:
            segment = Segment(directory, number)
        except FileNotFoundError:
            continue
        with segment:
            end = before[1] if before and number == before[0] else segment.count()
            yield from _backwards_in(segment, end)


def _backwards_in(segment: Segment, end: int) -> Iterator[tuple[Segment, int, Record]]:
    while end > 0:
        first = max(0, end - BATCH)
        records = segment.records(first, end - first)
        for position in range(len(records) - 1, -1, -1):
            yield segment, first + position, records[position]
        end = first


def find_tail(directory: str, tail: int) -> tuple[int, int, int] | None:
    """Where the last ``tail`` lines begin: number, position, and how many lines there are too many from there on."""
    lines = 0
    seen: set[int] = set()
    start: tuple[int, int] | None = None
    for segment, position, record in _backwards(directory):
        if tail <= 0:
            return segment.number, position + 1, 0
        start = segment.number, position
        if record.damaged or record.continues:
            continue
        data = segment.read(record.offset, record.length)
        if record.stream not in seen and not data.endswith(b"\n"):
            # The line a stream is in the middle of counts: it is shown as the last one.
            lines += 1
        seen.add(record.stream)
        lines += data.count(b"\n")
        if lines >= tail:
            break
    if start is None:
        newest = numbers(directory)
        return (newest[-1], 0, 0) if newest and tail <= 0 else None
    return start[0], start[1], max(0, lines - tail)


def find_time(directory: str, since: int) -> tuple[int, int, int] | None:
    """The first record at or after ``since``, or the end."""
    newer: tuple[int, int, int] | None = None
    for number in reversed(numbers(directory)):
        try:
            segment = Segment(directory, number)
        except FileNotFoundError:
            continue
        with segment:
            low, high = 0, segment.count()
            while low < high:
                middle = (low + high) // 2
                if segment.records(middle, 1)[0].time < since:
                    low = middle + 1
                else:
                    high = middle
            if 0 < low < segment.count() or (low > 0 and newer is None):
                return number, low, 0
            if low > 0:
                return newer
            newer = number, 0, 0
    return newer


class Unfinished(NamedTuple):
    """What the streams had written of their current lines before a place in the log. ``headless`` are the streams whose
    line began in a number that rotation has removed."""

    begun: dict[int, bytearray]
    headless: set[int]


def unfinished_before(directory: str, number: int, position: int) -> Unfinished:
    """The unfinished lines before this record; given up where their beginning is far back."""
    found: dict[int, bytearray] = {}
    headless: set[int] = set()
    unknown = {STDOUT, STDERR}
    for steps, (segment, _, record) in enumerate(_backwards(directory, (number, position))):
        stream = record.stream
        if stream in unknown and not record.damaged:
            _, newline, last = segment.read(record.offset, record.length).rpartition(b"\n")
            found[stream] = bytearray(last) + found.get(stream, b"")
            headless.discard(stream)
            if newline or len(found[stream]) > MAX_LINE:
                unknown.discard(stream)
            elif record.continues:
                headless.add(stream)  # unless an older number is still there
        if not unknown or steps >= _LOOK_BACK:
            break
    return Unfinished(found, headless)
