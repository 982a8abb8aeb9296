"""One lock per project, gone when nobody holds it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from pycompose.compose.run.lock import lock_directory, project_lock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_turns_are_taken_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    inside: list[int] = []
    order: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            with project_lock("unix:///x", "demo"):
                inside.append(number)
                assert len(inside) == 1
                order.append(number)
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(order) == 80
    assert not os.path.exists(lock_directory())


def test_projects_and_engines_do_not_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with project_lock("unix:///x", "demo"), project_lock("unix:///x", "other"), project_lock("unix:///y", "demo"):
        assert len(os.listdir(lock_directory())) == 3


def test_waiting_is_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    announced = threading.Event()

    def second() -> None:
        with project_lock("e", "demo", announced.set):
            pass

    with project_lock("e", "demo"):
        thread = threading.Thread(target=second)
        thread.start()
        assert announced.wait(10)
    thread.join(10)
    assert not thread.is_alive()
