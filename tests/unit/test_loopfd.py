from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.runtime.loopfd import LoopFd, input_pipe, output_pipe

if TYPE_CHECKING:
    from pathlib import Path


def test_a_full_pipe_refuses_instead_of_waiting() -> None:
    child, ours = input_pipe()
    with pytest.raises(BlockingIOError):
        while ours.write(bytes(1 << 16)):
            pass
    assert os.get_blocking(child)
    os.close(child)
    with pytest.raises(BrokenPipeError):
        ours.write(b"x")
    ours.close()


def test_an_empty_pipe_refuses_instead_of_waiting() -> None:
    ours, child = output_pipe()
    with pytest.raises(BlockingIOError):
        ours.read(1)
    assert os.get_blocking(child)
    os.write(child, b"end")
    os.close(child)
    assert (ours.read(10), ours.read(10)) == (b"end", b"")
    ours.close()


def test_what_is_received_becomes_non_blocking() -> None:
    master, slave = pty.openpty()
    assert os.get_blocking(master)
    adopted = LoopFd(master)
    with pytest.raises(BlockingIOError):
        adopted.read(1)
    os.close(slave)
    adopted.close()


def test_a_file_is_refused(tmp_path: Path) -> None:
    for flags in (os.O_TMPFILE | os.O_RDWR, os.O_DIRECTORY):
        descriptor = os.open(tmp_path, flags)
        with pytest.raises(ValueError, match="thread"):
            LoopFd(descriptor)
        os.close(descriptor)


def test_closing_again_closes_nobody_elses() -> None:
    child, ours = input_pipe()
    number = ours.fileno()
    ours.close()
    os.dup2(child, number)
    ours.close()
    assert ours.fileno() == -1
    os.close(number)
    os.close(child)
