"""Directories over a session: fsutil's packets, received into a directory of ours, or sent from one.

    sender   STAT STAT … STAT(empty)        DATA DATA(empty) …        FIN
    receiver                          REQ …                      FIN

Entries come depth first, parents before children; an entry's number is its place in the sequence. The sender is a stranger:
each path is checked, and its parent must be a directory that came before. Runs in a worker thread.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InvalidParameter, Unprocessable
from ..linux.tree import remove_directory
from . import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ENTRIES = 2_000_000
_ASKED = 256  # files asked for and not yet complete
_CHUNK = 64 << 10
_BATCH = 256 << 10

# The mode bits of Go's io/fs, which are on the wire.
_GO_TYPES = {
    1 << 31: stat.S_IFDIR,
    1 << 27: stat.S_IFLNK,
    1 << 25: stat.S_IFIFO,
    1 << 24: stat.S_IFSOCK,
    1 << 26: stat.S_IFBLK,
    1 << 26 | 1 << 21: stat.S_IFCHR,
    0: stat.S_IFREG,
}
_GO_BITS = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))
_GO_TYPE = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19

_STAT, _REQ, _DATA, _FIN, _ERR = range(5)


class Packets(Protocol):
    """A call's messages, for use in a thread. ``take`` gives [] at the end; ``end`` says that no more come from here."""

    def take(self) -> list[bytes]: ...
    def put(self, packets: list[bytes]) -> None: ...
    def end(self) -> None: ...


def mode_of(go: int) -> int:
    """A POSIX mode for one of Go's. Raises InvalidParameter for a type that there is not."""
    kind = _GO_TYPES.get(go & _GO_TYPE)
    if kind is None:
        raise InvalidParameter(f"file mode {go:#o} is of no type that can be received")
    return kind | go & 0o777 | sum(bit for wire, bit in _GO_BITS if go & wire)


def go_mode(mode: int) -> int:
    kind = next(wire for wire, kind in _GO_TYPES.items() if kind == stat.S_IFMT(mode))
    return kind | mode & 0o777 | sum(wire for wire, bit in _GO_BITS if mode & bit)


# receiving ---------------------------------------------------------------------------------------------------------------
class Receiver:
    """Makes ``root``, a directory that nobody else writes to, what the sender has. What lies there from an earlier time and
    looks the same (type, mode, size, time) is not asked for again. Owners are not taken over: all is root's."""

    def __init__(self, packets: Packets, root: Path, cancelled: Callable[[], bool]) -> None:
        self._packets, self._root, self._cancelled = packets, root, cancelled
        self._directories: dict[str, tuple[int, int]] = {"": (0o755, 0)}
        self._files: dict[int, tuple[str, Any]] = {}
        self._wanted: deque[int] = deque()
        self._asked: set[int] = set()
        self._open: dict[int, int] = {}
        self._paths: set[str] = set()
        self._regular: set[str] = set()
        self._listed = False
        self.received = 0

    def run(self) -> int:
        """Receive everything; the bytes that came. Raises EngineError."""
        finished = False
        try:
            while batch := self._packets.take():
                if self._cancelled():
                    raise Unprocessable("context canceled")
                for raw in batch:
                    self.received += len(raw)
                    self._packet(messages.parse(messages.fsutil.Packet, raw))
                finished = finished or self._ask()
            if not finished:
                raise Unprocessable("the client ended the transfer before its time")
        finally:
            for fd in self._open.values():
                os.close(fd)
        self._drop_others()
        for path, (mode, mtime) in reversed(self._directories.items()):
            if path:
                self._settle(path, mode, mtime)
        return self.received

    def _drop_others(self) -> None:
        """Remove what was here before and was not sent."""
        for directory in self._directories:
            with os.scandir(self._root / directory) as entries:
                others = [entry for entry in entries if os.path.join(directory, entry.name) not in self._paths]
            for entry in others:
                _remove(self._root / directory / entry.name, entry.stat(follow_symlinks=False))

    def _ask(self) -> bool:
        """Ask for more files, or say that this was all: True."""
        requests = []
        while self._wanted and len(self._asked) < _ASKED:
            id = self._wanted.popleft()
            self._asked.add(id)
            requests.append(messages.fsutil.Packet(type=_REQ, ID=id).SerializeToString())
        done = self._listed and not self._asked
        if done:
            requests.append(messages.fsutil.Packet(type=_FIN).SerializeToString())
        if requests:
            self._packets.put(requests)
        return done

    def _packet(self, packet: Any) -> None:
        if packet.type == _STAT:
            if not packet.HasField("stat"):
                self._listed = True
            elif self._listed:
                raise InvalidParameter("the client sent an entry after the last")
            else:
                self._entry(packet.stat)
        elif packet.type == _DATA:
            self._data(packet.ID, packet.data)
        elif packet.type == _ERR:
            raise Unprocessable(f"error from sender: {packet.data.decode('utf-8', 'replace')}")

    def _entry(self, entry: Any) -> None:
        path, number = entry.path, len(self._paths)
        parent = os.path.dirname(path)
        words = path.split("/")
        if "" in words or "." in words or ".." in words or "\0" in path:
            raise InvalidParameter(f"the client sent an invalid path: {path!r}")
        if parent not in self._directories or path in self._paths or number >= _ENTRIES:
            raise InvalidParameter(f"the client sent {path!r} out of order")
        self._paths.add(path)
        mode, full = mode_of(entry.mode), self._root / path
        kind = stat.S_IFMT(mode)
        if entry.linkname and kind == stat.S_IFREG and entry.linkname not in self._regular:
            raise InvalidParameter(f"{path}: hard link to {entry.linkname!r}, which was not sent")
        try:
            earlier = _status(full)
            if earlier is not None and not (kind == stat.S_IFDIR and stat.S_ISDIR(earlier.st_mode)):
                if kind == stat.S_IFREG and not entry.linkname and _looks_same(earlier, mode, entry):
                    self._regular.add(path)
                    return
                _remove(full, earlier)
                earlier = None
            if kind == stat.S_IFDIR:
                if earlier is None:
                    full.mkdir(mode=0o700)
                self._directories[path] = (stat.S_IMODE(mode), entry.modTime)
            elif kind == stat.S_IFLNK:
                os.symlink(entry.linkname, full)
                os.utime(full, ns=(entry.modTime, entry.modTime), follow_symlinks=False)
            elif kind == stat.S_IFREG and entry.linkname:
                os.link(self._root / entry.linkname, full, follow_symlinks=False)
            elif kind == stat.S_IFREG:
                os.close(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
                self._files[number] = (path, entry)
                self._regular.add(path)
                self._wanted.append(number)
            elif kind != stat.S_IFSOCK:  # a socket without its owner is nothing
                os.mknod(full, mode, os.makedev(entry.devmajor, entry.devminor))
        except (OSError, ValueError) as error:
            raise Unprocessable(f"cannot receive {path}: {error}") from None

    def _data(self, id: int, data: bytes) -> None:
        if id not in self._asked:
            raise InvalidParameter(f"the client sent data for {id}, which was not asked for")
        path, entry = self._files[id]
        try:
            fd = self._open.get(id)
            if fd is None:
                fd = os.open(self._root / path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                self._open[id] = fd
            if data:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
                return
            self._asked.discard(id)
            os.close(self._open.pop(id))
            self._settle(path, stat.S_IMODE(mode_of(entry.mode)), entry.modTime)
        except OSError as error:
            raise Unprocessable(f"cannot receive {path}: {error.strerror}") from None

    def _settle(self, path: str, mode: int, mtime: int) -> None:
        full = self._root / path
        os.chmod(full, mode)
        try:
            os.utime(full, ns=(mtime, mtime))
        except (OverflowError, OSError):
            raise InvalidParameter(f"{path}: time {mtime} is no time") from None


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _looks_same(earlier: os.stat_result, mode: int, entry: Any) -> bool:
    same = earlier.st_mode == mode and earlier.st_size == entry.size and earlier.st_mtime_ns == entry.modTime
    return same and earlier.st_nlink == 1  # what has several names is sent again, whichever of them has changed


def _remove(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        remove_directory(path)  # however deep the client has sent it
    else:
        path.unlink()


# sending -----------------------------------------------------------------------------------------------------------------
class Sender:
    """Sends all that lies below ``root``, a tree that does not change meanwhile."""

    def __init__(self, packets: Packets, root: Path, cancelled: Callable[[], bool]) -> None:
        self._packets, self._root, self._cancelled = packets, root, cancelled
        self._files: dict[int, str] = {}
        self._batch: list[bytes] = []
        self._size = 0
        self.sent = 0

    def run(self) -> int:
        """Send everything the receiver asks for; the bytes sent. Raises EngineError."""
        links: dict[tuple[int, int], str] = {}
        for number, (path, status) in enumerate(_walk(self._root)):
            if stat.S_ISREG(status.st_mode):
                self._files[number] = path
            self._put(type=_STAT, stat=self._stat(path, status, links))
        self._put(type=_STAT)
        self._flush()
        finished = False
        while batch := self._packets.take():
            for raw in batch:
                packet = messages.parse(messages.fsutil.Packet, raw)
                if packet.type == _REQ:
                    self._send(packet.ID)
                elif packet.type == _FIN and not finished:
                    finished = True
                    self._put(type=_FIN)
                    self._flush()
                    self._packets.end()
                elif packet.type == _ERR:
                    raise Unprocessable(f"error from receiver: {packet.data.decode('utf-8', 'replace')}")
            self._flush()
        if not finished:
            raise Unprocessable("the client ended the transfer before its time")
        return self.sent

    def _stat(self, path: str, status: os.stat_result, links: dict[tuple[int, int], str]) -> Any:
        if not path.isprintable() and any("\udc80" <= char <= "\udcff" for char in path):
            raise Unprocessable(f"cannot send {path!r}: the name is not UTF-8")
        entry = messages.fsutil.Stat(
            path=path, mode=go_mode(status.st_mode), uid=status.st_uid, gid=status.st_gid, modTime=status.st_mtime_ns
        )
        if stat.S_ISLNK(status.st_mode):
            entry.linkname = os.readlink(self._root / path)
        elif stat.S_ISREG(status.st_mode):
            entry.size = status.st_size
            if status.st_nlink > 1:
                first = links.setdefault((status.st_dev, status.st_ino), path)
                if first != path:
                    entry.linkname = first
        elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            entry.devmajor, entry.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        return entry

    def _send(self, id: int) -> None:
        path = self._files.pop(id, None)
        if path is None:
            raise InvalidParameter(f"the client asked for {id}, which is no file")
        with open(self._root / path, "rb") as file:
            while data := file.read(_CHUNK):
                if self._cancelled():
                    raise Unprocessable("context canceled")
                self._put(type=_DATA, ID=id, data=data)
        self._put(type=_DATA, ID=id)

    def _put(self, **fields: Any) -> None:
        raw = messages.fsutil.Packet(**fields).SerializeToString()
        self._batch.append(raw)
        self._size += len(raw)
        if self._size >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._packets.put(self._batch)
            self.sent += self._size
            self._batch, self._size = [], 0


def _walk(root: Path, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Entries depth first, names in order of their bytes."""
    for entry in sorted(os.scandir(root / below), key=lambda entry: os.fsencode(entry.name)):
        path = f"{below}/{entry.name}" if below else entry.name
        yield path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
