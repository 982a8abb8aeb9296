"""Overlays of few and many layers, as kernels of either kind take them: layers one by one, or all in one option."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.linux import mount
from pycompose.engine.linux.libc import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

OPTIONS = ("redirect_dir=off", "metacopy=off", "index=off", "xino=off")


@pytest.fixture(params=["own way", "all in one option"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    if request.param != "own way":
        monkeypatch.setattr(mount, "takes_single_layers", lambda: False)
    descriptors = len(os.listdir("/proc/self/fd"))
    yield request.param
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        assert str(tmp_path) not in mounts.read()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def layers(directory: Path, count: int) -> tuple[str, ...]:
    """Directories, top-most first, that each hold a file of their own and one they all have."""
    found = []
    for number in range(count):
        layer = directory / f"layer, of: {number}\\"
        layer.mkdir(parents=True)
        (layer / f"own-{number}").touch()
        (layer / "all").write_text(str(number))
        found.append(str(layer))
    return tuple(found)


def writable(directory: Path) -> tuple[str, str]:
    for name in ("upper", "work"):
        (directory / name).mkdir()
    return str(directory / "upper"), str(directory / "work")


def write(root: int, name: str, text: str) -> None:
    with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=root), "w") as file:
        file.write(text)


def names(root: int) -> list[str]:
    # What mounting returns is a handle that cannot be read itself.
    return sorted(os.listdir(f"/proc/self/fd/{root}"))


def read(root: int, name: str) -> str:
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=root)) as file:
        return file.read()


def test_the_kernel_is_asked_whether_it_takes_single_layers() -> None:
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    assert mount.takes_single_layers() is (release >= (6, 7))


@pytest.mark.parametrize("count", [1, 2, 15, 16, 40, 120])
def test_layers_in_their_order_under_a_writable_one(kernel: str, tmp_path: Path, count: int) -> None:
    lower = layers(tmp_path, count)
    upper, work = writable(tmp_path)
    root = mount.mount_overlay(lower, upper, work, OPTIONS)
    try:
        assert names(root) == sorted(["all", *(f"own-{number}" for number in range(count))])
        assert read(root, "all") == "0"
        write(root, "all", "changed")
    finally:
        os.close(root)
    assert (tmp_path / "upper" / "all").read_text() == "changed"
    assert (tmp_path / "layer, of: 0\\" / "all").read_text() == "0"
    assert sorted(os.listdir(tmp_path)) == sorted([*(os.path.basename(path) for path in lower), "upper", "work"])


@pytest.mark.parametrize("count", [2, 40])
def test_a_view_without_upper_is_read_only(kernel: str, tmp_path: Path, count: int) -> None:
    root = mount.mount_overlay(layers(tmp_path, count), None, None, OPTIONS)
    try:
        assert read(root, "all") == "0"
        with pytest.raises(OSError, match="Read-only file system"):
            write(root, "new", "")
    finally:
        os.close(root)


@pytest.mark.parametrize("count", [3, 40])
def test_threads_mount_the_same_layers_at_once(kernel: str, tmp_path: Path, count: int) -> None:
    lower = layers(tmp_path, count)
    seen: list[list[str]] = []

    def mounts() -> None:
        for _ in range(10):
            root = mount.mount_overlay(lower, None, None, OPTIONS)
            seen.append(names(root))
            os.close(root)

    threads = [threading.Thread(target=mounts) for _ in range(4)]
    before = os.getcwd()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 40 and {len(found) for found in seen} == {count + 1}
    assert os.getcwd() == before


def test_long_paths(kernel: str, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 140)
    lower = layers(deep, 2)
    root = mount.mount_overlay(lower, *writable(deep), OPTIONS)
    try:
        assert read(root, "all") == "0"
    finally:
        os.close(root)


def test_attached_overlays_hold_nothing_else(kernel: str, tmp_path: Path) -> None:
    point = tmp_path / "point"
    point.mkdir()
    with ExitStack() as stack:
        root = mount.mount_overlay(layers(tmp_path, 20), *writable(tmp_path), OPTIONS)
        stack.callback(os.close, root)
        target = os.open(point, os.O_PATH | os.O_DIRECTORY)
        stack.callback(os.close, target)
        mount.move_mount(root, target, str(point))
        stack.callback(mount.umount, str(point), mount.MNT_DETACH)
        assert (point / "own-19").exists()
        (point / "new").write_text("x")
    assert os.listdir(point) == []


def test_more_layers_than_a_page_of_options_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mount, "takes_single_layers", lambda: False)
    with pytest.raises(KernelError, match=r"mount overlay: .*more layers than this kernel takes"):
        mount.mount_overlay(layers(tmp_path, 300), *writable(tmp_path), OPTIONS)
    assert len(os.listdir(tmp_path)) == 302


def test_a_layer_that_is_missing_is_named(kernel: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"No such file or directory.*missing|missing.*No such file or directory"):
        mount.mount_overlay((str(tmp_path / "missing"),), *writable(tmp_path), OPTIONS)
