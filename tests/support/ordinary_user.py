"""An ordinary user of this machine, made for one test module, who runs pycompose without any privilege.

    with ordinary_user("range") as user:
        user.run("up", "-d", cwd=user.home)

``range`` has subordinate ids and newuidmap on PATH; ``one`` finds no program at all there. The interpreter of the tests may
lie where only root may go: then the user gets an environment of the machine's own Python, with the packages of the tests.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOURCE = Path(__file__).resolve().parents[2]
_COMMAND = "import sys; from pycompose.compose.cli.main import main; sys.exit(main())"
_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class OrdinaryUser:
    """``kind`` says how ids are mapped: ``range`` or ``one``."""

    name: str
    uid: int
    home: Path
    python: str
    kind: str

    @property
    def environment(self) -> dict[str, str]:
        path = "/usr/sbin:/usr/bin:/sbin:/bin" if self.kind == "range" else "/nonexistent"
        return {"HOME": str(self.home), "PATH": path, "PYCOMPOSE_IDLE_TIMEOUT": "0", "LC_ALL": "C.UTF-8"}

    @property
    def state(self) -> Path:
        return self.home / ".local/share/pycompose"

    @property
    def runtime(self) -> Path:
        """Where sockets are: of users who have not logged in there is no /run/user/UID."""
        systemd = Path(f"/run/user/{self.uid}")
        return systemd / "pycompose" if systemd.exists() else self.state / "run"

    def run(
        self, *arguments: str, cwd: Path | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """The command as this user."""
        result = subprocess.run(
            [self.python, "-c", _COMMAND, *arguments],
            cwd=cwd or self.home,
            env=self.environment,
            user=self.uid,
            group=self.uid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or result.returncode == 0, f"{arguments}: {result.stdout}{result.stderr}"
        return result

    def give(self, path: Path) -> None:
        """What the test has made belongs to the user."""
        for directory, _, files in os.walk(path):
            for name in (directory, *(os.path.join(directory, file) for file in files)):
                os.chown(name, self.uid, self.uid)

    def processes(self, title: str = "") -> list[int]:
        """Those that live and belong to the user or to its subordinate ids' namespaces."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._owns(pid, title)]

    def _owns(self, pid: int, title: str) -> bool:
        try:
            status = Path(f"/proc/{pid}/status").read_text(errors="replace")
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return False
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        return int(fields["Uid"].split()[0]) == self.uid and not fields["State"].startswith("Z") and title in command


@contextlib.contextmanager
def ordinary_user(kind: str) -> Iterator[OrdinaryUser]:
    """Made for as long as the block lasts; all of its processes are gone at the end."""
    if os.geteuid() != 0 or shutil.which("useradd") is None:
        pytest.skip("an ordinary user is made with useradd, by root")
    if kind == "range" and shutil.which("newuidmap") is None:
        pytest.skip("no newuidmap here: the package uidmap has it")
    _reachable(SOURCE)
    name = f"pcuser{os.getpid()}{kind}"[:31]
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", name], check=True, capture_output=True)
    entry = pwd.getpwnam(name)
    tools = Path(tempfile.mkdtemp(prefix="pycompose-user-"))
    tools.chmod(0o755)
    try:
        yield OrdinaryUser(name, entry.pw_uid, Path(entry.pw_dir), _interpreter(tools), kind)
    finally:
        for pid in OrdinaryUser(name, entry.pw_uid, Path(entry.pw_dir), "", kind).processes():
            os.kill(pid, signal.SIGKILL)
        subprocess.run(["userdel", "-f", "-r", name], check=False, capture_output=True)
        shutil.rmtree(tools)


def _reachable(path: Path) -> None:
    for one in (path, *path.parents):
        if not one.stat().st_mode & stat.S_IXOTH:
            pytest.skip(f"users may not enter {one}, where pycompose is")


def _interpreter(tools: Path) -> str:
    """A Python that everybody may execute, with what the tests' own has."""
    own = Path(sys.executable)
    if all(one.stat().st_mode & stat.S_IXOTH for one in (*own.resolve().parents, *own.parents)):
        return sys.executable
    found = subprocess.run([_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
    if found.stdout.split() != [str(part) for part in sys.version_info[:2]]:
        pytest.skip(f"users may not execute {own.resolve()}, and {_PYTHON} is another version")
    made = subprocess.run([_PYTHON, "-m", "venv", "--without-pip", str(tools / "venv")], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"users may not execute {own.resolve()}, and no environment can be made: {made.stdout}")
    packages = tools / "venv/lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (packages / "tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n{SOURCE}\n")
    return str(tools / "venv/bin/python")


def census(user: OrdinaryUser) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """What an engine must not leave: processes, mounts, and names below /tmp and of the runtime directory."""
    mounts = Path("/proc/self/mountinfo").read_text()
    files = [str(user.runtime)] if user.runtime.exists() else []
    for name in os.listdir("/tmp"):
        with contextlib.suppress(FileNotFoundError):  # somebody else's, and gone meanwhile
            if os.lstat(f"/tmp/{name}").st_uid == user.uid:
                files.append(name)
    return [str(pid) for pid in user.processes()], [line for line in mounts.splitlines() if user.name in line], files
