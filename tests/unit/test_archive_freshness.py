"""An archive never becomes older than it was, and is not believed for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.errors import EngineError
from pycompose.engine.images.bootstrap.freshness import NewestDates, identity, longest_age
from pycompose.engine.store import Store

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_older_is_refused_also_by_the_next_engine(tmp_path: Path) -> None:
    for step in range(2):
        store = Store(tmp_path / "db")
        dates = NewestDates(store)
        dates.check("a", NOW, "mirror", allow_older=False)
        with pytest.raises(
            EngineError, match=r"mirror: it is of 2026-01-01 00:00, but one of 2026-01-02 00:00 has been seen"
        ):
            dates.check("a", NOW - timedelta(days=1), "mirror", allow_older=False)
        dates.check("a", NOW - timedelta(days=1), "mirror", allow_older=True)
        dates.check("b", NOW - timedelta(days=1 - step), "mirror", allow_older=False)
        store.close()
    store = Store(tmp_path / "db")
    NewestDates(store).check("a", NOW + timedelta(days=1), "mirror", allow_older=False)
    with pytest.raises(EngineError, match="has been seen"):
        NewestDates(store).check("a", NOW, "mirror", allow_older=False)
    store.close()


def test_age_without_a_valid_until() -> None:
    for origin, suite, age in (
        ("Debian", "bookworm", 900),
        ("Debian", "bookworm-security", 400),
        ("Ubuntu", "noble-updates", 400),
    ):
        assert longest_age(origin, suite) == timedelta(days=age)
    assert longest_age("Ubuntu", "noble") is None
    assert identity({"Origin": "Debian", "Suite": "stable", "Codename": "bookworm"}) == "Debian//bookworm"
