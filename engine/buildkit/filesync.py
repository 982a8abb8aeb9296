"""Directories over a session: fsutil's packets, received into a directory of ours, or sent from one.

    sender   STAT STAT … STAT(empty)        DATA DATA(empty) …        FIN
    receiver                          REQ …                      FIN

Entries come depth first, parents before children; an entry's number is its place in the sequence. The sender is not trusted:
each path is checked, and its parent must be a directory that came before. Runs in a worker thread.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from typing import TYPE_CHECKING, Protocol

from .. import bounds
from ..errors import InvalidParameter, Unprocessable
from ..images.space import Space
from ..linux import entries, paths
from ..linux.tree import remove_tree
from . import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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
        self._packets, self._cancelled = packets, cancelled
        self._tree = _Tree(root)
        self._directories: dict[str, tuple[int, int]] = {"": (0o755, 0)}
        self._files: dict[int, tuple[str, messages.fsutil.Stat]] = {}
        self._wanted: deque[int] = deque()
        self._asked: set[int] = set()
        self._open: dict[int, int] = {}
        self._paths: set[str] = set()
        self._names = 0
        self._regular: set[str] = set()
        self._listed = False
        self.received = 0

    def run(self) -> int:
        """Receive everything; the bytes that came. Raises EngineError."""
        try:
            finished = False
            while batch := self._packets.take():
                if self._cancelled():
                    raise Unprocessable("context canceled")
                for raw in batch:
                    self.received += len(raw)
                    self._packet(messages.parse(messages.fsutil.Packet, raw))
                finished = finished or self._ask()
            if not finished:
                raise Unprocessable("the client ended the transfer before its time")
            self._drop_others()
            for path, (mode, mtime) in reversed(self._directories.items()):
                if path:
                    _settle(self._tree.directory(path), path, mode, mtime)
        finally:
            for fd in self._open.values():
                os.close(fd)
            self._tree.close()
        return self.received

    def _drop_others(self) -> None:
        """Remove what was here before and was not sent."""
        for directory in self._directories:
            for name in os.listdir(self._tree.directory(directory)):
                path = f"{directory}/{name}" if directory else name
                if path not in self._paths:
                    self._tree.remove(path)

    def _ask(self) -> bool:
        """Ask for more files, or say that this was all: True."""
        requests = []
        while self._wanted and len(self._asked) < _ASKED:
            id = self._wanted.popleft()
            self._asked.add(id)
            requests.append(messages.fsutil.Packet(type="PACKET_REQ", ID=id).SerializeToString())
        done = self._listed and not self._asked
        if done:
            requests.append(messages.fsutil.Packet(type="PACKET_FIN").SerializeToString())
        if requests:
            self._packets.put(requests)
        return done

    def _packet(self, packet: messages.fsutil.Packet) -> None:
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

    def _entry(self, entry: messages.fsutil.Stat) -> None:
        path, number = entry.path, len(self._paths)
        self._check(path, number)
        self._paths.add(path)
        mode = mode_of(entry.mode)
        kind = stat.S_IFMT(mode)
        if entry.linkname and kind == stat.S_IFREG and entry.linkname not in self._regular:
            raise InvalidParameter(f"{path}: hard link to {entry.linkname!r}, which was not sent")
        try:
            earlier = self._tree.status(path)
            if earlier is not None and not (kind == stat.S_IFDIR and stat.S_ISDIR(earlier.st_mode)):
                if kind == stat.S_IFREG and not entry.linkname and _looks_same(earlier, mode, entry):
                    self._regular.add(path)
                    return
                self._tree.remove(path)
                earlier = None
            if kind == stat.S_IFDIR:
                self._directories[path] = (stat.S_IMODE(mode), entry.modTime)
                if earlier is None:
                    self._tree.make(path, kind, mode, entry)
                return
            self._tree.make(path, kind, mode, entry)
        except (OSError, ValueError) as error:
            raise Unprocessable(f"cannot receive {path}: {error}") from None
        if kind == stat.S_IFREG and not entry.linkname:
            self._files[number] = (path, entry)
            self._regular.add(path)
            self._wanted.append(number)

    def _check(self, path: str, number: int) -> None:
        """Refuse a path that is none, that comes out of order, or that is one too many."""
        words = path.split("/")
        if "" in words or "." in words or ".." in words or "\0" in path:
            raise InvalidParameter(f"the client sent an invalid path: {path[:300]!r}")
        if os.path.dirname(path) not in self._directories or path in self._paths:
            raise InvalidParameter(f"the client sent {path[:300]!r} out of order")
        self._names += len(path)
        if len(words) > bounds.TREE_DEPTH or number >= bounds.TAR_ENTRIES or self._names > bounds.TAR_NAMES:
            raise InvalidParameter("the client sent a directory that is too deep, or has too many entries")

    def _data(self, id: int, data: bytes) -> None:
        if id not in self._asked:
            raise InvalidParameter(f"the client sent data for {id}, which was not asked for")
        path, entry = self._files[id]
        try:
            fd = self._open.get(id)
            if fd is None:
                fd = self._open[id] = self._tree.open_file(path)
            if data:
                self._tree.check_space(path, len(data))
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
                return
            self._asked.discard(id)
            _settle(fd, path, stat.S_IMODE(mode_of(entry.mode)), entry.modTime)
            os.close(self._open.pop(id))
        except OSError as error:
            raise Unprocessable(f"cannot receive {path}: {error.strerror}") from None


class _Tree:
    """The directory that is filled, by descriptors: one for its top, one for the directory that was used last."""

    def __init__(self, root: Path) -> None:
        self._top = entries.open_root(root)
        self._last = ("", self._top)
        self._space = Space(self._top)
        self.check_space = self._space.take

    def close(self) -> None:
        self._forget()
        os.close(self._top)

    def _forget(self) -> None:
        if self._last[1] != self._top:
            os.close(self._last[1])
        self._last = ("", self._top)

    def directory(self, path: str) -> int:
        """A descriptor of a directory, good until the next call of a method."""
        if self._last[0] != path:
            self._forget()
            if path:
                flags = os.O_RDONLY | os.O_DIRECTORY
                self._last = (path, paths.open_in_root(self._top, path, flags, symlinks=False))
        return self._last[1]

    def _place(self, path: str) -> tuple[int, str]:
        above, _, name = path.rpartition("/")
        return self.directory(above), name

    def status(self, path: str) -> os.stat_result | None:
        parent, name = self._place(path)
        try:
            return os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def remove(self, path: str) -> None:
        parent, name = self._place(path)
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            remove_tree(parent, os.fsencode(name))  # however deep the client has sent it
        else:
            os.unlink(name, dir_fd=parent)

    def make(self, path: str, kind: int, mode: int, entry: messages.fsutil.Stat) -> None:
        """Make a new entry; modes and times of files and directories come when they are full."""
        parent, name = self._place(path)
        match kind:
            case stat.S_IFDIR:
                os.mkdir(name, 0o700, dir_fd=parent)
            case stat.S_IFLNK:
                os.symlink(entry.linkname, name, dir_fd=parent)
                os.utime(name, ns=(entry.modTime, entry.modTime), dir_fd=parent, follow_symlinks=False)
            case stat.S_IFREG if entry.linkname:
                self._link(entry.linkname, path)
            case stat.S_IFREG:
                os.close(entries.create_file(parent, name))
            case stat.S_IFSOCK:
                return  # without its owner it is nothing
            case _:
                os.mknod(name, mode, os.makedev(entry.devmajor, entry.devminor), dir_fd=parent)

    def _link(self, source: str, path: str) -> None:
        fd = paths.open_in_root(self._top, source, os.O_PATH | os.O_NOFOLLOW, symlinks=False)
        try:
            parent, name = self._place(path)
            entries.link(fd, parent, name)
        finally:
            os.close(fd)

    def open_file(self, path: str) -> int:
        parent, name = self._place(path)
        return os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _settle(fd: int, path: str, mode: int, mtime: int) -> None:
    os.fchmod(fd, mode)
    try:
        entries.set_times(fd, mtime)
    except (OverflowError, OSError):
        raise InvalidParameter(f"{path}: time {mtime} is no time") from None


def _looks_same(earlier: os.stat_result, mode: int, entry: messages.fsutil.Stat) -> bool:
    same = earlier.st_mode == mode and earlier.st_size == entry.size and earlier.st_mtime_ns == entry.modTime
    return same and earlier.st_nlink == 1  # what has several names is sent again, whichever of them has changed


# sending -----------------------------------------------------------------------------------------------------------------
class Sender:
    """Sends all that lies below ``root``, a tree that does not change meanwhile."""

    def __init__(self, packets: Packets, root: Path, cancelled: Callable[[], bool]) -> None:
        self._packets, self._cancelled = packets, cancelled
        self._root = entries.open_root(root)
        self._files: dict[int, str] = {}
        self._batch: list[bytes] = []
        self._size = 0
        self.sent = 0

    def run(self) -> int:
        """Send everything the receiver asks for; the bytes sent. Raises EngineError."""
        try:
            self._list()
            self._answer()
        finally:
            os.close(self._root)
        return self.sent

    def _list(self) -> None:
        links: dict[tuple[int, int], str] = {}
        for number, (path, status, target) in enumerate(_walk(self._root)):
            if stat.S_ISREG(status.st_mode):
                self._files[number] = path
            self._put(messages.fsutil.Packet(stat=_stat(path, status, target, links)))
        self._put(messages.fsutil.Packet())
        self._flush()

    def _answer(self) -> None:
        finished = False
        while batch := self._packets.take():
            for raw in batch:
                packet = messages.parse(messages.fsutil.Packet, raw)
                if packet.type == _REQ:
                    self._send(packet.ID)
                elif packet.type == _FIN and not finished:
                    finished = True
                    self._put(messages.fsutil.Packet(type="PACKET_FIN"))
                    self._flush()
                    self._packets.end()
                elif packet.type == _ERR:
                    raise Unprocessable(f"error from receiver: {packet.data.decode('utf-8', 'replace')}")
            self._flush()
        if not finished:
            raise Unprocessable("the client ended the transfer before its time")

    def _send(self, id: int) -> None:
        path = self._files.pop(id, None)
        if path is None:
            raise InvalidParameter(f"the client asked for {id}, which is no file")
        found = paths.open_in_root(self._root, path, os.O_RDONLY | os.O_NOFOLLOW, symlinks=False)
        with open(found, "rb") as file:
            while data := file.read(_CHUNK):
                if self._cancelled():
                    raise Unprocessable("context canceled")
                self._put(messages.fsutil.Packet(type="PACKET_DATA", ID=id, data=data))
        self._put(messages.fsutil.Packet(type="PACKET_DATA", ID=id))

    def _put(self, packet: messages.fsutil.Packet) -> None:
        raw = packet.SerializeToString()
        self._batch.append(raw)
        self._size += len(raw)
        if self._size >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._packets.put(self._batch)
            self.sent += self._size
            self._batch, self._size = [], 0


def _stat(path: str, status: os.stat_result, target: str, links: dict[tuple[int, int], str]) -> messages.fsutil.Stat:
    """The entry on the wire. ``links`` are the paths of files with several names, by device and inode."""
    if any("\udc80" <= char <= "\udcff" for char in path + target):
        raise Unprocessable(f"cannot send {path!r}: the name is not UTF-8")
    entry = messages.fsutil.Stat(
        path=path, mode=go_mode(status.st_mode), uid=status.st_uid, gid=status.st_gid, modTime=status.st_mtime_ns
    )
    entry.linkname = target
    if stat.S_ISREG(status.st_mode):
        entry.size = status.st_size
        if status.st_nlink > 1:
            first = links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                entry.linkname = first
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        entry.devmajor, entry.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return entry


def _walk(directory: int, below: str = "") -> Iterator[tuple[str, os.stat_result, str]]:
    """Entries depth first, names in order of their bytes: path, status, and where a link leads."""
    if below.count("/") >= bounds.TREE_DEPTH:
        raise Unprocessable("a directory tree is too deep to be sent")
    for name in sorted(os.listdir(directory), key=os.fsencode):
        path = f"{below}/{name}" if below else name
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        target = entries.read_link(directory, name) if stat.S_ISLNK(status.st_mode) else None
        yield path, status, os.fsdecode(target or b"")
        if stat.S_ISDIR(status.st_mode):
            inner = entries.open_directory(directory, name)
            try:
                yield from _walk(inner, path)
            finally:
                os.close(inner)
