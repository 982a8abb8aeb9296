"""Substitution and the .env grammar."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.compose.load import dotenv
from pycompose.compose.load.interpolate import Lookup, MissingVariable, TemplateError, substitute, variables
from pycompose.compose.load.tree import as_tree

ENVIRONMENT = {"SET": "set", "EMPTY": "", "N": "1"}
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXT = st.text(st.characters(exclude_characters="${}", exclude_categories=("Cs",)), max_size=20)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("$SET-${SET}", "set-set"),
        ("${NO:-d}${NO-d}${EMPTY:-d}${EMPTY-d}", "ddd"),
        ("${SET:+a}${SET+a}${EMPTY:+a}${EMPTY+a}${NO+a}", "aaa"),
        ("$$SET $$$$", "$SET $$"),
        ("${NO:-${ALSO:-${SET}}}", "set"),
        ("${NO:-a}-${SET:-b}", "a-set"),
        ('${NO:-{"a": 1}}', '{"a": 1}'),
        ("a$ $5 $", "a$ $5 $"),
        ("${SET:?x}${SET?y}", "setset"),
        ("${NO:-a:-b}", "a:-b"),
    ],
)
def test_substitute(template: str, result: str) -> None:
    assert substitute(template, Lookup(ENVIRONMENT)) == result


@pytest.mark.parametrize("template", ["${}", "${a b}", "${", "${1}", "x${-a}"])
def test_malformed(template: str) -> None:
    with pytest.raises(TemplateError):
        substitute(template, Lookup({}))


def test_required() -> None:
    with pytest.raises(MissingVariable, match="NO is missing a value: set set"):
        substitute("${NO:?set $SET}", Lookup(ENVIRONMENT))
    with pytest.raises(MissingVariable):
        substitute("${EMPTY:?}", Lookup(ENVIRONMENT))
    assert substitute("${EMPTY?}", Lookup(ENVIRONMENT)) == ""


def test_unset_is_reported_once_each() -> None:
    seen: list[str] = []
    substitute("$A ${B} ${C:-x} $A", Lookup({}, seen.append))
    assert seen == ["A", "B", "A"]


@given(TEXT)
def test_text_without_dollars_stays(text: str) -> None:
    assert substitute(text, Lookup({})) == text


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_doubled_dollars_protect_anything(text: str) -> None:
    assert substitute(text.replace("$", "$$"), Lookup({})) == text


@given(st.text(alphabet="${}:-+?aB_1 \n", max_size=40))
def test_no_template_crashes(text: str) -> None:
    with contextlib.suppress(TemplateError, MissingVariable):
        assert isinstance(substitute(text, Lookup(ENVIRONMENT)), str)


@given(NAMES, TEXT, TEXT)
def test_defaults(name: str, value: str, default: str) -> None:
    default = default.replace("\n", " ")
    template = f"${{{name}:-{default}}}"
    assert substitute(template, Lookup({})) == default
    assert substitute(template, Lookup({name: value})) == (value or default)


def test_variables() -> None:
    found = variables(as_tree({"a": "${A:-x${B}}", "b": ["$C ${D:?}", {"e": "$$F"}], "c": "${G:+y}"}))
    assert {name: (one.required, one.default, one.presence) for name, one in found.items()} == {
        "A": (False, "x${B}", ""),
        "B": (False, "", ""),
        "C": (False, "", ""),
        "D": (True, "", ""),
        "G": (False, "", "y"),
    }


def env(text: str, **shell: str) -> dict[str, str]:
    return dotenv.parse(text, shell.get)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("export A=1\r\nB: 2\n", {"A": "1", "B": "2"}),
        ("# c\n\nA=x # c\nB=x#y", {"A": "x", "B": "x#y"}),
        ("A='$B \\n'", {"A": "$B \\n"}),
        ('A="a\\nb\\t\\"q\\" \\$x"', {"A": 'a\nb\t"q" $x'}),
        ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
        ("A=1\nB=${A}2\nC=$NO-", {"A": "1", "B": "12", "C": "-"}),
        ("A=\nB", {"A": ""}),
        ("A = b ", {"A": "b"}),
        ("\ufeffA=1", {"A": "1"}),
        ("", {}),
    ],
)
def test_dotenv(text: str, result: dict[str, str]) -> None:
    assert env(text) == result


def test_dotenv_asks_the_shell_first() -> None:
    assert env("A=file\nB=$A\nC\n", A="shell", C="c") == {"A": "file", "B": "shell", "C": "c"}


@pytest.mark.parametrize(("text", "line"), [("A=1\nB C=2", 2), ("A='open\n", 1), ("A=1\n\n$=x", 3), ("A=${", 1)])
def test_bad_dotenv(text: str, line: int) -> None:
    with pytest.raises(dotenv.DotenvError) as caught:
        env(text)
    assert caught.value.line in (line, line + 1)


def test_raw() -> None:
    assert dotenv.parse_raw('# c\nA="q" # kept\nB=$X\n') == {"A": '"q" # kept', "B": "$X"}


@given(
    st.dictionaries(NAMES, st.text(st.characters(exclude_characters="'\\", exclude_categories=("Cs",)), max_size=30))
)
def test_single_quoted_values_read_back(values: dict[str, str]) -> None:
    assert env("\n".join(f"{name}='{value}'" for name, value in values.items())) == values


@given(st.text(alphabet="AB=:'\"\\$ {}\n#\t[]export", max_size=60))
def test_no_env_file_crashes(text: str) -> None:
    with contextlib.suppress(dotenv.DotenvError):
        env(text)
