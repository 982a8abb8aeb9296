"""Records of the engine: one SQLite database, one writer, JSON documents by kind and id.

SQLite in WAL mode with ``synchronous=NORMAL``: a crash of the process loses nothing, a power cut may lose the newest
transactions but never the database. That costs 0.05 ms a write where temp+fsync+rename costs several.
Every method may be called from any thread.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Record = dict[str, Any]

RESERVE = 1 << 18
"""Bytes kept for the day on which the disk is full; some hundred records' worth of write-ahead log."""


class Store:
    """Documents addressed by (kind, id). ``kind`` is a noun: container, network, endpoint, volume, image, tag…"""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.RLock()
        self._depth = 0
        self._reserve = path.with_suffix(".reserve")
        self._keep_reserve()
        path.touch(mode=0o600)  # it holds the environments of containers
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,"
            " PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes: all of them or none. Nested transactions join the outer one."""
        with self._lock:
            if self._depth == 0:
                with self._refused():
                    self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0 and self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                try:
                    with self._refused():
                        self._db.execute("COMMIT")
                except Unavailable:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """A write that the file system refuses is no fault of the engine's. Raises Unavailable with SQLite's words.

        The reserve is given up then: without a little room nothing could be recorded as removed, and no room ever made.
        """
        try:
            yield
        except sqlite3.OperationalError as error:
            self._reserve.unlink(missing_ok=True)
            raise Unavailable(f"cannot keep records: {error}") from error

    def _keep_reserve(self) -> None:
        """Set some room aside while there is any."""
        with suppress(OSError):
            if not self._reserve.exists() or self._reserve.stat().st_size < RESERVE:
                self._reserve.write_bytes(bytes(RESERVE))

    def put(self, kind: str, id: str, record: Record) -> None:
        body = json.dumps(record, separators=(",", ":"))
        with self._lock, self._refused():
            self._db.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", (kind, id, body))

    def get(self, kind: str, id: str) -> Record | None:
        with self._lock:
            row = self._db.execute("SELECT body FROM record WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        return None if row is None else json.loads(row[0])

    def delete(self, kind: str, id: str) -> bool:
        """Delete one record; False when there was none."""
        with self._lock, self._refused():
            return self._db.execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, id)).rowcount > 0

    def all(self, kind: str) -> dict[str, Record]:
        """Every record of a kind, by id."""
        with self._lock:
            rows = self._db.execute("SELECT id, body FROM record WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        return {id: json.loads(body) for id, body in rows}
