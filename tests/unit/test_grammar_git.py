"""Git sources as BuildKit reads them in contexts and ADD."""

from __future__ import annotations

import pytest

from pycompose.grammar import git
from pycompose.grammar.git import GitSource


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("https://host/a/b.git", GitSource("https://host/a/b.git")),
        ("https://host/b.git#v1:sub/dir", GitSource("https://host/b.git", "v1", "sub/dir")),
        ("https://host/b.git#a%23b:c%20d", GitSource("https://host/b.git", "a#b", "c d")),
        ("https://host/b.git?branch=x&subdir=d", GitSource("https://host/b.git", "refs/heads/x", "d")),
        ("https://host/b.git?tag=v1", GitSource("https://host/b.git", "refs/tags/v1")),
        ("https://host/b.git?keep-git-dir&submodules=0", GitSource("https://host/b.git", "", "", "", True, False)),
        ("git@host:a/b.git#c", GitSource("git@host:a/b.git", "c")),
        ("git://host/b", GitSource("git://host/b")),
        ("https://host/b.tar.gz", None),
        ("ftp://host/b.git", None),
        ("./a.git", None),
        ("github.com/a/b", None),
        ("plain/path", None),
    ],
)
def test_sources(text: str, source: GitSource | None) -> None:
    assert git.parse(text) == source


def test_contexts() -> None:
    assert git.parse("github.com/a/b", context=True) == GitSource("https://github.com/a/b")
    assert all(git.is_remote(text) for text in ("https://h/x", "github.com/a/b", "git@h:x", "ssh://h/x"))
    assert not any(git.is_remote(text) for text in (".", "/x", "a/b", "user@h:x"))


@pytest.mark.parametrize(
    "query", ["?nope=1", "?ref=a&tag=b", "?ref=a&ref=b", "?submodules=perhaps", "?ref=a#b", "?subdir=a#:b"]
)
def test_refused(query: str) -> None:
    with pytest.raises(ValueError):
        git.parse(f"https://host/b.git{query}")
