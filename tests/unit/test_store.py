"""The records: transactions, and what becomes of changes that the disk does not take."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pycompose.engine import documents, store
from pycompose.engine.errors import Unavailable
from pycompose.engine.store import RESERVE, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = {"x": "y" * 100_000}


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Store]:
    records = Store(tmp_path / "records.db")
    yield records
    records.close()


def fill(records: Store) -> None:
    """As good as a full disk, to SQLite."""
    records._db.execute("PRAGMA max_page_count = 4")


def free(records: Store) -> None:
    records._db.execute("PRAGMA max_page_count = 1000000")


def test_what_is_new_is_refused_and_what_has_happened_is_held(records: Store, tmp_path: Path) -> None:
    records.put("a", "1", {"x": "y"})
    records.put("a", "3", {"x": "z"})
    fill(records)
    with pytest.raises(Unavailable, match=r"cannot keep records: .*records\.db: .*full: make room"):
        records.put("a", "2", LARGE)
    assert records.all("a") == {"1": {"x": "y"}, "3": {"x": "z"}} and not records.behind
    assert (tmp_path / "records.reserve").stat().st_size == RESERVE  # nothing new is made of it

    records.keep("a", "1", LARGE)
    assert records.behind and not (tmp_path / "records.reserve").exists()
    assert records.delete("a", "3") and not records.delete("a", "3")
    assert records.get("a", "1") == LARGE and records.get("a", "3") is None
    assert records.all("a") == {"1": LARGE}
    with pytest.raises(Unavailable):
        records.put("a", "2", {})
    assert not records.flush()

    free(records)
    records.put("b", "1", {})  # takes along what is held
    assert not records.behind and records.flush()
    with sqlite3.connect(tmp_path / "records.db") as database:
        kept = {(kind, id) for kind, id in database.execute("SELECT kind, id FROM record")}
    assert kept == {("a", "1"), ("b", "1")}


def test_a_transaction_is_held_whole_or_refused_whole(records: Store) -> None:
    records.put("a", "1", {})
    fill(records)
    with records.transaction():
        records.keep("a", "2", LARGE)
        records.delete("a", "1")
        assert records.all("a") == {"2": LARGE}
    assert records.all("a") == {"2": LARGE}
    with pytest.raises(Unavailable), records.transaction():
        records.delete("a", "2")
        records.put("a", "3", LARGE)
    assert records.all("a") == {"2": LARGE}
    with pytest.raises(KeyError), records.transaction():
        records.delete("a", "2")
        raise KeyError
    assert records.all("a") == {"2": LARGE}
    free(records)
    assert records.flush() and records.all("a") == {"2": LARGE}


def test_a_database_is_read_where_no_file_can_be_made(tmp_path: Path) -> None:
    """A directory stands in for SQLite's log: the file can be read, and nothing be written beside it."""
    path = tmp_path / "records.db"
    Store(path).close()
    first = Store(path)
    first.put("a", "1", {"x": 1})
    first.close()
    (tmp_path / "records.db-wal").mkdir()
    second = Store(path)
    assert second.all("a") == {"1": {"x": 1}}
    with pytest.raises(Unavailable, match=r"records\.db"):
        second.put("a", "2", {})
    second.delete("a", "1")
    assert second.all("a") == {} and second.behind
    (tmp_path / "records.db-wal").rmdir()
    second.close()
    third = Store(path)
    assert third.all("a") == {}
    third.close()


def test_versions(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    records = Store(path)
    records.put("thing", "one", {"a": 1})
    assert records.get("thing", "one") == {"a": 1}
    records.close()
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (len(store.MIGRATIONS),)
    assert json.loads(database.execute("SELECT body FROM record").fetchone()[0])[documents.KEY] == store.VERSION
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(documents.NewerFormat, match=rf"{path}: version 99 .* install the newer one again"):
        Store(path)


def test_what_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)
    with pytest.raises(Unavailable, match=rf"{path}: file is not a database: bring the file back"):
        Store(path)


def test_the_loop_waits_for_no_writer(records: Store, tmp_path: Path) -> None:
    """While another thread is in a transaction, what the loop tells counts at once, and is in the database after a flush."""
    records.put("a", "1", {"n": 0})
    records.put("a", "2", {"n": 0})
    records.write_behind()
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with records.transaction():
            records.put("a", "1", {"n": "theirs"})
            inside.set()
            assert go_on.wait(10)

    other = threading.Thread(target=slow)
    other.start()
    assert inside.wait(10)
    records.keep("a", "1", {"n": "later"})
    records.keep("b", "1", {"n": 1})
    assert records.delete("a", "2") and not records.delete("a", "2")
    assert records.all("a") == {"1": {"n": "later"}} and records.get("b", "1") == {"n": 1} and records.ahead
    go_on.set()
    other.join()
    assert records.flush() and not records.behind
    with sqlite3.connect(tmp_path / "records.db") as database:
        rows = {(kind, id): json.loads(body)["n"] for kind, id, body in database.execute("SELECT * FROM record")}
    assert rows == {("a", "1"): "later", ("b", "1"): 1}


def test_what_the_loop_tells_is_held_on_a_full_disk(records: Store, caplog: pytest.LogCaptureFixture) -> None:
    records.put("a", "1", {})
    records.write_behind()
    fill(records)
    records.keep("a", "1", LARGE)
    records.delete("a", "1")
    records.keep("a", "2", LARGE)
    assert not records.flush() and records.behind and not records.ahead
    assert records.all("a") == {"2": LARGE}
    free(records)
    assert records.flush() and records.all("a") == {"2": LARGE}
    assert caplog.text.count("are held in memory until it can be written") == 1


def test_checkpoints_are_made_beside_those_who_write(
    records: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is taken over into the database again and again: it does not grow with all that was ever written."""
    monkeypatch.setattr(store, "_CHECKPOINT", 10)
    records.write_behind()
    for number in range(60):
        records.keep("a", str(number % 5), {**LARGE, "n": number})
        assert records.flush()
        while records._checkpoint_due:
            time.sleep(0.001)  # nothing tells of it
    assert (tmp_path / "records.db-wal").stat().st_size < 20 * 110_000
    assert {record["n"] for record in records.all("a").values()} == {55, 56, 57, 58, 59} and len(records.all("a")) == 5
