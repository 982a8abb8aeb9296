"""What `watch` sees of the file system: nothing that changes below a watched path is missed, whatever becomes of the path."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from support.edits import below, edit

from pycompose.compose.watch import inotify
from pycompose.compose.watch.approach import approach
from pycompose.compose.watch.sources import SourceWatch

if TYPE_CHECKING:
    from collections.abc import Iterator


class Seen:
    """What a receiver has that applies every change it is told of."""

    def __init__(self, *roots: Path, skip: str = "") -> None:
        self.remarks: list[str] = []
        self.source = SourceWatch(
            [str(root) for root in roots],
            lambda path: bool(skip) and path.endswith(skip),
            self.remarks.append,
            quiet=0.01,
        )
        self.files = dict.fromkeys(self.source.paths)

    def settle(self) -> set[str]:
        """Take what has come; the paths that changed. The kernel queues an event before the call that causes it returns."""
        changed: set[str] = set()
        while changes := self.source.wait(0):
            changed |= set(changes)
            for path, change in changes.items():
                if change.after is None:
                    self.files.pop(path, None)
                else:
                    self.files[path] = None
        return changed


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[list[Seen]]:
    opened: list[Seen] = []
    yield opened
    for one in opened:
        one.source.release()


def test_a_file_in_a_tree_hides_nothing_in_any_order(tmp_path: Path, watched: list[Seen]) -> None:
    tree, file = tmp_path / "web", tmp_path / "web" / "package.json"
    (tree / "lib").mkdir(parents=True)
    for name in ("package.json", "app.js", "lib/m.json", "lib/m.js"):
        (tree / name).write_text("1")
    for roots in ((tree, file), (file, tree), (tree, tree / "lib" / "m.json"), (tree / "lib" / "m.json", tree)):
        seen = Seen(*roots)
        watched.append(seen)
        for name in ("package.json", "app.js", "lib/m.json", "lib/m.js"):
            (tree / name).write_text("2")
            assert seen.settle() == {str(tree / name)}


def test_a_watched_file_alone_and_replaced(tmp_path: Path, watched: list[Seen]) -> None:
    file = tmp_path / "conf"
    seen = Seen(file)
    watched.append(seen)
    (tmp_path / "other").write_text("1")
    file.write_text("1")
    assert seen.settle() == {str(file)}
    (tmp_path / "conf.new").write_text("2")
    (tmp_path / "conf.new").rename(file)
    assert seen.settle() == {str(file)}
    file.write_text("3")
    assert seen.settle() == {str(file)}
    file.unlink()
    assert seen.settle() == {str(file)}


def test_a_root_that_comes_later_goes_and_comes_back(tmp_path: Path, watched: list[Seen]) -> None:
    root = tmp_path / "a" / "b" / "src"
    seen = Seen(root)
    watched.append(seen)
    for number in range(3):
        (root / "deep").mkdir(parents=True)
        (root / "deep" / "file").write_text(str(number))
        assert str(root / "deep" / "file") in seen.settle()
        assert set(seen.files) == below(root)
        (root / "late").write_text("x")
        assert seen.settle() == {str(root / "late")}
        shutil.rmtree(tmp_path / "a")
        seen.settle()
        assert set(seen.files) == set()


def test_a_root_that_is_replaced(tmp_path: Path, watched: list[Seen]) -> None:
    root = tmp_path / "p" / "src"
    root.mkdir(parents=True)
    (root / "old").write_text("1")
    seen = Seen(root)
    watched.append(seen)
    (tmp_path / "q" / "src").mkdir(parents=True)
    (tmp_path / "q" / "src" / "new").write_text("1")
    (tmp_path / "p").rename(tmp_path / "r")
    (tmp_path / "q").rename(tmp_path / "p")
    assert seen.settle() >= {str(root / "old"), str(root / "new")}
    assert set(seen.files) == below(root)
    (root / "new").write_text("2")
    (tmp_path / "r" / "src" / "old").write_text("2")
    assert seen.settle() == {str(root / "new")}


def test_directories_that_are_renamed(tmp_path: Path, watched: list[Seen]) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "z").mkdir()
    seen = Seen(tmp_path)
    watched.append(seen)
    (tmp_path / "a" / "b").rename(tmp_path / "z" / "b")
    seen.settle()
    (tmp_path / "z" / "b" / "c" / "file").write_text("1")
    (tmp_path / "a").rename(tmp_path / "0")
    seen.settle()
    (tmp_path / "0" / "file").write_text("1")
    assert seen.settle() == {str(tmp_path / "0" / "file")}
    assert set(seen.files) == below(tmp_path)


def test_symbolic_links_on_the_way_are_followed(tmp_path: Path, watched: list[Seen]) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "src").mkdir(parents=True)
        (tmp_path / name / "src" / name).write_text("1")
    (tmp_path / "now").symlink_to("one")
    root = tmp_path / "now" / "src"
    seen = Seen(root)
    watched.append(seen)
    (tmp_path / "one" / "src" / "more").write_text("1")
    assert seen.settle() == {str(root / "more")}
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "now")
    seen.settle()
    assert set(seen.files) == below(root)
    (tmp_path / "two" / "src" / "two").write_text("2")
    assert seen.settle() == {str(root / "two")}
    # what the link leads to goes and comes back: the link itself stays as it is
    (tmp_path / "two").rename(tmp_path / "gone")
    seen.settle()
    assert set(seen.files) == set()
    (tmp_path / "gone").rename(tmp_path / "two")
    seen.settle()
    assert set(seen.files) == below(root)


def test_a_file_behind_a_link(tmp_path: Path, watched: list[Seen]) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "conf").write_text("1")
    (tmp_path / "conf").symlink_to("far/conf")
    seen = Seen(tmp_path / "conf")
    watched.append(seen)
    (tmp_path / "far" / "conf").write_text("2")
    assert seen.settle() == {str(tmp_path / "conf")}


def test_the_way_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/../far")
    (tmp_path / "loop").symlink_to("loop")
    names = [step.name for step in approach(str(tmp_path / "link" / "there" / "file"))]
    assert names[-3:] == ["link", "far", "there"]
    assert approach(str(tmp_path / "loop" / "x"))[-1].name == "loop"


def test_events_that_were_lost_cost_no_change(
    tmp_path: Path, watched: list[Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "src"
    root.mkdir()
    for number in range(100):
        (root / f"{number}").write_text("1")
    seen = Seen(root)
    watched.append(seen)
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (root / "7").write_text("2")
    (root / "8").unlink()
    (root / "new").mkdir()
    # Two names in turn, so that the kernel does not fold the events into one.
    one, two = root / "50", root / "51"
    for _ in range(limit // 2 + 1):
        os.utime(one)
        os.utime(two)
    (root / "new" / "lost").write_text("1")
    (root / "9").write_text("2")
    events = seen.source._inotify
    before = events._read
    overflowed: list[bool] = []

    def read() -> list[inotify.FileEvent]:
        found = before()
        overflowed.append(any(event.mask & inotify.IN_Q_OVERFLOW for event in found))
        return found

    monkeypatch.setattr(events, "_read", read)
    assert seen.settle() >= {str(root / name) for name in ("7", "8", "9", "new", "new/lost", "50", "51")}
    assert any(overflowed), "the queue did not overflow"
    assert set(seen.files) == below(root)
    (root / "new" / "lost").write_text("2")
    assert seen.settle() == {str(root / "new" / "lost")}


def test_a_burst_without_an_end_is_handed_out(tmp_path: Path, watched: list[Seen]) -> None:
    import threading

    (tmp_path / "a").write_text("1")
    seen = Seen(tmp_path)
    watched.append(seen)
    done = threading.Event()

    def write() -> None:
        with open(tmp_path / "log", "w") as log:
            while not done.wait(0.05):
                log.write("x")
                log.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        changes = seen.source.wait(10)
        assert changes
        assert str(tmp_path / "log") in changes
    finally:
        done.set()
        writer.join()


@pytest.mark.parametrize("count", [100, pytest.param(5000, marks=pytest.mark.slow)])
def test_random_edits(tmp_path: Path, watched: list[Seen], count: int) -> None:
    root = tmp_path / "src"
    root.mkdir()
    files = (root / "f1", root / "d2" / "f3")
    seen = Seen(root, *files)
    watched.append(seen)
    random = Random(count)
    for number in range(count):
        edit(random, root)
        if number % 50 == 49:
            seen.settle()
            # A watched path that is a link counts as what it leads to.
            dangling = {str(file) for file in files if not file.exists()}
            assert set(seen.files) == below(root, *files) - dangling


def test_closing_what_has_ended(tmp_path: Path) -> None:
    source = SourceWatch([str(tmp_path)], lambda path: False, print)
    source.close()
    assert source.wait() is None
    source.release()
    source.close()


def test_what_is_skipped_is_not_seen(tmp_path: Path, watched: list[Seen]) -> None:
    (tmp_path / "skip").mkdir()
    seen = Seen(tmp_path, skip="/skip")
    watched.append(seen)
    (tmp_path / "skip" / "unseen").write_text("")
    (tmp_path / "new" / "deep").mkdir(parents=True)
    assert seen.settle() == {str(tmp_path / "new"), str(tmp_path / "new" / "deep")}
    seen.source.close()
    assert seen.source.wait(5.0) is None
