"""The context as a tar, without what `.dockerignore` leaves out."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from pycompose.compose.build.context import tar_stream
from pycompose.compose.errors import OperationError

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_pattern_without_sense_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("[a\n")
    with pytest.raises(OperationError, match=r"\.dockerignore: syntax error in pattern: \[a"):
        list(tar_stream(str(tmp_path), "Dockerfile", {}))


def test_an_ignored_directory_is_entered_for_what_comes_back(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "keep").write_text("")
    (tmp_path / "d" / "other").write_text("")
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    (tmp_path / ".dockerignore").write_text("d\n!d/e/keep\n")
    data = b"".join(tar_stream(str(tmp_path), "Dockerfile", {}))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == [".dockerignore", "Dockerfile", "d/e/keep"]
