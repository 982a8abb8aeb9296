"""The engine's own log: one structured line an event, as ``key=value`` or JSON, with what the event is about.

    journal.set_up("info", "text")
    with journal.about(request="17"):
        log.info("started", extra=journal.fields(container=id, project="shop"))

    time=2025-01-31T12:00:00.123Z level=info source=engine.api msg=started request=17 container=4f… project=shop

What is said with `about` belongs to the current task, to those that it begins, and to the threads that work for it. A traceback
is one field as well, so that a line is always an event.
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TextIO

from . import loglines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LEVELS = ("debug", "info", "warning", "error")
PROJECT_LABEL = "com.docker.compose.project"

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039  (never changed in place)
_FIELDS = "fields"


def set_up(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send every log record of this process from ``level`` on to ``stream``, stderr by default."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # What happens on the event loop of the standard library, and to pools of connections, is told by our own lines.
    for name in ("asyncio", "urllib3"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def fields(**values: str) -> dict[str, Mapping[str, str]]:
    """The ``extra`` of a log call: what this one line is about."""
    return {_FIELDS: values}


def of_container(id: str, labels: Mapping[str, str] | None) -> dict[str, str]:
    """The fields of a container: its short id, and its project where it has one."""
    project = (labels or {}).get(PROJECT_LABEL, "")
    return {"container": id[:12], **({"project": project} if project else {})}


@contextmanager
def about(**values: str) -> Iterator[None]:
    """Add fields to every line of the current task and of whatever works for it."""
    token = _about.set({**_about.get(), **values})
    try:
        yield
    finally:
        _about.reset(token)


class Lines(logging.Formatter):
    """One record as one line."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": loglines.moment(record.created),
            "level": record.levelname.lower(),
            "source": record.name.removeprefix("pycompose."),
            "msg": record.getMessage(),
            **_about.get(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return loglines.written(line, self._form)
