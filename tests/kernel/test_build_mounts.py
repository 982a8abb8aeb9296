"""RUN --mount of files that a neighbour exchanges, or that the step writes to: the host is neither shown nor changed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.build_bench import Bench
from support.exchanging import exchanging

from pycompose.engine.build.steps import BindMount, RunStep
from pycompose.engine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root
MARK = b"only-the-host-has-this"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made
        assert not [path for path in made.layout.mounts.glob("*") if path.name != "empty"]


class Looking:
    """A runner that reads what its bind mount shows, and runs nothing."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def run(self, step: RunStep) -> int:
        (mount,) = [mount for mount in step.mounts if isinstance(mount, BindMount)]
        for _ in range(20):
            self.seen.add((mount.source / "file").read_bytes())
        return 0


def test_a_source_that_is_exchanged(bench: Bench, tmp_path: Path) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (host / "file").write_bytes(MARK)
    bench.write({"part/file": "the context's"})
    runner = bench.builder._runner = Looking()
    text = "FROM busybox\nRUN --mount=type=bind,source=part,target=/m cat /m/file\n"
    with exchanging(bench.context, {"part": host}):
        for attempt in range(300):  # many are refused, since the source is a link half of the time
            with suppress(EngineError):
                bench.build(text, no_cache=True)
            if attempt >= 30 and runner.seen:
                break
    assert runner.seen == {b"the context's"}


def test_what_a_step_writes_goes_with_it(bench: Bench) -> None:
    bench.write({"file": "the context's", "directory/file": "the context's"})
    bench.build(
        "FROM busybox\n"
        "RUN --mount=type=bind,source=file,target=/f,rw echo changed >/f && grep changed /f\n"
        "RUN --mount=type=bind,source=directory,target=/d,rw echo changed >/d/file && echo new >/d/new\n"
    )
    assert (bench.context / "file").read_text() == "the context's"
    assert [path.name for path in (bench.context / "directory").iterdir()] == ["file"]
    assert (bench.context / "directory" / "file").read_text() == "the context's"


@pytest.mark.parametrize("leads", ["/", "../../../../../../..", "/proc/self/root"])
def test_a_source_that_leads_out(bench: Bench, tmp_path: Path, leads: str) -> None:
    (tmp_path / "file").write_bytes(MARK)
    os.symlink(leads, bench.context / "out")
    runner = bench.builder._runner = Looking()
    text = f"FROM busybox\nRUN --mount=type=bind,source=out{tmp_path},target=/m cat /m/file\n"
    with pytest.raises(EngineError, match="not found"):
        bench.build(text)
    assert not runner.seen


def test_a_step_that_makes_directories_without_end(bench: Bench) -> None:
    """Deeper than a process has descriptors, or Python frames: one line, and nothing stays."""
    deep = "i=0; while [ $i -lt 1500 ]; do mkdir d && cd d; i=$((i+1)); done"
    with pytest.raises(EngineError, match="too deep"):
        bench.build(f"FROM busybox\nRUN {deep}\n")
    assert not list((bench.layout.build_cache / "work").iterdir())
    assert not [path for path in bench.layout.ingest.iterdir()]
