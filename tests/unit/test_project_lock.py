"""One lock per project, gone when nobody holds it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from pycompose.compose.errors import PlanError
from pycompose.compose.run.lock import lock_directory, project_lock

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize("trap", ["link", "open", "somebody's"])
def test_a_directory_that_somebody_else_has_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    """In /tmp any user could have made it first: a link to where files are to appear, or one in which locks are held for good."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place, victim = tmp_path / "pycompose-locks", tmp_path / "victim"
    victim.mkdir(mode=0o700)
    if trap == "link":
        place.symlink_to(victim)
    else:
        place.mkdir(mode=0o700)
        place.chmod(0o777 if trap == "open" else 0o700)
    if trap == "somebody's":
        if os.geteuid() != 0:
            pytest.skip("only root gives a directory away")
        os.chown(place, 65534, 65534)
    with pytest.raises(PlanError, match="remove it, or set XDG_RUNTIME_DIR"), project_lock("unix:///x", "demo"):
        pass
    assert list(victim.iterdir()) == []


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
