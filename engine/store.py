"""Records of the engine: one SQLite database, one writer, JSON documents by kind and id.

SQLite in WAL mode with ``synchronous=NORMAL``: a crash of the process loses nothing, a power cut may lose the newest
transactions but never the database. That costs 0.05 ms a write where temp+fsync+rename costs several.
Every method may be called from any thread.

A disk that is full or read-only refuses writes. ``put`` then fails: nothing new is begun that could not be remembered.
``keep`` and ``delete`` do not, for they tell what has happened already: the change is held in memory, counts for every
reader, and is written with the first write that the disk takes (``flush``).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from . import documents
from .errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Changes = dict[tuple[str, str], str | None]

log = logging.getLogger(__name__)

Record = dict[str, object]

VERSION = 1
"""Of each record's document."""

RESERVE = 1 << 18
"""Bytes kept for the day on which the disk is full; some hundred records' worth of write-ahead log."""

_PLENTY = 16 * RESERVE

MIGRATIONS = (
    # 0: before there were versions the same table was made without one.
    "CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,"
    " PRIMARY KEY (kind, id)) WITHOUT ROWID",
)
"""Each brings a database from the version that is its index to the next one (PRAGMA user_version)."""

_ADVICE = "make room (image prune, volume prune and builder prune do) or make the disk writable, then try again"

_CHECKPOINT = 200
"""Transactions between two checkpoints of the write-ahead log."""


class Store:
    """Documents addressed by (kind, id). ``kind`` is a noun: container, network, endpoint, volume, image, tag…"""

    def __init__(self, path: Path) -> None:
        """Raises NewerFormat, or Unavailable when the database can neither be opened nor read."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.RLock()
        self._path = path
        self._reserve = path.with_suffix(".reserve")
        self._depth = 0
        self._batch: Changes = {}
        self._must = False
        self._held: Changes = {}
        self._transactions = 0
        self._on_disk = True
        self._reserved = False
        self._keep_reserve()
        try:
            self._db = self._opened()
        except sqlite3.OperationalError as error:
            log.error("%s: %s; records are read, and changes held in memory until it can be written", path, error)
            self._db = self._copied(error)
            self._on_disk = False
        except sqlite3.DatabaseError as error:
            raise Unavailable(
                f"{path}: {error}: bring the file back from a backup, or move it away to begin anew"
            ) from None

    def close(self) -> None:
        """Write what is held, if that is possible now."""
        with self._lock:
            if not self.flush():
                log.error("%s: %d changes could not be written and are lost", self._path, len(self._held))
            self._db.close()

    # reading -------------------------------------------------------------------------------------------------------
    def get(self, kind: str, id: str) -> Record | None:
        """Raises NewerFormat."""
        with self._lock:
            body = self._changed(kind, id)
            if body is None and (kind, id) not in self._batch and (kind, id) not in self._held:
                row = self._db.execute("SELECT body FROM record WHERE kind = ? AND id = ?", (kind, id)).fetchone()
                body = None if row is None else row[0]
        return None if body is None else self._parsed(kind, id, body)

    def all(self, kind: str) -> dict[str, Record]:
        """Every record of a kind, by id. Raises NewerFormat."""
        with self._lock:
            rows = self._db.execute("SELECT id, body FROM record WHERE kind = ? ORDER BY id", (kind,)).fetchall()
            changes = {**self._held, **self._batch}
        if any(changed == kind for changed, _ in changes):
            found = dict(rows) | {id: body for (changed, id), body in changes.items() if changed == kind}
            rows = [(id, body) for id, body in sorted(found.items()) if body is not None]
        return {id: self._parsed(kind, id, body) for id, body in rows}

    def _changed(self, kind: str, id: str) -> str | None:
        return self._batch.get((kind, id)) if (kind, id) in self._batch else self._held.get((kind, id))

    def _parsed(self, kind: str, id: str, body: str) -> Record:
        return documents.checked(json.loads(body), VERSION, f"{self._path}: {kind} {id[:12]}")

    # writing -------------------------------------------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes: all of them or none. Nested transactions join the outer one."""
        with self._lock:
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._take_batch()
                raise
            self._depth -= 1
            if self._depth == 0:
                self._commit(*self._take_batch())

    def put(self, kind: str, id: str, record: Mapping[str, object]) -> None:
        """Raises Unavailable when the disk does not take it; then nothing has changed."""
        with self.transaction():
            self._must = True
            self._batch[kind, id] = _text(record)

    def keep(self, kind: str, id: str, record: Mapping[str, object]) -> None:
        """Like ``put``, for what has happened already: it is held in memory while the disk does not take it."""
        with self.transaction():
            self._batch[kind, id] = _text(record)

    def delete(self, kind: str, id: str) -> bool:
        """Delete one record; False when there was none. It is gone at once, if need be in memory only."""
        with self.transaction():
            if self.get(kind, id) is None:
                return False
            self._batch[kind, id] = None
        return True

    @property
    def behind(self) -> bool:
        """Whether there are changes that the disk has not taken yet."""
        return bool(self._held)

    def flush(self) -> bool:
        """Try to write what is held; whether nothing is held any more."""
        with self._lock:
            if self._held:
                with suppress(sqlite3.OperationalError):
                    self._write(self._held, spend=True)
                    log.warning("%s: the changes that were held in memory are written", self._path)
                    self._held = {}
            return not self._held

    def _take_batch(self) -> tuple[Changes, bool]:
        batch, must = self._batch, self._must
        self._batch, self._must = {}, False
        return batch, must

    def _commit(self, batch: Changes, must: bool) -> None:
        if not batch:
            return
        try:
            self._write({**self._held, **batch}, spend=not must)
        except sqlite3.OperationalError as error:
            if must:
                raise Unavailable(f"cannot keep records: {self._path}: {error}: {_ADVICE}") from error
            if not self._held:
                log.error("%s: %s; changes are held in memory until it can be written", self._path, error)
            self._held |= batch
        else:
            self._held = {}

    def _write(self, changes: Changes, *, spend: bool) -> None:
        """One transaction of the database. Raises OperationalError, and then nothing of it is there.

        ``spend``: the reserve is given up first. Without a little room nothing could be recorded as removed, and no room
        ever made; nothing new is made of it.
        """
        try:
            self._write_once(changes)
        except sqlite3.OperationalError:
            if not (spend and self._give_up_reserve()):
                raise
            self._write_once(changes)
        else:
            self._keep_reserve()

    def _write_once(self, changes: Changes) -> None:
        if not self._on_disk:
            database = self._opened()
            self._db.close()
            self._db, self._on_disk = database, True
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for (kind, id), body in changes.items():
                if body is None:
                    self._db.execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, id))
                else:
                    self._db.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", (kind, id, body))
            self._db.execute("COMMIT")
        except sqlite3.OperationalError:
            if self._db.in_transaction:  # a full disk may have ended it by itself
                self._db.execute("ROLLBACK")
            raise
        self._transactions += 1
        if self._transactions % _CHECKPOINT == 0:
            with suppress(sqlite3.OperationalError):  # what is in the log is safe there
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    # the file ------------------------------------------------------------------------------------------------------
    def _opened(self) -> sqlite3.Connection:
        """The database, brought to our version. Raises OperationalError, NewerFormat."""
        try:
            self._path.touch(mode=0o600)  # it holds the environments of containers
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror) from None
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            # By hand instead: a checkpoint that fails would make a commit that did not fail look like one.
            database.execute("PRAGMA wal_autocheckpoint=0")
            migrate(database, self._path)
        except BaseException:
            database.close()
            raise
        return database

    def _copied(self, reason: sqlite3.OperationalError) -> sqlite3.Connection:
        """What the file says, in memory: of a disk that does not even take SQLite's own files. Raises Unavailable."""
        memory = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        try:
            with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
                for file in (self._path, self._path.with_name(f"{self._path.name}-wal")):
                    if file.is_file():
                        shutil.copy(file, directory)
                with closing(sqlite3.connect(f"{directory}/{self._path.name}", isolation_level=None)) as copy:
                    migrate(copy, self._path)
                    copy.backup(memory)
        except (OSError, sqlite3.OperationalError):
            memory.close()
            raise Unavailable(f"{self._path}: {reason}: {_ADVICE}") from None
        return memory

    def _keep_reserve(self) -> None:
        """Set some room aside while there is plenty."""
        if self._reserved:
            return
        with suppress(OSError):
            space = os.statvfs(self._path.parent)
            if space.f_bavail * space.f_frsize >= _PLENTY:
                self._reserve.write_bytes(bytes(RESERVE))
            self._reserved = self._reserve.exists()

    def _give_up_reserve(self) -> bool:
        self._reserved = False
        try:
            self._reserve.unlink()
        except OSError:  # given up already, or the disk takes not even that
            return False
        return True


def migrate(database: sqlite3.Connection, path: Path) -> None:
    """Bring a database to the newest version, in one transaction. Raises NewerFormat, OperationalError."""
    version = database.execute("PRAGMA user_version").fetchone()[0]
    documents.check(version, len(MIGRATIONS), str(path))
    if version == len(MIGRATIONS):
        return
    database.execute("BEGIN IMMEDIATE")
    for statement in MIGRATIONS[version:]:
        database.execute(statement)
    database.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
    database.execute("COMMIT")


def _text(record: Mapping[str, object]) -> str:
    return json.dumps(documents.stamped(record, VERSION), separators=(",", ":"))
