"""Word expansion: quotes, escapes, every operator, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.build.dockerfile.words import ExpansionError, Keep, expand

ENV = {"HOME": "/home", "EMPTY": "", "SHELL": "bash", "P": "/a/b/c.tar.gz", "한글": "값", "X2": "two", "STAR": "a*b"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("don\\'t", "don't"),
        ("'single $HOME'", "single $HOME"),
        ('"double $HOME"', "double /home"),
        ('"a\'b"', "a'b"),
        ('"\\$HOME \\" \\n"', '$HOME " \\n'),
        ("tail\\", "tail"),
        ("\\\\", "\\"),
        ("$HOME/x", "/home/x"),
        ("${HOME}x", "/homex"),
        ("$HOMEx", ""),
        ("\\$HOME", "$HOME"),
        ("\\${HOME}", "${HOME}"),
        ("$", "$"),
        ("a$.b", "a$.b"),
        ("$1x", "x"),
        ("$12x", "x"),
        ("$X2", "two"),
        ("$한글", "값"),
        ("$?$#$@", ""),
        ("${NOPE}", ""),
        ("${NOPE:-word}", "word"),
        ("${EMPTY:-word}", "word"),
        ("${EMPTY-word}", ""),
        ("${NOPE-word}", "word"),
        ("${HOME:+word}", "word"),
        ("${EMPTY:+word}", ""),
        ("${EMPTY+word}", "word"),
        ("${NOPE+word}", ""),
        ("${HOME:?message}", "/home"),
        ("${EMPTY?message}", ""),
        ("${NOPE:-${ALSO:-$HOME}}", "/home"),
        ("${NOPE:-a}}", "a}"),
        ("${NOPE:-a\\}b}", "a}b"),
        ("${P#*/}", "a/b/c.tar.gz"),
        ("${P##*/}", "c.tar.gz"),
        ("${P%.*}", "/a/b/c.tar"),
        ("${P%%.*}", "/a/b/c"),
        ("${P#nothing}", "/a/b/c.tar.gz"),
        ("${P#?a?}", "b/c.tar.gz"),
        ("${STAR#a\\*}", "b"),
        ("${P%$NOPE}", "/a/b/c.tar.gz"),
        ("${P/\\//:}", ":a/b/c.tar.gz"),
        ("${P//\\//:}", ":a:b:c.tar.gz"),
        ("${P//?.tar/}", "/a/b/.gz"),
        ("${P/*/all}", "all"),
        ("${P//*/all}", "all"),
        ("${NOPE/x/y}", ""),
        ("<<EOF", "<<EOF"),
    ],
)
def test_expansion(source: str, expected: str) -> None:
    assert expand(source, ENV).text == expected


@pytest.mark.parametrize(
    "source",
    [
        "it's",
        '"open',
        "${",
        "${}",
        "${:}",
        "${{HOME}",
        "${HOME",
        "${HOME:-x",
        "${.}",
        "${HOME:=x}",
        "${HOME=x}",
        "${HOME:x}",
        "${HOME:#x}",
        "${HOME:%x}",
        "${HOME^}",
        "${HOME/x}",
        "${HOME/x/y",
        "${P#\\x}",
    ],
)
def test_refusals(source: str) -> None:
    with pytest.raises(ExpansionError):
        expand(source, ENV)


def test_required_variables_say_why() -> None:
    with pytest.raises(ExpansionError, match="NOPE: set it to two"):
        expand("${NOPE?set it to $X2}", ENV)
    with pytest.raises(ExpansionError, match="EMPTY: is not allowed to be empty"):
        expand("${EMPTY:?}", ENV)
    with pytest.raises(ExpansionError, match="NOPE: is not allowed to be unset"):
        expand("${NOPE:?}", ENV)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a  b", ["a", "b"]),
        ("a$SPACED", ["ax", "y"]),
        ('a"$SPACED"', ["ax y"]),
        ("a\\ b", ["a b"]),
        ("'' b", ["b"]),
        ("<< EOF x", ["<< EOF", "x"]),
    ],
)
def test_words_split_after_expansion(source: str, words: list[str]) -> None:
    assert list(expand(source, {"SPACED": "x y"}).words) == words


def test_keeping_what_is_not_known() -> None:
    text = "$A ${B} ${C:-d} ${E/f/g} 'q' \\x"
    kept = expand(text, {}, keep=Keep(quotes=True, escapes=True, unset=True))
    assert kept.text == text
    assert kept.unmatched == {"A", "B", "C", "E"}
    assert expand("$A $HOME", ENV).matched == {"HOME"}


def test_another_escape_and_no_quoting() -> None:
    assert expand("C:\\dir `$HOME", ENV, escape="`").text == "C:\\dir $HOME"
    assert expand('it\'s "$HOME"', ENV, quoting=False).text == 'it\'s "/home"'


@given(st.text(alphabet=st.characters(exclude_characters="\\$'\"<"), max_size=40))
def test_ordinary_text_stays(text: str) -> None:
    assert expand(text, {}).text == text


@given(st.text(max_size=40))
def test_single_quotes_protect_everything(text: str) -> None:
    inner = text.replace("'", "")
    assert expand(f"'{inner}'", ENV).text == inner


@given(st.text(alphabet="ab*?\\${}/#%:-+<'\" ", max_size=30))
def test_nothing_but_its_own_error(text: str) -> None:
    try:
        expand(text, {"a": "b", "b": "a*b"})
    except ExpansionError:
        return


@given(st.text(alphabet="abc", max_size=12), st.text(alphabet="abc*?", max_size=5))
def test_trimming_gives_a_part(value: str, pattern: str) -> None:
    env = {"V": value}
    shortest, longest = expand(f"${{V#{pattern}}}", env).text, expand(f"${{V##{pattern}}}", env).text
    if not pattern.startswith("#"):
        assert value.endswith(shortest) and shortest.endswith(longest)
    shortest, longest = expand(f"${{V%{pattern}}}", env).text, expand(f"${{V%%{pattern}}}", env).text
    assert value.startswith(shortest) and shortest.startswith(longest)
