"""Short forms that only Compose files have: mounts and commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.compose import shortforms


def test_mounts() -> None:
    assert shortforms.parse_volume("/x") == {"type": "volume", "target": "/x"}
    assert shortforms.parse_volume("vol:/a/../b:ro") == {
        "type": "volume",
        "source": "vol",
        "target": "/b",
        "read_only": True,
        "volume": {},
    }
    bind = shortforms.parse_volume("./s:/t:rw,z,rshared")
    assert bind["bind"] == {"selinux": "z", "propagation": "rshared", "create_host_path": True}
    assert shortforms.parse_volume("C:\\win:/win")["source"] == "C:\\win"


@pytest.mark.parametrize("spec", ["", ":/d", "aa::b", "aa:bb:cc:dd"])
def test_bad_mounts(spec: str) -> None:
    with pytest.raises(ValueError):
        shortforms.parse_volume(spec)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("a\\ b", ["a b"]),
        ("a 'b\\n'", ["a", "b\\n"]),
        ("''", [""]),
        ("", []),
        ("a; b", ["a"]),
        ("a 2> b", ["a"]),
        ("$(a b) c", ["$(a b)", "c"]),
        ("`a b`", ["`a b`"]),
    ],
)
def test_commands(line: str, words: list[str]) -> None:
    assert shortforms.split_command(line) == words


@pytest.mark.parametrize("line", ["'a", '"a', "a\\", "a (b", "`a"])
def test_bad_commands(line: str) -> None:
    with pytest.raises(ValueError):
        shortforms.split_command(line)


@given(
    st.lists(st.text(st.characters(exclude_characters="'\\`$()", exclude_categories=("Cs",)), min_size=1), max_size=6)
)
def test_single_quotes_keep_words(words: list[str]) -> None:
    assert shortforms.split_command(" ".join(f"'{word}'" for word in words)) == words
