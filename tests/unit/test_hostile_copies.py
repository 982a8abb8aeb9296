"""`cp` out of a container whose files, or whose engine, want more of the local file system than the destination."""

from __future__ import annotations

import io
import os
import random
import tarfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pycompose.compose.app.copying import from_container
from pycompose.compose.errors import ComposeError

if TYPE_CHECKING:
    from pathlib import Path

    from pycompose.compose.client import Engine


def archive(*members: tuple[str, dict[str, Any]]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, facts in members:
            member = tarfile.TarInfo(name)
            for key, value in facts.items():
                setattr(member, key, value)
            data = b"x" * (5 if member.isreg() else 0)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return made.getvalue()


def copy(data: bytes, destination: Path, name: str = "it", mode: int = 1 << 31) -> list[str]:
    """Copy ``it`` from an engine that answers with ``data``; the remarks."""
    containers = SimpleNamespace(get_archive=lambda *_: ({"name": name, "mode": mode}, iter([data])))
    remarks: list[str] = []
    engine = cast("Engine", SimpleNamespace(containers=containers))
    from_container(engine, "id", f"/{name}", str(destination), follow=False, remark=remarks.append)
    return remarks


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory to copy into, beside which a file lies that must stay as it is."""
    (tmp_path / "kept").write_text("as it was")
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def unchanged(place: Path) -> bool:
    kept = place.parent / "kept"
    return (sorted(os.listdir(place.parent)), kept.read_text(), kept.stat().st_nlink) == (["into", "kept"], "as it was", 1)  # fmt: skip


@pytest.mark.parametrize(
    "members",
    [
        [("it/../../new", {})],
        [("it", {"type": tarfile.SYMTYPE, "linkname": "../.."}), ("it/kept", {})],
        [("it", {"type": tarfile.DIRTYPE}), ("it/up", {"type": tarfile.SYMTYPE, "linkname": "../.."}), ("it/up/kept", {})],
        [("it", {"type": tarfile.LNKTYPE, "linkname": "../kept"})],
        [("it/l", {"type": tarfile.SYMTYPE, "linkname": "../../kept"}), ("it/h", {"type": tarfile.LNKTYPE, "linkname": "it/l"})],
        [("it/d", {"type": tarfile.DIRTYPE}), ("it/d", {"type": tarfile.SYMTYPE, "linkname": "../.."}), ("it/d/new", {})],
        [("it/null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
    ],
)  # fmt: skip
def test_nothing_is_written_outside(place: Path, members: list[tuple[str, dict[str, Any]]]) -> None:
    with pytest.raises(ComposeError):
        copy(archive(*members), place)
    assert unchanged(place)


def test_absolute_names_stay_below(place: Path) -> None:
    copy(archive(("/it/etc/passwd", {})), place)
    assert (place / "it/etc/passwd").read_text() == "xxxxx"
    assert unchanged(place)


@pytest.mark.parametrize("name", ["..", ".", "a/../../b"])
def test_an_engine_that_says_another_name(place: Path, name: str) -> None:
    with pytest.raises(ComposeError):
        copy(archive(("new", {}), ("new2/x", {})), place, name)
    assert unchanged(place)


def test_modes_and_times_that_are_none_here(place: Path) -> None:
    copy(archive(("it/a", {"mode": 0o6777, "mtime": 1 << 70}), ("it/b", {"mtime": -(1 << 70)})), place)
    assert (place / "it/a").stat().st_mode & 0o7000 == 0
    assert unchanged(place)


def test_archives_at_random(place: Path) -> None:
    whole = archive(("it", {"type": tarfile.DIRTYPE}), ("it/a" * 60, {"mtime": 1.5}), ("it/l", {"type": tarfile.SYMTYPE, "linkname": "a"}))  # fmt: skip
    source = random.Random(4)
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(source.randrange(1, 6)):
            data[source.randrange(len(data))] = source.randrange(256)
        try:
            copy(bytes(data), place)
        except ComposeError:
            continue
        finally:
            assert unchanged(place)
