from __future__ import annotations

import errno
import os
import select
import threading
from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.runtime import logfile
from pycompose.engine.runtime.logfile import RECORD, STDERR, STDOUT, LogWriter, limits, numbers
from pycompose.engine.runtime.logread import MAX_LINE, Entry, LogReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Clock:
    """Time as the writer sees it: each record one second after the last."""

    def __init__(self) -> None:
        self.now = 0

    def time_ns(self) -> int:
        self.now += 10**9
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(logfile, "time", clock)
    return clock


def write(directory: Path, *chunks: tuple[int, bytes], max_size: int | None = None, max_file: int = 1) -> None:
    writer = LogWriter(str(directory), max_size, max_file)
    for stream, data in chunks:
        writer.write(data, stream)
    writer.close()


def read(directory: Path, **options: object) -> list[Entry]:
    with LogReader(str(directory), **options) as reader:
        return list(reader)


def text(entries: Sequence[Entry]) -> str:
    return b"".join(entry.data for entry in entries).decode()


def test_lines_of_two_streams(tmp_path: Path, clock: Clock) -> None:
    write(tmp_path, (STDOUT, b"a\nb"), (STDERR, b"x\ny"), (STDOUT, b"b\n\nend"))
    assert read(tmp_path) == [
        Entry(1 * 10**9, STDOUT, b"a\n"),
        Entry(2 * 10**9, STDERR, b"x\n"),
        Entry(3 * 10**9, STDOUT, b"bb\n"),
        Entry(3 * 10**9, STDOUT, b"\n"),
        Entry(3 * 10**9, STDOUT, b"end", True),
        Entry(3 * 10**9, STDERR, b"y", True),
    ]
    assert text(read(tmp_path, streams=[STDERR])) == "x\ny"
    assert [entry.data for entry in read(tmp_path, lines=False)] == [b"a\nb", b"x\ny", b"b\n\nend"]


def test_no_directory_reads_as_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []
    assert read(tmp_path / "none", tail=3) == []
    with pytest.raises(FileNotFoundError):
        LogReader(str(tmp_path / "none"), follow=True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"since": 3 * 10**9}, "3\n4\n5\n"),
        ({"since": 3 * 10**9 + 1}, "4\n5\n"),
        ({"until": 2 * 10**9}, "1\n2\n"),
        ({"since": 2 * 10**9, "until": 4 * 10**9}, "2\n3\n4\n"),
        ({"since": 99 * 10**9}, ""),
        ({"tail": 2}, "4\n5\n"),
        ({"tail": 0}, ""),
        ({"tail": 99}, "1\n2\n3\n4\n5\n"),
        ({"tail": 3, "until": 4 * 10**9}, "3\n4\n"),
        ({"tail": 3, "since": 5 * 10**9}, "5\n"),
    ],
)
@pytest.mark.parametrize("max_size", [None, 40, 26])
def test_selection(tmp_path: Path, clock: Clock, options: dict[str, int], expected: str, max_size: int | None) -> None:
    write(tmp_path, *((STDOUT, b"%d\n" % number) for number in range(1, 6)), max_size=max_size, max_file=9)
    assert text(read(tmp_path, **options)) == expected


def test_since_starts_with_a_whole_line(tmp_path: Path, clock: Clock) -> None:
    write(tmp_path, (STDOUT, b"old\nbegin"), (STDERR, b"e\n"), (STDOUT, b"ning\nnext\n"))
    assert text(read(tmp_path, since=3 * 10**9)) == "beginning\nnext\n"


def test_tail_counts_the_unfinished_line(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"1\n2\n3"))
    assert text(read(tmp_path, tail=1)) == "3"
    assert text(read(tmp_path, tail=2)) == "2\n3"


@given(
    st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.text("ab\n", min_size=1, max_size=6)), max_size=12),
    st.integers(0, 12),
    st.sampled_from([None, 30, 100]),
)
def test_tail_is_the_end_of_everything(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[int, str]], tail: int, max_size: int | None
) -> None:
    directory = tmp_path_factory.mktemp("log")
    write(directory, *((stream, data.encode()) for stream, data in chunks), max_size=max_size, max_file=99)
    whole = read(directory)
    by_stream = {stream: "".join(data for its, data in chunks if its == stream) for stream in (STDOUT, STDERR)}
    for stream in (STDOUT, STDERR):
        assert text([entry for entry in whole if entry.stream == stream]) == by_stream[stream]
    # Lines of one stream only: with two, an old unfinished line of the quiet one may come besides.
    if not (by_stream[STDOUT] and by_stream[STDERR]):
        assert [entry.data for entry in read(directory, tail=tail)] == [
            entry.data for entry in whole[len(whole) - min(tail, len(whole)) :]
        ]


def test_rotation_keeps_the_newest(tmp_path: Path) -> None:
    line = b"x" * 99 + b"\n"
    write(tmp_path, *((STDOUT, line) for _ in range(100)), max_size=1000, max_file=3)
    assert len(numbers(str(tmp_path))) == 3
    assert len(os.listdir(tmp_path)) == 6
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3000 + 3 * RECORD.size
    assert b"".join(entry.data for entry in read(tmp_path)).count(b"\n") > 10


def test_one_byte_writes_do_not_escape_the_limit(tmp_path: Path) -> None:
    write(tmp_path, *((STDOUT, b"x") for _ in range(1000)), max_size=1000, max_file=2)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2100


def test_a_line_across_a_rotation_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"abcdefgh\nij\n"), max_size=5, max_file=9)
    assert [entry.data for entry in read(tmp_path)] == [b"abcdefgh\n", b"ij\n"]
    assert [entry.data for entry in read(tmp_path, tail=2)] == [b"abcdefgh\n", b"ij\n"]


def test_a_line_without_end_comes_in_pieces(tmp_path: Path) -> None:
    write(tmp_path, *((STDOUT, b"z" * 65536) for _ in range(9)), (STDOUT, b"\nshort\n"))
    entries = read(tmp_path)
    assert all(len(entry.data) <= MAX_LINE + 65536 for entry in entries)
    assert [entry.partial for entry in entries] == [True, True, False, False]
    assert text(entries) == "z" * 9 * 65536 + "\nshort\n"


@pytest.mark.parametrize("length", [7, 30, 33, 39, 250])
@pytest.mark.parametrize("piece", [13, 40, 4096])
@pytest.mark.parametrize("max_file", [1, 3])
def test_after_rotation_there_are_whole_lines_only(tmp_path: Path, length: int, piece: int, max_file: int) -> None:
    lines = [b"%04d %s\n" % (number, b"p" * length) for number in range(1200)]
    whole = b"".join(lines)
    pieces = [whole[start : start + piece] for start in range(0, len(whole), piece)]
    write(tmp_path, *((STDOUT, data) for data in pieces), max_size=3000, max_file=max_file)
    shown = [entry.data for entry in read(tmp_path)]
    assert max_file - 1 <= len(shown) < 1200
    assert shown == lines[1200 - len(shown) :]
    for tail in (1, len(shown) - 1, len(shown), len(shown) + 5):
        last = min(max(tail, 0), len(shown))
        assert [entry.data for entry in read(tmp_path, tail=tail)] == lines[1200 - last :]


def test_rotation_within_lines_of_both_streams(tmp_path: Path) -> None:
    """The quiet stream's line began in the first number and ends in the last."""
    out = [(STDOUT, b"o%02d %s\n" % (number, b"x" * 50)) for number in range(40)]
    write(tmp_path, (STDERR, b"begin"), *out, (STDERR, b" end\nnext\n"), max_size=500, max_file=2)
    entries = read(tmp_path)
    assert [entry.data for entry in entries if entry.stream == STDERR] == [b"next\n"]
    assert all(entry.data.startswith(b"o") and not entry.partial for entry in entries if entry.stream == STDOUT)


def test_a_restarted_writer_knows_that_a_line_has_begun(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"x" * 99), max_size=100)
    write(tmp_path, (STDOUT, b"rest\nwhole\n"), max_size=100)
    assert text(read(tmp_path)) == "whole\n"


def test_a_line_longer_than_the_log_is_shown_as_far_as_it_is_there(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"x" * 300_000), (STDOUT, b"!\nnext\n"), max_size=50_000, max_file=2)
    entries = read(tmp_path)
    assert entries[0].data.startswith(b"xxx") and entries[-2].data.endswith(b"x!\n")
    assert entries[-1].data == b"next\n"


def test_what_is_left_of_a_line_without_end_is_shown(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"x" * 150), max_size=100)
    (entry,) = read(tmp_path)
    assert entry.partial and set(entry.data) == {ord("x")}


def test_a_follower_that_rotation_overtakes_goes_on_with_a_whole_line(tmp_path: Path) -> None:
    lines = [b"%04d %s\n" % (number, b"x" * 33) for number in range(1000)]
    writer = LogWriter(str(tmp_path), 500, 2)
    with LogReader(str(tmp_path), follow=True) as reader:
        writer.write(lines[0] + lines[1][:10], STDOUT)
        assert [entry.data for entry in reader.read_available()] == lines[:1]
        writer.write(lines[1][10:] + b"".join(lines[2:]), STDOUT)
        shown: list[Entry] = []
        while found := reader.read_available():
            shown += found
    writer.close()
    before = [entry.data for entry in shown if entry.data in lines[:50]]
    assert [entry.data for entry in shown] == before + lines[len(before) - len(shown) :]
    assert shown[-1].data == lines[-1]


def test_many_short_lines_come_a_few_at_a_time(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"\n" * 1_000_000))
    total = 0
    with LogReader(str(tmp_path)) as reader:
        while entries := reader.read_available():
            assert len(entries) < 30_000
            total += len(entries)
    assert total == 1_000_000


def test_going_on_after_a_restart_of_the_writer(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"one\n"))
    write(tmp_path, (STDOUT, b"two\n"))
    assert text(read(tmp_path)) == "one\ntwo\n"
    assert numbers(str(tmp_path)) == [1]


def test_a_crash_between_data_and_index(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"one\n"))
    with open(tmp_path / "00000001.data", "ab") as data, open(tmp_path / "00000001.index", "ab") as index:
        data.write(b"two\n")
        index.write(RECORD.pack(1, 4, 4, STDOUT)[:7])
    assert text(read(tmp_path)) == "one\n"
    assert text(read(tmp_path, tail=1)) == "one\n"
    write(tmp_path, (STDERR, b"three\n"))
    assert text(read(tmp_path)) == "one\ntwo\nthree\n"


def test_an_index_that_is_ahead_of_its_data(tmp_path: Path) -> None:
    write(tmp_path, (STDOUT, b"one\n"), (STDOUT, b"two\n"))
    os.truncate(tmp_path / "00000001.data", 5)
    write(tmp_path, (STDOUT, b"three\n"), max_file=2)
    assert text(read(tmp_path)) == "one\ntthree\n"


@given(st.binary(max_size=200))
def test_any_index_is_survived(tmp_path_factory: pytest.TempPathFactory, index: bytes) -> None:
    directory = tmp_path_factory.mktemp("log")
    (directory / "00000001.data").write_bytes(b"some\ndata\n")
    (directory / "00000001.index").write_bytes(index)
    read(directory)
    read(directory, tail=1)
    read(directory, since=5)
    with LogReader(str(directory), follow=True) as reader:
        reader.read_available()


def test_splice_from_a_pipe(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path))
    out, into = os.pipe()
    os.set_blocking(out, False)
    assert writer.splice(out, STDOUT) is None
    os.write(into, b"hello\n")
    assert writer.splice(out, STDOUT) == 6
    os.close(into)
    assert writer.splice(out, STDOUT) == 0
    os.close(out)
    writer.close()
    assert text(read(tmp_path)) == "hello\n"


def test_what_is_no_pipe_is_copied(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path))
    master, slave = os.openpty()
    os.write(slave, b"hello\n")
    assert writer.splice(master, STDOUT) == 7
    os.close(master)
    os.close(slave)
    writer.close()
    assert text(read(tmp_path)) == "hello\r\n"


@pytest.mark.parametrize("how", ["splice", "write"])
def test_a_full_disk_loses_output_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    writer = LogWriter(str(tmp_path))
    out, into = os.pipe()

    def full(*arguments: object, **options: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "splice", full)
        patched.setattr(os, "pwrite", full)
        for _ in range(3):
            os.write(into, b"gone\n")
            if how == "splice":
                assert writer.splice(out, STDOUT) == 5
            else:
                writer.write(os.read(out, 99), STDOUT)
    os.write(into, b"kept\n")
    writer.splice(out, STDOUT)
    writer.close()
    os.close(out)
    os.close(into)
    assert text(read(tmp_path)) == "[pycompose: 15 bytes of output lost: No space left on device]\nkept\n"


def test_an_index_that_cannot_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LogWriter(str(tmp_path))
    writer.write(b"one\n", STDOUT)
    with monkeypatch.context() as patched:
        whole = os.write
        patched.setattr(os, "write", lambda fd, data: whole(fd, data[:5]))
        writer.write(b"two\n", STDOUT)
    writer.write(b"three\n", STDOUT)
    writer.close()
    assert text(read(tmp_path)) == "one\n[pycompose: 4 bytes of output lost: No space left on device]\nthree\n"


def wait(reader: LogReader, enough: int) -> list[Entry]:
    entries: list[Entry] = []
    while len(entries) < enough:
        while found := reader.read_available():
            entries.extend(found)
        if len(entries) < enough:
            assert select.select([reader.fileno()], [], [], 5)[0], entries
    return entries


def test_follow_over_rotations(tmp_path: Path) -> None:
    lines = [b"line %d\n" % number for number in range(500)]
    writer = LogWriter(str(tmp_path), 600, 1000)
    thread = threading.Thread(target=lambda: deque(map(writer.write, lines, repeat(STDOUT)), 0))
    with LogReader(str(tmp_path), follow=True) as reader:
        thread.start()
        assert [entry.data for entry in wait(reader, 500)] == lines
        assert len(numbers(str(tmp_path))) > 10
        writer.write(b"no end", STDOUT)
        assert reader.read_available() == []
        (entry,) = reader.finish()
        assert entry.partial
    thread.join()
    writer.close()


def test_follow_from_before_the_first_line(tmp_path: Path) -> None:
    with LogReader(str(tmp_path), follow=True, tail=0) as reader:
        assert reader.read_available() == []
        writer = LogWriter(str(tmp_path))
        writer.write(b"first\n", STDERR)
        assert text(wait(reader, 1)) == "first\n"
        writer.close()


def test_follow_from_the_end(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path))
    writer.write(b"old\n", STDOUT)
    with LogReader(str(tmp_path), follow=True, tail=0, lines=False) as reader:
        assert reader.read_available() == []
        writer.write(b"ne", STDOUT)
        assert text(wait(reader, 1)) == "ne"
    writer.close()


def test_a_slow_follower_loses_what_rotation_removed(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path), 50, 2)
    writer.write(b"first\n", STDOUT)
    with LogReader(str(tmp_path), follow=True) as reader:
        assert text(reader.read_available()) == "first\n"
        for number in range(50):
            writer.write(b"%d\n" % number, STDOUT)
        found = text(wait(reader, 2))
        assert found.endswith("49\n")
        assert "\n0\n" not in found
    writer.close()


def test_until_ends_a_follower(tmp_path: Path, clock: Clock) -> None:
    writer = LogWriter(str(tmp_path))
    writer.write(b"1\n", STDOUT)
    with LogReader(str(tmp_path), follow=True, until=2 * 10**9) as reader:
        assert text(reader.read_available()) == "1\n"
        writer.write(b"2\n", STDOUT)
        writer.write(b"3\n", STDOUT)
        assert text(reader.read_available()) == "2\n"
        assert reader.ended
        assert reader.read_available() == []
    writer.close()


def test_limits() -> None:
    assert limits("json-file", None, None) == (None, 1)
    assert limits("json-file", 10, 3) == (10, 3)
    assert limits("local", None, None) == (20 << 20, 5)
    assert limits("none", None, None)[0]
