"""Deleting behind the answer: it rests while somebody writes, and not while somebody waits for it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from pycompose.engine.linux.tree import remove_directory
from pycompose.engine.trash import Trash

if TYPE_CHECKING:
    from pathlib import Path


def _tree(path: Path) -> Path:
    for name in ("one", "two/three"):
        (path / name).mkdir(parents=True)
        (path / name / "file").write_text("")
    return path


def test_nothing_is_deleted_beside_a_writer(tmp_path: Path) -> None:
    trash = Trash()
    doomed = _tree(tmp_path / "doomed")
    with trash.resting():
        trash.take([doomed])
        threading.Event().wait(0.1)  # nothing to await: it must not happen
        assert not trash.is_empty
        assert sorted(os.listdir(doomed)) == ["one", "two"]
    assert trash.empty(10)
    assert not doomed.exists()


def test_who_waits_for_the_space_gets_it(tmp_path: Path) -> None:
    trash = Trash()
    doomed = _tree(tmp_path / "doomed")
    with trash.resting():
        trash.take([doomed])
        assert trash.empty(10)
        assert not doomed.exists()


def test_a_tree_deeper_than_descriptors_goes(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    trash = Trash()
    trash.take([tmp_path / "d"])
    assert trash.empty(20)
    assert os.listdir(tmp_path) == []
    remove_directory(tmp_path / "d")
