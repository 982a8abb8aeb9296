"""Fingerprints of files that did not change since they were last read: what makes an unchanged context cheap to compare.

An entry is keyed by device, inode, size, modification and change time. The change time cannot be set by a program, so a
file rewritten with its old modification time is noticed. A file changed a moment ago is not remembered: it might change
again within the clock's tick.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from ..documents import NewerFormat, check

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

_VERSION = 1  # of the table
_SETTLED = 2 * 10**8  # nanoseconds after which a change time is believed
_CAPABILITY = "security.capability"
_KEPT = 1_000_000  # entries in the table, oldest go first


class FileDigests:
    """Remembers in a table of its own (losing it costs time only). Callable from any thread.

    A fingerprint covers content and the extended attributes that travel with a file, not its mode, owner or times.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[int, ...], bytes] = {}
        self._fresh: dict[tuple[int, ...], bytes] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _opened(str(path))
        except (OSError, sqlite3.DatabaseError, NewerFormat) as error:
            log.warning("%s: %s; files are remembered until the engine ends only", path, error)
            self._db = _opened(":memory:")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def known(self, status: os.stat_result) -> bytes | None:
        """The fingerprint of the regular file with this status, when it was read before."""
        key = _key(status)
        with self._lock:
            digest = self._known.get(key)
            if digest is None:
                row = self._db.execute(
                    "SELECT sha256 FROM digest WHERE dev=? AND ino=? AND size=? AND mtime=? AND ctime=?", key
                ).fetchone()
                if row is None:
                    return None
                digest = self._known[key] = bytes(row[0])
        return digest

    def fingerprint(self, fd: int) -> bytes:
        """The fingerprint of a regular file opened for reading (its offset moves)."""
        status = os.fstat(fd)
        found = self.known(status)
        if found is not None:
            return found
        with os.fdopen(os.dup(fd), "rb", buffering=0) as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        attributes = encode_xattrs(read_xattrs(fd))
        if attributes:
            digest = hashlib.sha256(digest + attributes).digest()
        if time.time_ns() - status.st_ctime_ns > _SETTLED and _key(os.fstat(fd)) == _key(status):
            with self._lock:
                self._known[_key(status)] = self._fresh[_key(status)] = digest
        return digest

    def flush(self) -> None:
        """Write what is new; called once per build. A disk that does not take it costs time the next time."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
            if not fresh:
                return
            try:
                self._write(fresh)
            except sqlite3.OperationalError as error:
                log.warning("digests of files cannot be kept: %s", error)
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _write(self, fresh: dict[tuple[int, ...], bytes]) -> None:
        self._db.execute("BEGIN")
        rows = [(*key, digest) for key, digest in fresh.items()]
        self._db.executemany("INSERT OR REPLACE INTO digest VALUES (?,?,?,?,?,?)", rows)
        (count,) = self._db.execute("SELECT count(*) FROM digest").fetchone()
        if count > _KEPT:
            self._db.execute(
                "DELETE FROM digest WHERE ctime < (SELECT ctime FROM digest ORDER BY ctime LIMIT 1 OFFSET ?)",
                (count - _KEPT // 2,),
            )
        self._db.execute("COMMIT")


def _opened(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        check(database.execute("PRAGMA user_version").fetchone()[0], _VERSION, path)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")
        database.execute(
            "CREATE TABLE IF NOT EXISTS digest (dev INTEGER, ino INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER,"
            " sha256 BLOB, PRIMARY KEY (dev, ino, size, mtime, ctime)) WITHOUT ROWID"
        )
        database.execute(f"PRAGMA user_version={_VERSION}")
    except BaseException:
        database.close()
        raise
    return database


def read_xattrs(fd: int) -> list[tuple[str, bytes]]:
    """Extended attributes that travel with a file: the user's and file capabilities, by name."""
    try:
        names = sorted(os.listxattr(fd))
        return [(name, os.getxattr(fd, name)) for name in names if name.startswith("user.") or name == _CAPABILITY]
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENODATA):
            return []
        raise


def encode_xattrs(attributes: list[tuple[str, bytes]]) -> bytes:
    """An unambiguous byte form, b"" for none."""
    return b"".join(os.fsencode(f"{name}={len(value)}\0") + value for name, value in attributes)


def _key(status: os.stat_result) -> tuple[int, ...]:
    return (
        _signed(status.st_dev),
        _signed(status.st_ino),
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
