"""The engine's own log: one line an event, with what it is about."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from pycompose.engine import journal
from pycompose.engine.events import Events

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("pycompose.engine.tests")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def lines(level: str = "info", form: str = "text") -> io.StringIO:
    stream = io.StringIO()
    journal.set_up(level, form, stream)
    return stream


def test_text() -> None:
    stream = lines()
    with journal.about(request="17"):
        log.info('two "words"\nand a line', extra=journal.fields(container="abc", project="a=b"))
    log.warning("plain")
    log.debug("not this")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("time=20") and "Z level=info source=engine.tests " in first
    assert first.endswith(r'msg="two \"words\"\nand a line" request=17 container=abc project="a=b"')
    assert second.endswith("level=warning source=engine.tests msg=plain")


def test_json_and_tracebacks() -> None:
    stream = lines("error", "json")
    try:
        raise ValueError("x\ny")
    except ValueError:
        log.exception("failed")
    log.warning("not this")
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert found["level"] == "error" and found["msg"] == "failed"
    assert found["traceback"].endswith("ValueError: x\ny")


def test_about_is_of_its_block_alone() -> None:
    stream = lines(form="json")
    with journal.about(request="1"):
        with journal.about(container="c"):
            log.info("inner")
        log.info("outer")
    log.info("none")
    inner, outer, none = map(json.loads, stream.getvalue().splitlines())
    assert (inner["request"], inner["container"]) == ("1", "c")
    assert outer["request"] == "1" and "container" not in outer and "request" not in none


def test_events_are_lines_without_commands() -> None:
    stream = lines(form="json")
    attributes = {"name": "shop-db-1", journal.PROJECT_LABEL: "shop", "image": "x"}
    events = Events()
    events.publish("container", "exec_start: mysql -psecret", "f" * 64, attributes)
    events.publish("network", "create", "e" * 64, {"name": "net"})
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["msg"], first["container"], first["project"]) == ("container exec_start", "f" * 12, "shop")
    assert (second["msg"], second["network"], second["name"]) == ("network create", "e" * 12, "net")
    assert "secret" not in stream.getvalue()
