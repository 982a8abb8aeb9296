"""The launcher: what it imports, what it takes for a verb, and that its tables are those of the command."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pycompose import launcher
from pycompose.compose.cli import options
from pycompose.compose.cli.table import COMPOSE, GROUPS, PLAIN
from pycompose.warm import preload

if TYPE_CHECKING:
    from pathlib import Path

VERBS = {*COMPOSE, *PLAIN, *GROUPS, "__complete"}


def test_it_imports_nothing() -> None:
    program = "import sys; before = {*sys.modules}; import pycompose.launcher; print(*({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"pycompose", "pycompose.version", "pycompose.launcher", "_socket"}


def test_its_tables() -> None:
    assert set(options._VALUES) == launcher.VALUED
    assert launcher.ALONE <= VERBS
    assert launcher.ON_TERMINALS <= VERBS
    assert not launcher.ON_TERMINALS & launcher.ALONE


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        ([], ""),
        (["--version"], ""),
        (["up", "-d"], "up"),
        (["-f", "ps", "-p", "x", "down"], "down"),
        (["--file=ps", "-fx", "--dry-run", "up"], "up"),
        (["--root"], ""),
        (["container", "attach", "x"], "container"),
    ],
)
def test_the_verb(words: list[str], verb: str) -> None:
    assert launcher.find_verb(words) == verb


def test_what_else_an_interpreter_reads_is_another_resident(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for key in ("PYCOMPOSE_WARM_IDLE", "PYTHONUTF8", "LC_CTYPE", "LD_PRELOAD"):
        monkeypatch.setenv(key, "0")
        names.add(launcher.resident_name())
    assert len(names) == 4
    monkeypatch.setenv("HOME", "/elsewhere")
    assert launcher.resident_name() in names


def test_a_directory_of_others_is_not_trusted(tmp_path: Path) -> None:
    """Whoever can write there could put a socket of theirs at our name, and would get terminal and environment."""
    path = tmp_path / "residents" / "name"
    path.parent.mkdir(mode=0o700)
    assert launcher._connect(str(path)) is None  # nobody listens
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        connection = launcher._connect(str(path))
        assert connection is not None
        connection.close()
        path.parent.chmod(0o770)
        assert launcher._connect(str(path)) is None
        path.parent.chmod(0o700)
        (tmp_path / "link").symlink_to(path.parent)
        assert launcher._connect(str(tmp_path / "link" / "name")) is None


@pytest.mark.root
def test_a_listener_of_another_user_gets_nothing(tmp_path: Path) -> None:
    """A directory above ours may be somebody else's, who exchanges ours between the look and the connection."""
    path = tmp_path / "name"
    tmp_path.chmod(0o700)
    ready, told = os.pipe()
    stays, ends = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            os.setresuid(65534, 65534, 65534)
            listener.listen()
            os.write(told, b"x")
            os.close(ends)
            os.read(stays, 1)
        finally:
            os._exit(0)
    os.close(stays)
    try:
        os.read(ready, 1)
        assert launcher._connect(str(path)) is None
    finally:
        os.close(ends)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(told)


def test_code_that_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is written anew, one that is gone, and one that has come."""
    module = tmp_path / "changing.py"
    module.write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    import changing  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "pycompose.changing", changing)
    known = preload.stamp()
    assert str(module) in known and preload.is_current(known)
    os.utime(module, ns=(1, 1))
    assert not preload.is_current(known)
    known = preload.stamp()
    (tmp_path / "another.py").write_text("")
    assert not preload.is_current(known)
    known = preload.stamp()
    module.unlink()
    assert not preload.is_current(known)


def test_what_is_loaded_beforehand() -> None:
    """Whatever the quick verbs load, and nothing of an extra, which may not be there."""
    program = "from pycompose.warm.preload import load_everything, rehearse; load_everything(); rehearse(); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    for verb in launcher.ON_TERMINALS - {"network", "image", "container"}:
        assert f"pycompose.compose.cli.verbs.{verb}" in loaded
    assert {
        "anyio._backends._asyncio",
        "yaml",
        "pycompose.compose.load.pipeline",
        "pycompose.compose.run.execute",
    } <= loaded
    assert not loaded & {"textual", "rich", "starlette", "uvicorn", "lightkube", "multiprocessing"}
