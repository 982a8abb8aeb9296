"""What the kernel's binfmt_misc says of other architectures' programs, as qemu-user-static of Debian registers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pycompose.engine.linux import binfmt

if TYPE_CHECKING:
    from pathlib import Path

ARM64 = """enabled
interpreter /usr/bin/qemu-aarch64-static
flags: {flags}
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


def _registered(root: Path, status: str = "enabled", **entries: str) -> Path:
    root.mkdir()
    for name, text in {"status": status, "register": "", **entries}.items():
        (root / name.replace("_", "-")).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("architecture", "flags", "expected"),
    [("arm64", "OCF", True), ("arm64", "OC", False), ("arm", "OCF", False), ("s390x", "F", False), ("amd64", "", True)],
)
def test_programs_run_by_an_emulator(tmp_path: Path, architecture: str, flags: str, expected: bool) -> None:
    directory = _registered(tmp_path / "b", qemu_aarch64=ARM64.format(flags=flags))
    assert binfmt.runs(architecture, "amd64", directory) is expected


def test_what_is_switched_off_runs_nothing(tmp_path: Path) -> None:
    entry = ARM64.format(flags="F")
    assert binfmt.runs("arm64", "amd64", _registered(tmp_path / "a", "disabled", q=entry)) is False
    off = entry.replace("enabled", "disabled")
    assert binfmt.runs("arm64", "amd64", _registered(tmp_path / "b", q=off)) is False
    by_name = "enabled\ninterpreter /x\nflags: F\nextension .x"
    assert binfmt.runs("arm64", "amd64", _registered(tmp_path / "c", q=by_name)) is False


def test_where_it_cannot_be_told(tmp_path: Path) -> None:
    with_it, without = tmp_path / "with", tmp_path / "without"
    with_it.write_text("nodev\tbinfmt_misc\n")
    without.write_text("nodev\tproc\n")
    assert binfmt.runs("arm64", "amd64", tmp_path / "no", with_it) is None
    assert binfmt.runs("arm64", "amd64", tmp_path / "no", without) is False
    assert binfmt.runs("pdp11", "amd64", tmp_path / "no", without) is None
