"""`.dockerignore` patterns as moby matches them, the same for the client's context, watch rules and the builder."""

from __future__ import annotations

import pytest

from pycompose.grammar.ignore import Ignore, PatternError, read_patterns


@pytest.mark.parametrize(
    ("patterns", "path", "wanted"),
    [
        ("*.log", "a.log", True),
        ("*.log", "d/a.log", False),
        ("**/*.log", "d/e/a.log", True),
        ("d", "d/e", True),
        ("d\n!d/e", "d/e", False),
        ("d\n!d/e", "d/f", True),
        ("# d", "d", False),
        ("/d/", "d", True),
        ("?.txt", "ab.txt", False),
        ("[a-c].txt", "b.txt", True),
        ("[^a-c].txt", "b.txt", False),
        # Go's classes know ^ only: ! is one of the characters
        ("[!a].txt", "a.txt", True),
        ("[!a].txt", "!.txt", True),
        ("[!a].txt", "b.txt", False),
        ("[^a].txt", "b.txt", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        # ** inside a component spans whole directories, never a part of a name
        ("foo/**bar", "foo/bar", True),
        ("foo/**bar", "foo/a/bar", True),
        ("foo/**bar", "foo/xbar", False),
        ("foo**bar", "foobar", True),
        ("foo**bar", "fooxbar", False),
        ("**bar", "xbar", True),
        ("**", "anything/at/all", True),
        (".", "x", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("x]", "x]", True),
        ("  d  ", "d", True),
        ("! d", "d", False),
    ],
)
def test_patterns(patterns: str, path: str, wanted: bool) -> None:
    assert Ignore(read_patterns(patterns)).ignores(path) is wanted


@pytest.mark.parametrize("pattern", ["[", "[a", "a\\", "!", "[]a]"])
def test_patterns_without_sense(pattern: str) -> None:
    with pytest.raises(PatternError, match="pattern"):
        Ignore([pattern])


def test_a_walk_decides_as_single_paths_do() -> None:
    ignore = Ignore(read_patterns("d\n!d/keep\n*.o"))
    above = ignore.check("d")
    assert above.ignored and ignore.may_return("d")
    assert not ignore.check("d/keep", above).ignored
    assert ignore.check("d/other", above).ignored
    assert not ignore.may_return("e")
