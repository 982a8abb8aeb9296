"""Reading a container's log: by line with times, from the end, between two times, and on and on (follow).

    with LogReader(directory, tail=10, follow=True) as reader:
        while entries := reader.read_available(): ...        # until it is empty
        await anyio.wait_readable(reader.fileno())           # then again; after the container's end: finish()

A line has the time of the read that completed it. Files written by logfile; a writer is never made to wait, and what
it removes by rotation while we read elsewhere is skipped. Not here: output formats, which driver supports reading.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..linux import inotify
from .logfile import MAX_CHUNK, RECORD, STDERR, STDOUT, compressed_path, data_path, index_path, numbers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType

MAX_LINE = 256 << 10
"""A line longer than this many bytes is handed out in pieces."""
_BATCH = 512
_LOOK_BACK = 4096


class Entry(NamedTuple):
    """A line with its newline, or a piece of one (``partial``: no newline, more of it follows or never came).

    ``time`` is in ns since the epoch, ``stream`` 1 or 2. With ``lines=False`` it is what one read brought.
    """

    time: int
    stream: int
    data: bytes
    partial: bool = False


class Notify(Protocol):
    """What a reader that follows needs of inotify; :class:`inotify.Inotify` itself, or a share of one."""

    def fileno(self) -> int: ...
    def add(self, path: str, mask: int) -> int: ...
    def discard(self, watch: int) -> None: ...
    def read(self) -> list[inotify.Event]: ...
    def close(self) -> None: ...


class LogReader:
    """A position in a log. ``since`` and ``until`` (ns, both inclusive), ``tail`` (a number of lines, None for all).

    As in Docker, ``tail`` counts lines of both streams before ``since``, ``until`` and ``streams`` select among them.
    ``tail=0`` starts at the end. ``lines=False`` hands out raw chunks (attach). Without ``follow`` just iterate.
    ``notify`` is closed with the reader. Raises FileNotFoundError when asked to follow a log whose directory does not exist.
    """

    def __init__(
        self,
        directory: str,
        *,
        since: int | None = None,
        until: int | None = None,
        tail: int | None = None,
        streams: Collection[int] = (STDOUT, STDERR),
        lines: bool = True,
        follow: bool = False,
        notify: Notify | None = None,
    ) -> None:
        if tail and not lines:
            raise ValueError("a tail is counted in lines")
        self._directory = directory
        self._since = since or 0
        self._until = until
        self._streams = frozenset(streams)
        self._lines = lines
        self._carry: dict[int, bytearray] = {}
        self._segment: _Segment | None = None
        self._position = 0
        self._skip = 0
        self._last_time = 0
        self._superseded = False
        self._index_watch = -1
        self._notify: Notify | None = None
        self.ended = False
        """True once an entry later than ``until`` was met: nothing more will come."""
        if follow:
            self._notify = inotify.Inotify() if notify is None else notify
            try:
                self._notify.add(directory, inotify.IN_CREATE | inotify.IN_ONLYDIR)
            except OSError:
                self._notify.close()
                raise
        try:
            self._seek(tail)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LogReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Entry]:
        """All there is now, the unfinished last line included."""
        while entries := self.read_available():
            yield from entries
        yield from self.finish()

    def fileno(self) -> int:
        """The fd that turns readable when :meth:`read_available` may have more. Only with ``follow``."""
        if self._notify is None:
            raise ValueError("this log reader does not follow")
        return self._notify.fileno()

    def close(self) -> None:
        if self._segment:
            self._segment.close()
            self._segment = None
        if self._notify:
            self._notify.close()
            self._notify = None

    def read_available(self, limit: int = MAX_CHUNK) -> list[Entry]:
        """The next entries, from about ``limit`` bytes of log; never waits. Empty when there is nothing new yet."""
        if self._notify:
            # First: what is written from here on raises a new event.
            self._notify.read()
        entries: list[Entry] = []
        while not entries and not self.ended:
            if self._segment is None and not self._advance():
                break
            assert self._segment is not None
            records = self._segment.records(self._position, _BATCH, limit)
            if records:
                self._superseded = False
                self._position += len(records)
                for time, stream, data in self._segment.chunks(records):
                    self._take(entries, time, stream, data)
            elif not self._advance():
                break
        return entries

    def finish(self) -> list[Entry]:
        """Lines that never got their newline; call once the container has ended and all was read."""
        entries: list[Entry] = []
        for stream, carry in sorted(self._carry.items()):
            self._emit(entries, self._last_time, stream, bytes(carry), partial=True)
        self._carry.clear()
        return entries

    def _take(self, entries: list[Entry], time: int, stream: int, data: bytes) -> None:
        self._last_time = time
        if not self._lines:
            if not self._skip_complete():
                self._emit(entries, time, stream, data, partial=False)
            return
        carry = self._carry.setdefault(stream, bytearray())
        first, newline, rest = data.partition(b"\n")
        carry += first
        if newline:
            lines = rest.split(b"\n")
            last = lines.pop()
            for line in (bytes(carry), *lines):
                if not self._skip_complete():
                    self._emit(entries, time, stream, line + b"\n", partial=False)
            carry[:] = last
        if len(carry) > MAX_LINE:
            # No line may take all memory; its end comes as an entry of its own.
            if not self._skip:
                self._emit(entries, time, stream, bytes(carry), partial=True)
            carry.clear()

    def _skip_complete(self) -> bool:
        if not self._skip:
            return False
        self._skip -= 1
        return True

    def _emit(self, entries: list[Entry], time: int, stream: int, data: bytes, partial: bool) -> None:
        if self._until is not None and time > self._until:
            self.ended = True
        elif not self.ended and time >= self._since and stream in self._streams and data:
            entries.append(Entry(time, stream, data, partial))

    def _advance(self) -> bool:
        """Go to the next number, if there is one and the current is read to its end. False: nothing to do now."""
        current = self._segment.number if self._segment else 0
        newer = [number for number in numbers(self._directory) if number > current]
        if not newer:
            return False
        if self._segment and not self._superseded:
            # Its last records may have come between our read and the listing; look once more.
            self._superseded = True
            return True
        return any(self._open(number) for number in newer)

    def _open(self, number: int, position: int = 0) -> bool:
        """Make ``number`` the current one. False when rotation has removed it meanwhile."""
        try:
            segment = _Segment(self._directory, number)
            if self._notify:
                watch = self._notify.add(index_path(self._directory, number), inotify.IN_MODIFY)
        except FileNotFoundError:
            return False
        if self._notify:
            if self._index_watch >= 0:
                self._notify.discard(self._index_watch)
            self._index_watch = watch
        if self._segment:
            self._segment.close()
        self._segment = segment
        self._position = position
        self._superseded = False
        return True

    def _seek(self, tail: int | None) -> None:
        if tail is not None:
            start = _find_tail(self._directory, tail)
        elif self._since:
            start = _find_time(self._directory, self._since)
        else:
            return
        if start is None:
            return
        number, position, surplus = start
        if self._open(number, position):
            self._skip = surplus
            if self._lines and tail != 0:
                self._carry = _unfinished_before(self._directory, number, position)


class _Segment:
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

    def __enter__(self) -> _Segment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def count(self) -> int:
        return os.fstat(self._index).st_size // RECORD.size

    def records(self, first: int, most: int, limit: int | None = None) -> list[tuple[int, int, int, int]]:
        """Up to ``most`` records from number ``first`` on, the first and then as many as cover ``limit`` bytes."""
        raw = os.pread(self._index, RECORD.size * most, RECORD.size * first)
        # The last may be half written.
        found = list(RECORD.iter_unpack(raw[: len(raw) - len(raw) % RECORD.size]))
        if limit is not None:
            total = 0
            for position, record in enumerate(found):
                total += record[2]
                if total > limit and position:
                    return found[:position]
        return found

    def chunks(self, records: list[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, bytes]]:
        """(time, stream, data) of these records. A damaged record or one without data gives an empty chunk less."""
        run: list[tuple[int, int, int, int]] = []
        for record in records:
            if record[2] > MAX_CHUNK or record[3] not in (STDOUT, STDERR):
                continue
            if run and record[1] != run[-1][1] + run[-1][2]:
                yield from self._run(run)
                run = []
            run.append(record)
        if run:
            yield from self._run(run)

    def _run(self, records: list[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, bytes]]:
        # Records nearly always follow each other without a gap: one read for all of them.
        start = records[0][1]
        data = self.read(start, records[-1][1] + records[-1][2] - start)
        for time, offset, length, stream in records:
            if chunk := data[offset - start : offset - start + length]:
                yield time, stream, chunk

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


def _backwards(
    directory: str, before: tuple[int, int] | None = None
) -> Iterator[tuple[_Segment, int, tuple[int, int, int, int]]]:
    """All records (before this number and position) from the newest to the oldest.

    Each comes with its segment, open during that step only, and its position there.
    """
    for number in reversed(numbers(directory)):
        if before and number > before[0]:
            continue
        try:
            segment = _Segment(directory, number)
        except FileNotFoundError:
            continue
        with segment:
            end = before[1] if before and number == before[0] else segment.count()
            yield from _backwards_in(segment, end)


def _backwards_in(segment: _Segment, end: int) -> Iterator[tuple[_Segment, int, tuple[int, int, int, int]]]:
    while end > 0:
        first = max(0, end - _BATCH)
        records = segment.records(first, end - first)
        for position in range(len(records) - 1, -1, -1):
            yield segment, first + position, records[position]
        end = first


def _find_tail(directory: str, tail: int) -> tuple[int, int, int] | None:
    """Where the last ``tail`` lines begin: number, position, and how many lines there are too many from there on."""
    lines = 0
    seen: set[int] = set()
    start: tuple[int, int] | None = None
    for segment, position, record in _backwards(directory):
        if tail <= 0:
            return segment.number, position + 1, 0
        start = segment.number, position
        if record[2] > MAX_CHUNK or record[3] not in (STDOUT, STDERR):
            continue
        data = segment.read(record[1], record[2])
        if record[3] not in seen and not data.endswith(b"\n"):
            # The line a stream is in the middle of counts: it is shown as the last one.
            lines += 1
        seen.add(record[3])
        lines += data.count(b"\n")
        if lines >= tail:
            break
    if start is None:
        newest = numbers(directory)
        return (newest[-1], 0, 0) if newest and tail <= 0 else None
    return start[0], start[1], max(0, lines - tail)


def _find_time(directory: str, since: int) -> tuple[int, int, int] | None:
    """The first record at or after ``since``, or the end."""
    newer: tuple[int, int, int] | None = None
    for number in reversed(numbers(directory)):
        try:
            segment = _Segment(directory, number)
        except FileNotFoundError:
            continue
        with segment:
            low, high = 0, segment.count()
            while low < high:
                middle = (low + high) // 2
                if segment.records(middle, 1)[0][0] < since:
                    low = middle + 1
                else:
                    high = middle
            if 0 < low < segment.count() or (low > 0 and newer is None):
                return number, low, 0
            if low > 0:
                return newer
            newer = number, 0, 0
    return newer


def _unfinished_before(directory: str, number: int, position: int) -> dict[int, bytearray]:
    """What each stream had written of its current line before this record; given up where that is far back."""
    found: dict[int, bytearray] = {}
    unknown = {STDOUT, STDERR}
    for steps, (segment, _, record) in enumerate(_backwards(directory, (number, position))):
        _, offset, length, stream = record
        if stream in unknown and length <= MAX_CHUNK:
            _, newline, last = segment.read(offset, length).rpartition(b"\n")
            found[stream] = bytearray(last) + found.get(stream, b"")
            if newline or len(found[stream]) > MAX_LINE:
                unknown.discard(stream)
        if not unknown or steps >= _LOOK_BACK:
            break
    return found
