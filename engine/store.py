"""Records of the engine: one SQLite database, one writer, JSON documents by kind and id.

SQLite in WAL mode with ``synchronous=NORMAL``: a crash of the process loses nothing, a power cut may lose the newest
transactions but never the database. That costs 0.05 ms a write where temp+fsync+rename costs several.
Every method may be called from any thread.

One thread, the event loop's, must never wait for a disk (``write_behind``). What it tells by ``keep`` and ``delete`` counts at
once, and a thread writes it at once: in order, since every write takes along what was told before it. Whoever is to hear that
it is done hears so after the write (``ahead``, ``flush``). Checkpoints, which sync the disk, hold up nobody.

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

from . import documents, watchdog
from .errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    Changes = dict[tuple[str, str], str | None]
    _Lock = AbstractContextManager[object]

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
        """Of transactions and of the connection that writes; held while the disk is written."""
        self._memory = threading.Lock()
        """Of what is held and being written; never kept over anything that can wait."""
        self._path = path
        self._reserve = path.with_suffix(".reserve")
        self._depth = 0
        self._owner = 0
        self._batch: Changes = {}
        self._before: Changes = {}
        """What was held of a batch's records when they were put into it: what is told later than that goes before it."""
        self._must = False
        self._held: Changes = {}
        self._writing: Changes = {}
        self._refused = False
        self._loop_thread = 0
        self._writer: threading.Thread | None = None
        self._work = threading.Event()
        self._closing = False
        self._transactions = 0
        self._checkpoint_due = False
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
        self._reader, self._reading = self._read_connection()

    def write_behind(self) -> None:
        """From now on the calling thread, which is the event loop's, waits for no write of ``keep`` and ``delete``. Transactions are
        other threads': one of this thread's is reported as a fault, however quick the disk was."""
        self._loop_thread = threading.get_ident()
        self._writer = threading.Thread(target=self._write_what_is_held, name="records", daemon=True)
        self._writer.start()

    def _write_what_is_held(self) -> None:
        while not self._closing:
            self._work.wait()
            self._work.clear()
            try:
                self.flush()
                if self._checkpoint_due:
                    self._checkpoint()
            except MemoryError:
                log.error("%s: Cannot allocate memory; what is held is written with the next change", self._path)

    def close(self) -> None:
        """Write what is held, if that is possible now."""
        if self._writer is not None:
            self._closing = True
            self._work.set()
            self._writer.join()
            self._writer = None
        with self._lock:
            if not self.flush():
                log.error("%s: %d changes could not be written and are lost", self._path, len(self._held))
            if self._reader is not self._db:
                self._reader.close()
            self._db.close()

    # reading -------------------------------------------------------------------------------------------------------
    def get(self, kind: str, id: str) -> Record | None:
        """Raises NewerFormat."""
        changes = self._changes()
        if (kind, id) in changes:
            body = changes[kind, id]
        else:
            with self._reading:
                row = self._reader.execute("SELECT body FROM record WHERE kind = ? AND id = ?", (kind, id)).fetchone()
            body = None if row is None else row[0]
        return None if body is None else self._parsed(kind, id, body)

    def all(self, kind: str) -> dict[str, Record]:
        """Every record of a kind, by id. Raises NewerFormat."""
        changes = self._changes()
        with self._reading:
            rows = self._reader.execute("SELECT id, body FROM record WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        if any(changed == kind for changed, _ in changes):
            found = dict(rows) | {id: body for (changed, id), body in changes.items() if changed == kind}
            rows = [(id, body) for id, body in sorted(found.items()) if body is not None]
        return {id: self._parsed(kind, id, body) for id, body in rows}

    def _changes(self) -> Changes:
        """What counts and is not in the database, or not yet. Taken before the database is read: what has left it is there."""
        own = self._batch if self._owner == threading.get_ident() else {}
        with self._memory:
            return {**self._writing, **self._held, **own} if self._writing or self._held or own else {}

    def _parsed(self, kind: str, id: str, body: str) -> Record:
        return documents.checked(json.loads(body), VERSION, f"{self._path}: {kind} {id[:12]}")

    # writing -------------------------------------------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes: all of them or none. Nested transactions join the outer one."""
        if threading.get_ident() == self._loop_thread:
            watchdog.report_wait(f"a transaction of {self._path}")
        with self._lock:
            self._depth += 1
            self._owner = threading.get_ident()
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._take_batch()
                    self._before = {}
                raise
            self._depth -= 1
            if self._depth == 0:
                self._commit(*self._take_batch())

    def put(self, kind: str, id: str, record: Mapping[str, object]) -> None:
        """Raises Unavailable when the disk does not take it; then nothing has changed."""
        with self.transaction():
            self._must = True
            self._collect(kind, id, _text(record))

    def keep(self, kind: str, id: str, record: Mapping[str, object]) -> None:
        """Like ``put``, for what has happened already: it is held in memory while the disk does not take it."""
        self._tell(kind, id, _text(record))

    def delete(self, kind: str, id: str) -> bool:
        """Delete one record; False when there was none. It is gone at once, if need be in memory only."""
        if threading.get_ident() == self._loop_thread and self._owner != self._loop_thread:
            if self.get(kind, id) is None:
                return False
            self._tell(kind, id, None)
            return True
        with self.transaction():
            if self.get(kind, id) is None:
                return False
            self._collect(kind, id, None)
        return True

    def _tell(self, kind: str, id: str, body: str | None) -> None:
        own = threading.get_ident()
        if own == self._loop_thread and self._owner != own:
            with self._memory:
                self._held[kind, id] = body
            self._work.set()
            return
        with self.transaction():
            self._collect(kind, id, body)

    def _collect(self, kind: str, id: str, body: str | None) -> None:
        with self._memory:
            self._before[kind, id] = self._held.get((kind, id))
        self._batch[kind, id] = body

    @property
    def behind(self) -> bool:
        """Whether there are changes that the disk has not taken yet."""
        return bool(self._held or self._writing)

    @property
    def ahead(self) -> bool:
        """Whether something told by the loop is still to be written, by a disk that takes it as far as is known."""
        return self.behind and not self._refused

    def flush(self) -> bool:
        """Try to write what is held; whether nothing is held any more."""
        with self._lock:
            if self._held:
                self._commit({}, must=False)
            return not self._held

    def _take_batch(self) -> tuple[Changes, bool]:
        batch, must = self._batch, self._must
        self._batch, self._must, self._owner = {}, False, 0
        return batch, must

    def _commit(self, batch: Changes, must: bool) -> None:
        """Write a batch after what is held. One that must be written is refused, others are held, when the disk refuses."""
        with self._memory:
            self._writing, self._held = self._held, {}
            told, self._before = self._before, {}
            later = {key for key in batch.keys() & self._writing.keys() if self._writing[key] is not told.get(key)}
            batch = {key: body for key, body in batch.items() if key not in later}
            changes = {**self._writing, **batch}
        if not changes:
            return
        try:
            self._write(changes, spend=not must)
        except sqlite3.OperationalError as error:
            with self._memory:
                self._held = {**self._writing, **({} if must else batch), **self._held}
                self._writing = {}
            if must:
                raise Unavailable(f"cannot keep records: {self._path}: {error}: {_ADVICE}") from error
            if not self._refused:
                log.error("%s: %s; changes are held in memory until it can be written", self._path, error)
            self._refused = True
            return
        with self._memory:
            self._writing = {}
        if self._refused:
            log.warning("%s: the changes that were held in memory are written", self._path)
        self._refused = False

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
            with self._reading:
                self._db.close()
                self._db, self._on_disk = database, True
                self._reader, self._reading = self._read_connection()
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
            if self._writer is None:
                self._checkpoint()
            else:
                self._checkpoint_due = True
                self._work.set()

    def _checkpoint(self) -> None:
        """Bring the log's content into the database, and sync both: beside whoever reads and writes, but for what comes in
        meanwhile. The log begins anew only when all of it has been taken over."""
        with (
            suppress(sqlite3.OperationalError),  # what is in the log is safe there
            closing(sqlite3.connect(self._path, isolation_level=None)) as database,
        ):
            database.execute("PRAGMA wal_checkpoint(PASSIVE)")
            with self._lock:
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._checkpoint_due = False

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

    def _read_connection(self) -> tuple[sqlite3.Connection, _Lock]:
        """A connection for reading that waits for no writer, and its lock; the one there is when no other can be had."""
        if self._on_disk:
            with suppress(sqlite3.OperationalError):
                reader = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
                try:
                    reader.execute("SELECT 1 FROM record LIMIT 1").fetchone()
                except BaseException:
                    reader.close()
                    raise
                return reader, threading.Lock()
        return self._db, self._lock

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
