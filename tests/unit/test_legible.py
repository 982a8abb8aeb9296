"""Control characters of others' names are shown, never sent to a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest

from pycompose.compose.cli.show import format, legible
from pycompose.compose.cli.show.render.plain import line
from pycompose.compose.run.events import Progress

HOSTILE = "a\x1b]0;title\x07\x1b[2J\u009b31m\x7f\u202eb\tc\nd\r\u2028e"


def obeyed(text: str, allowed: str = "") -> list[str]:
    """The characters of a text that a terminal would act upon."""
    return [one for one in text if one not in allowed and unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")]


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066])
def test_every_control_character_is_shown(code: int) -> None:
    assert obeyed(legible.cell(chr(code))) == []
    assert obeyed(legible.lines(chr(code)), "\t\n") == []
    assert obeyed(legible.json(json.dumps(chr(code), ensure_ascii=False))) == []
    assert json.loads(legible.json(json.dumps(chr(code), ensure_ascii=False))) == chr(code)


@pytest.mark.parametrize("text", ["", "plain", "Füße 東京 🐳", "/a b/c"])
def test_text_stays_as_it_is(text: str) -> None:
    assert legible.cell(text) == legible.lines(text) == legible.json(text) == text


def test_a_cell_is_one_line_of_a_table() -> None:
    text = format.show("table", [{"Name": HOSTILE, "Other": "x"}], (("NAME", "Name"), ("OTHER", "Other")))
    assert len(text.split("\n")) == 2
    assert obeyed(text, "\n") == []
    assert "\\x1b]0;title\\x07" in text


def test_json_holds_the_same_text() -> None:
    text = format.show("json", [{"Name": HOSTILE}], (("NAME", "Name"),))
    assert obeyed(text) == []
    assert json.loads(text) == {"Name": HOSTILE}


def test_progress_is_one_line() -> None:
    assert obeyed(line(Progress(HOSTILE, HOSTILE, detail=HOSTILE))) == []


def test_a_message_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    legible.complain(ValueError("one\n\ttwo\x1b[31m"))
    assert capsys.readouterr().err == "one\n\ttwo\\x1b[31m\n"
