"""What a container writes, on disk: raw bytes, and beside them an index that says when and by which stream.

    <directory>/00000001.data     the bytes, as they came out of the pipe (moved by splice, never looked at)
    <directory>/00000001.data.gz  the same of a number that is full, where compression is asked for (logcompress)
    <directory>/00000001.index    one 24-byte record per read: time (ns since the epoch), offset, length, stream

The shim is the one writer. Data is written before its record, so that a record never points at bytes that are not
there; bytes without a record (a crash between the two) get one when the log is opened again. Rotation starts the next
number, wherever in a line that is, and removes the oldest: nothing is renamed, a reader's open files stay what they are. Nobody is waited for: a
reader that is slow loses old numbers, a disk that is full loses output, which is then said in the log.

Splitting into lines, tail, since and follow are the reader's business (logread).
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

STDOUT = 1
"""Also everything a terminal shows."""
STDERR = 2

RECORD = struct.Struct("<QQII")
"""time in ns, offset in the data file, length in bytes, stream with flags."""
STREAM, CONTINUES = 0xFF, 0x100
"""The stream of a record, and the flag of a mark: a record without bytes, at the beginning of a number, for a stream that
was within a line then. When rotation has removed the line's beginning, readers do not show its rest as a line."""
MAX_CHUNK = 1 << 20
"""No record covers more bytes than this."""

_LOOK_BACK = 4096
_RING_SIZE = 1 << 20
_LOST = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE
)  # fmt: skip
"""What costs output and never the container."""


class Limits(NamedTuple):
    """When to rotate: at ``max_size`` bytes (None: never), keeping ``max_file`` numbers."""

    max_size: int | None
    max_file: int


def limits(driver: str, max_size: int | None, max_file: int | None) -> Limits:
    """The limits of a logging driver: ``local`` has some of its own, ``none`` keeps just enough for attach."""
    if driver == "none":
        return Limits(_RING_SIZE, 2)
    if driver == "local":
        return Limits(max_size or 20 << 20, max_file or 5)
    return Limits(max_size, max(max_file or 1, 1))


def index_path(directory: str, number: int) -> str:
    return f"{directory}/{number:08d}.index"


def data_path(directory: str, number: int) -> str:
    return f"{directory}/{number:08d}.data"


def compressed_path(directory: str, number: int) -> str:
    """Where a number's data is once it has been rotated away and compressed."""
    return f"{directory}/{number:08d}.data.gz"


def numbers(directory: str) -> list[int]:
    """The numbers there are, oldest first; empty when there is no such directory."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(int(name[:-6]) for name in names if name.endswith(".index") and name[:-6].isdigit())


class LogWriter:
    """Appends to the log in ``directory``, which is made when missing. Raises OSError when it cannot be opened."""

    def __init__(
        self,
        directory: str,
        max_size: int | None = None,
        max_file: int = 1,
        rotated: Callable[[int], None] | None = None,
    ) -> None:
        """``rotated`` is told of every number that is full and stays."""
        self._directory = directory
        self._max_size = max_size
        self._max_file = max(max_file, 1)
        self._rotated = rotated
        self._can_splice = True
        self._last_time = 0
        self._lost = 0
        self._reason = ""
        self._marks = 0  # bytes of the index that are marks
        self._ends: dict[int, int] = {}  # where each stream's last record in this number ends, 0 for a mark
        os.makedirs(directory, mode=0o750, exist_ok=True)
        existing = numbers(directory)
        self._number = existing[-1] if existing else 0
        self._index = self._data = -1
        self._offset = self._index_size = 0
        if not existing or not self._reopen():
            self._next_number()

    def splice(self, pipe: int, stream: int) -> int | None:
        """Move what the pipe holds into the log. Returns the number of bytes, 0 at its end, None when it is empty now
        (a non-blocking pipe). A full disk costs the bytes, never the caller."""
        try:
            room = self._room()
            if not self._can_splice:
                raise OSError(errno.EINVAL, "")
            moved = os.splice(pipe, self._data, room, offset_dst=self._offset)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:
                # The file system behind the log, or the thing that was taken for a pipe, cannot splice.
                self._can_splice = False
            elif error.errno not in _LOST:
                raise
            return self._copy(pipe, stream)
        if moved:
            self._record(moved, stream)
        return moved

    def write(self, data: bytes, stream: int) -> None:
        """Append bytes that were read elsewhere (from a terminal). A full disk loses them, and is no error here."""
        while data:
            try:
                room = self._room()
                written = os.pwrite(self._data, data[:room], self._offset)
            except OSError as error:
                if error.errno not in _LOST:
                    raise
                self._lose(len(data), error)
                return
            self._record(written, stream)
            data = data[written:]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._room()
        self._close()

    def _copy(self, pipe: int, stream: int) -> int | None:
        try:
            data = os.read(pipe, MAX_CHUNK)
        except BlockingIOError:
            return None
        self.write(data, stream)
        return len(data)

    def _room(self) -> int:
        """How many bytes may go into the current number, which is a new one when the old one is full.

        Also says in the log what was lost before, now that there may be space again. Raises OSError.
        """
        if self._max_size is not None and self._offset + self._index_size - self._marks >= self._max_size:
            self._next_number()
        if self._lost:
            lost, self._lost = self._lost, 0
            text = f"[pycompose: {lost} bytes of output lost: {self._reason}]\n".encode()
            try:
                written = os.pwrite(self._data, text, self._offset)
            except OSError:
                self._lost += lost
                raise
            self._record(written, STDERR, forgotten=lost)
        if self._max_size is None:
            return MAX_CHUNK
        # Small records weigh as much as their bytes: the index counts, or a byte a write would escape the limit.
        return max(1, min(MAX_CHUNK, self._max_size - self._offset - self._index_size + self._marks))

    def _record(self, length: int, stream: int, forgotten: int | None = None) -> None:
        """Make ``length`` bytes at the current offset visible, or count them (or ``forgotten``) as lost."""
        # Searching by time needs order, and the wall clock may be set back.
        self._last_time = max(self._last_time, time.time_ns())
        try:
            if os.write(self._index, RECORD.pack(self._last_time, self._offset, length, stream)) != RECORD.size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno not in _LOST:
                raise
            with contextlib.suppress(OSError):  # it holds nothing of the record then
                os.ftruncate(self._index, self._index_size)
            self._lose(length if forgotten is None else forgotten, error)
        else:
            self._offset += length
            self._index_size += RECORD.size
            self._ends[stream] = self._offset

    def _lose(self, count: int, reason: OSError) -> None:
        self._lost += count
        self._reason = reason.strerror or str(reason.errno)

    def _reopen(self) -> bool:
        """Go on with the last number. False when its data is shorter than its index says (a power failure)."""
        try:
            self._data = os.open(data_path(self._directory, self._number), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self._index = os.open(index_path(self._directory, self._number), os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        size, data_size = os.fstat(self._index).st_size, os.fstat(self._data).st_size
        whole = size - size % RECORD.size
        if whole != size:
            os.ftruncate(self._index, whole)
        if whole:
            self._last_time, offset, length, _ = RECORD.unpack(os.pread(self._index, RECORD.size, whole - RECORD.size))
            self._offset = offset + length
            self._index_size = whole
            first = max(0, whole - RECORD.size * _LOOK_BACK)
            for _, offset, length, stream in RECORD.iter_unpack(os.pread(self._index, whole - first, first)):
                self._ends[stream & STREAM] = offset + length
                self._marks += RECORD.size if stream & CONTINUES else 0
        if data_size < self._offset:
            return False
        while self._offset < data_size:
            self._record(min(MAX_CHUNK, data_size - self._offset), STDOUT)
        return True

    def _next_number(self) -> None:
        within = [stream for stream, end in self._ends.items() if not end or os.pread(self._data, 1, end - 1) != b"\n"]
        marks = b"".join(RECORD.pack(self._last_time, 0, 0, stream | CONTINUES) for stream in within)
        data = os.open(data_path(self._directory, self._number + 1), _CREATE, 0o640)
        try:
            # Last: the index is what makes the number visible to readers.
            index = os.open(index_path(self._directory, self._number + 1), _CREATE | os.O_APPEND, 0o640)
        except OSError:
            os.close(data)
            raise
        if marks and os.write(index, marks) != len(marks):
            os.ftruncate(index, 0)
            marks = b""
        self._ends = dict.fromkeys(within, 0) if marks else {}
        self._close()
        self._data, self._index = data, index
        self._number += 1
        self._offset = 0
        self._index_size = self._marks = len(marks)
        for number in numbers(self._directory)[: -self._max_file]:
            for path in (index_path, data_path, compressed_path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path(self._directory, number))
        if self._rotated is not None and self._number > 1 and self._max_file > 1:
            self._rotated(self._number - 1)

    def _close(self) -> None:
        for fd in (self._index, self._data):
            if fd >= 0:
                os.close(fd)
        self._index = self._data = -1


_CREATE = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
