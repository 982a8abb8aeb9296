"""Reading a container's log: by line with times, from the end, between two times, and on and on (follow).

    with LogReader(directory, tail=10, follow=True) as reader:
        while entries := reader.read_available(): ...        # until it is empty
        await anyio.wait_readable(reader.fileno())           # then again; after the container's end: finish()

A line has the time of the read that completed it. Files written by logfile; a writer is never made to wait, and what
it removes by rotation while we read elsewhere is skipped. Not here: output formats, which driver supports reading.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..linux import inotify
from .logfile import MAX_CHUNK, STDERR, STDOUT, index_path, numbers
from .logsegment import BATCH, MAX_LINE, Record, Segment, find_tail, find_time, unfinished_before

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType

FRAGMENT = 16 << 10
"""A line whose beginning rotation has removed is dropped, but shown where this many bytes of it are left: a program that
draws progress in one endless line would show nothing at all."""
_SLICE = 16 << 10
_ENOUGH = 8192
"""Lines after which a call returns, however short they are."""


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
    ``follow`` is True or what to be woken by, which is closed with the reader. Raises FileNotFoundError when asked to follow a log whose directory does not exist.
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
        follow: Notify | bool | None = False,
    ) -> None:
        if tail and not lines:
            raise ValueError("a tail is counted in lines")
        self._directory = directory
        self._since = since or 0
        self._until = until
        self._streams = frozenset(streams)
        self._lines = lines
        self._carry: dict[int, bytearray] = {}
        self._headless: set[int] = set()
        self._joined = False
        self._waiting: deque[tuple[Record, bytes]] = deque()
        self._segment: Segment | None = None
        self._position = 0
        self._skip = 0
        self._last_time = 0
        self._superseded = False
        self._index_watch = -1
        self._notify: Notify | None = None
        self.ended = False
        """True once an entry later than ``until`` was met: nothing more will come."""
        if follow:
            self._notify = inotify.Inotify() if follow is True else follow
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

    def is_quick(self) -> bool:
        """Whether the next :meth:`read_available` has so little to do that it can be called where nothing may wait."""
        if self._segment is None or sum(len(data) for _, data in self._waiting) > _SLICE:
            return False
        records = self._segment.records(self._position, BATCH)
        if not records:
            return max(numbers(self._directory), default=0) <= self._segment.number  # another may have to be unpacked
        return sum(record.length for record in records) <= _SLICE

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
            if not self._waiting and (records := self._segment.records(self._position, BATCH, limit)):
                self._superseded = False
                self._position += len(records)
                self._waiting.extend(self._segment.chunks(records))
            if self._waiting:
                while self._waiting and len(entries) < _ENOUGH:
                    self._take(entries, *self._next_piece())
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

    def _next_piece(self) -> tuple[Record, bytes]:
        """The next data that was read; of a long one only the first bytes, since they may be many short lines."""
        record, data = self._waiting.popleft()
        if self._lines and len(data) > _SLICE:
            self._waiting.appendleft((record, data[_SLICE:]))
            return record, data[:_SLICE]
        return record, data

    def _take(self, entries: list[Entry], record: Record, data: bytes) -> None:
        time, stream = record.time, record.stream
        if record.continues:
            if not self._joined:
                self._carry.pop(stream, None)
                self._headless.add(stream)
            return
        self._last_time = time
        if not self._lines:
            if not self._skip_complete():
                self._emit(entries, time, stream, data, partial=False)
            return
        carry = self._carry.setdefault(stream, bytearray())
        if stream in self._headless:
            data = self._behead(carry, stream, data)
        first, newline, rest = data.partition(b"\n")
        carry += first
        if newline:
            lines = rest.split(b"\n")
            last = lines.pop()
            whole = [bytes(carry), *lines]
            skipped = min(self._skip, len(whole))
            self._skip -= skipped
            self._emit_lines(entries, time, stream, whole[skipped:] if skipped else whole)
            carry[:] = last
        if len(carry) > MAX_LINE:
            # No line may take all memory; its end comes as an entry of its own.
            if not self._skip:
                self._emit(entries, time, stream, bytes(carry), partial=True)
            carry.clear()

    def _behead(self, carry: bytearray, stream: int, data: bytes) -> bytes:
        """What is left of ``data`` without the rest of a line that has lost its beginning."""
        rest, newline, behind = data.partition(b"\n")
        if len(carry) + len(rest) <= FRAGMENT:
            if not newline:
                return data  # kept in ``carry`` until its length is known
            carry.clear()
            data = behind
            self._skip_complete()
        self._headless.discard(stream)
        return data

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

    def _emit_lines(self, entries: list[Entry], time: int, stream: int, lines: list[bytes]) -> None:
        """As ``_emit`` of each of them, without asking for each what is the same for all."""
        if lines and self._until is not None and time > self._until:
            self.ended = True
        elif not self.ended and time >= self._since and stream in self._streams:
            entries += [Entry(time, stream, line + b"\n") for line in lines]

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
            segment = Segment(self._directory, number)
            if self._notify:
                watch = self._notify.add(index_path(self._directory, number), inotify.IN_MODIFY)
        except FileNotFoundError:
            return False
        if self._notify:
            if self._index_watch >= 0:
                self._notify.discard(self._index_watch)
            self._index_watch = watch
        self._joined = self._segment is not None and number == self._segment.number + 1
        if self._segment:
            if not self._joined:  # rotation was faster than we are, and has removed numbers in between
                self._carry.clear()
                self._headless.clear()
            self._segment.close()
        self._segment = segment
        self._position = position
        self._superseded = False
        return True

    def _seek(self, tail: int | None) -> None:
        if tail is not None:
            start = find_tail(self._directory, tail)
        elif self._since:
            start = find_time(self._directory, self._since)
        else:
            return
        if start is None:
            return
        number, position, surplus = start
        if self._open(number, position):
            self._skip = surplus
            if self._lines and tail != 0:
                self._carry, self._headless = unfinished_before(self._directory, number, position)
                self._joined = number - 1 in numbers(self._directory)
