"""`.dockerignore` on the client's side, and the context as a tar."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from pycompose.compose.build.context import tar_stream
from pycompose.compose.build.ignore import ignored, parse
from pycompose.compose.errors import OperationError

if TYPE_CHECKING:
    from pathlib import Path


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
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("**", "anything/at/all", True),
        (".", "x", False),
    ],
)
def test_patterns(patterns: str, path: str, wanted: bool) -> None:
    assert ignored(parse(patterns), path) is wanted


def test_context(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    (tmp_path / ".dockerignore").write_text("*\n!keep\n")
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "file").write_text("data")
    (tmp_path / "skip").mkdir()
    (tmp_path / "skip" / "file").write_text("no")
    (tmp_path / "link").symlink_to("keep")
    data = b"".join(tar_stream(str(tmp_path), "Dockerfile", {"extra": b"inline"}))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        assert names == [".dockerignore", "Dockerfile", "keep", "keep/file", "extra"]
        assert {(one.uid, one.gid) for one in tar.getmembers()} == {(0, 0)}


def test_no_such_context(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="does not exist"):
        list(tar_stream(str(tmp_path / "no"), "Dockerfile", {}))
