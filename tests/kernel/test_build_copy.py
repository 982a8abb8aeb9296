"""COPY and ADD for real: destinations, owners, ignore files, archives, and contexts that mean harm."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from support.build_bench import Bench

from pycompose.engine.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def test_destinations_as_docker_has_them(bench: Bench) -> None:
    bench.write({"d/a": "a", "d/sub/b": "b", "f.txt": "f", "g.txt": "g"})
    os.symlink("d", bench.context / "to-d")
    image = bench.build(
        """FROM busybox
RUN mkdir -p /real /exists && ln -s /real /link && ln -s ../../../real /climbs
COPY d /newdir
COPY d /exists/
COPY to-d /through/
COPY f.txt /renamed
COPY f.txt /slash/
COPY *.txt /many/
COPY f.txt /link/
COPY g.txt /climbs
COPY --chown=user:audio --chmod=u=rwX,go=rX d /owned
COPY --chown=55 f.txt /numeric
"""
    )
    found = bench.listing(image)
    assert found["newdir/a"][3] == "a" and found["newdir/sub/b"][3] == "b"
    assert found["exists/a"][3] == "a"
    assert found["through/sub/b"][3] == "b"
    assert found["renamed"][3] == "f" and found["slash/f.txt"][3] == "f"
    assert {name for name in found if name.startswith("many/")} == {"many/f.txt", "many/g.txt"}
    assert found["real/f.txt"][3] == "f" and found["real/g.txt"][3] == "g"
    assert found["owned/a"][:3] == (0o644, 1000, 29) and found["owned/sub"][:3] == (0o755, 1000, 29)
    assert found["numeric"][1:3] == (55, 55)


def test_parents_exclude_and_link(bench: Bench) -> None:
    bench.write({"x/y/keep.go": "1", "x/y/skip.md": "2", "x/z/other.go": "3"})
    image = bench.build(
        """FROM busybox
COPY --parents x/**/*.go /p/
COPY --parents x/./y/keep.go /q/
COPY --exclude=*/*.md x /r/
COPY --link x/y/keep.go /s/
"""
    )
    found = bench.listing(image)
    assert {name for name in found if name.startswith(("p/", "q/", "r/", "s/")) and found[name][3]} == {
        "p/x/y/keep.go",
        "p/x/z/other.go",
        "q/y/keep.go",
        "r/y/keep.go",
        "r/z/other.go",
        "s/keep.go",
    }


def test_ignored_files(bench: Bench) -> None:
    bench.write(
        {
            ".dockerignore": "*\n!src\nsrc/*.tmp\n!Dockerfile\n",
            "src/a": "1",
            "src/b.tmp": "2",
            "secret": "3",
            "Other.dockerignore": "src\n",
            "Other": "FROM busybox\nCOPY . /c/\n",
        }
    )
    image = bench.build("FROM busybox\nCOPY . /c/\nRUN --mount=target=/ctx ls -R /ctx > /seen\n")
    assert set(bench.listing(image, "c")) == {"src", "src/a", "Dockerfile"}
    with bench.view(image) as root:
        seen = (root / "seen").read_text()
        assert "secret" not in seen and "b.tmp" not in seen and "a\n" in seen
    image = bench.build(dockerfile="Other")
    assert "src" not in bench.listing(image, "c") and "secret" in bench.listing(image, "c")
    with pytest.raises(EngineError, match=r"excluded by \.dockerignore"):
        bench.build("FROM busybox\nCOPY secret /\n")


def test_hostile_context(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("private")
    os.symlink(outside, bench.context / "absolute")
    os.symlink("../outside", bench.context / "climbing")
    os.symlink("loop", bench.context / "loop")
    for source in ("absolute", "climbing", "../outside", "loop/x", "/../../outside"):
        with pytest.raises(EngineError):
            bench.build(f"FROM busybox\nCOPY {source} /got\n")
    # As links inside a directory they are copied as links.
    bench.write({"d/x": ""})
    os.symlink(outside, bench.context / "d" / "link")
    image = bench.build("FROM busybox\nCOPY d /d\n")
    assert bench.listing(image, "d")["link"][3] == str(outside)


def test_add_unpacks_local_archives(bench: Bench) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("dir/file")
        member.size, member.uid, member.gid = 2, 5, 6
        tar.addfile(member, io.BytesIO(b"hi"))
    bench.write({"a.tar.gz": archive.getvalue(), "fake.tar.gz": "no archive"})
    image = bench.build(
        "FROM busybox\nADD a.tar.gz /x/\nADD fake.tar.gz /y/\nADD --unpack=false a.tar.gz /z/\n"
        "ADD --chown=9:9 a.tar.gz /w\nCOPY a.tar.gz /v/\n"
    )
    found = bench.listing(image)
    assert found["x/dir/file"] == (0o644, 5, 6, "hi")
    assert found["y/fake.tar.gz"][3] == "no archive"
    assert "z/a.tar.gz" in found and "v/a.tar.gz" in found
    assert found["w/dir/file"] == (0o644, 9, 9, "hi")


def test_whiteouts_and_special_files_in_copies(bench: Bench) -> None:
    image = bench.build(
        """FROM busybox AS a
RUN mkdir /d && echo 1 > /d/gone && echo 2 > /d/stays && mkfifo /d/pipe && ln /d/stays /d/hard && chmod 4755 /d/stays
RUN rm /d/gone
FROM busybox
COPY --from=a /d /d
RUN test -p /d/pipe && rm -r /d/pipe && mkdir /d/gone
"""
    )
    found = bench.listing(image, "d")
    assert found["stays"][0] == 0o4755
    assert found["gone"][0] == 0o755
    assert "pipe" not in found
    with bench.view(image) as root:
        assert (root / "d/hard").stat().st_nlink == 2
