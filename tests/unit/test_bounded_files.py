"""Files that a Compose file names and that have no end, no writer or no sense; values that grow without end."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from pycompose.compose import files
from pycompose.compose.load import scalars
from pycompose.compose.load.dotenv import DotenvError, parse

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pipe_without_a_writer_is_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert files.read(tmp_path / "pipe") == b""


def test_a_pipe_is_read_to_its_end() -> None:
    """As of ``-f <(command)``: the writer is there, and slow."""
    ours, theirs = os.pipe()

    def write() -> None:
        for piece in (b"a", b"b" * 100_000, b"c"):
            os.write(theirs, piece)
        os.close(theirs)

    writer = threading.Thread(target=write)
    writer.start()
    assert files.read(f"/dev/fd/{ours}") == b"a" + b"b" * 100_000 + b"c"
    writer.join()
    os.close(ours)


def test_a_pipe_whose_writer_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.05)
    ours, theirs = os.pipe()
    with pytest.raises(TimeoutError, match="nothing was written"):
        files.read(f"/dev/fd/{ours}")
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("path", "words"), [("/dev/zero", "without end"), ("/", "directory"), ("/no/such", "No such file")]
)
def test_what_is_no_file(path: str, words: str) -> None:
    with pytest.raises(OSError, match=words):
        files.read(path)


def test_what_is_too_long(tmp_path: Path) -> None:
    with open(tmp_path / "large", "wb") as file:
        file.truncate(files.LIMIT + 1)
    with pytest.raises(OSError, match="larger than"):
        files.read(tmp_path / "large", 1 << 20)
    assert files.read("/dev/null") == b""


def test_variables_that_multiply() -> None:
    text = "A0=xxxxxxxxxx\n" + "".join(f"A{n}=" + f"${{A{n - 1}}}" * 10 + "\n" for n in range(1, 12))
    with pytest.raises(DotenvError):
        parse(text, lambda name: None)


def test_numbers_without_end() -> None:
    assert scalars.resolve("9" * 6000) == "9" * 6000
