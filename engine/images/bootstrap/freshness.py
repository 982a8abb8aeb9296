"""How old an archive may be, and that it never becomes older than it was: who controls a mirror, or the way to it, could
serve a true but old archive, with faults that are mended long since.

Debian's archives have a Valid-Until where they change often. The base suites have none: Debian's is renewed with each point
release and rests in a release's last years, Ubuntu's is never renewed (its pockets are).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ...errors import EngineError
from ...shapes import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...store import Store

KIND = "archive"
"""Of the records, whose ids are `identity`'s."""

_BASE, _POCKET = timedelta(days=900), timedelta(days=400)


def identity(fields: Mapping[str, str]) -> str:
    """What an archive is called, whichever mirror it comes from."""
    name = fields.get("Codename") or fields.get("Suite", "")
    return "/".join((fields.get("Origin", ""), fields.get("Label", ""), name))


def longest_age(origin: str, suite: str) -> timedelta | None:
    """How old an archive without a Valid-Until may be; None where it may be any age."""
    if "-" in suite:
        return _POCKET
    return None if origin == "Ubuntu" else _BASE


class NewestDates:
    """The newest Date of each archive that was ever believed here."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, archive: str, date: datetime, what: str, *, allow_older: bool) -> None:
        """Remember ``date``. Raises EngineError when an archive that was newer is offered, unless ``allow_older``."""
        record = self._store.get(KIND, archive)
        newest = datetime.fromtimestamp(number(record["newest"]), UTC) if record else None
        if newest is not None and date < newest:
            if not allow_older:
                raise EngineError(
                    f"{what}: it is of {date:%Y-%m-%d %H:%M}, but one of {newest:%Y-%m-%d %H:%M} has been seen;"
                    " the mirror is stale, or somebody replays an old archive"
                )
            return
        if date != newest:
            self._store.keep(KIND, archive, {"newest": int(date.timestamp())})
