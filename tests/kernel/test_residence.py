"""Who starts an engine does not take it along: sessions and units end, containers go on. And what was logged stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.engine_root import KEEPER, EngineRoot, wait_for

from pycompose.engine.linux.cgroup import Hierarchies

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


def watched() -> list[str]:
    """The mount points of the hierarchies by which systemd ends sessions."""
    found = Hierarchies.discover()
    return [point for point in (found.v1.get("name=systemd"), found.unified) if point is not None]


@pytest.fixture
def scope() -> Iterator[list[Path]]:
    """A session's group in each of these hierarchies."""
    directories = [Path(point) / f"pycompose-test-{os.getpid()}.scope" for point in watched()]
    if not directories:
        pytest.skip("no hierarchy that systemd would watch")
    for directory in directories:
        directory.mkdir()
    yield directories
    for directory in directories:
        wait_for(lambda place=directory: not (place / "cgroup.procs").read_text(), lambda: "the session is not empty")
        directory.rmdir()


def test_a_session_that_ends_leaves_containers_alone(tmp_path: Path, scope: list[Path]) -> None:
    engine = EngineRoot(tmp_path)
    enter = "\n".join(f"open('{directory}/cgroup.procs', 'w').write('0')" for directory in scope)
    start = f"import os\n{enter}\nos.execv({sys.executable!r}, {[sys.executable, '-I', '-S', '-E', str(KEEPER), '--root', str(tmp_path)]!r})"
    environment = {**os.environ, "PYCOMPOSE_IDLE_TIMEOUT": "0"}
    subprocess.run([sys.executable, "-c", start], check=True, env=environment, timeout=20)
    engine.import_busybox()
    body = {"Image": "busybox", "Cmd": ["sleep", "300"]}
    id = engine.json("POST", "/containers/create", body)["Id"]
    engine.request("POST", f"/containers/{id}/start")
    pid = engine.json("GET", f"/containers/{id}/json")["State"]["Pid"]
    keeper, process = engine.keeper_pid, engine.pid
    for member in {int(line) for directory in scope for line in (directory / "cgroup.procs").read_text().split()}:
        os.kill(member, signal.SIGKILL)  # what systemd does to a session that has ended
    for one in (pid, keeper, process, _parent(pid)):
        groups = Path(f"/proc/{one}/cgroup").read_text()
        assert ".scope" not in groups, groups
    assert engine.json("GET", f"/containers/{id}/json")["State"]["Running"]
    engine.stop()
    assert not [point for point in watched() if (Path(point) / f"pycompose-{engine.layout.instance}").exists()]
    engine.close()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])


def test_what_was_logged_outlives_the_engine(tmp_path: Path) -> None:
    with EngineRoot(tmp_path) as engine:
        os.kill(engine.pid, signal.SIGKILL)
        wait_for(lambda: "the engine ended with exit code" in engine.log(), engine.log)
        wait_for(engine.is_up, lambda: "no new engine")
    assert "the engine ended with exit code" in engine.layout.last_log.read_text()
