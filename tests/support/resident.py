"""A resident process of a test's own: one variable that an interpreter would read at its start keeps it apart from others."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .command import PYCOMPOSE
from .engine_root import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

_BYTECODE = tempfile.TemporaryDirectory(prefix="pycompose-resident-bytecode-")
_RUNTIME = tempfile.TemporaryDirectory(prefix="pycompose-resident-")


class ResidentProcess:
    """Started by an ordinary command; gone at the end, with everything it had."""

    def __init__(self, directory: Path, idle: float = 60) -> None:
        self.directory = directory
        # The directory's name is the test's own.
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
            "MALLOC_PYCOMPOSE_TEST": str(directory),
            "PYCOMPOSE_WARM_IDLE": str(idle),
            "PYTHONPYCACHEPREFIX": _BYTECODE.name,
        }
        if os.geteuid():
            # Who has not logged in has no directory for this boot, and then there is no resident.
            self.environment["XDG_RUNTIME_DIR"] = _RUNTIME.name
        program = "from pycompose.launcher import *; print(resident_directory(), resident_name(), sep='/')"
        python = PYCOMPOSE.read_text().splitlines()[0].removeprefix("#!")
        done = subprocess.run([python, "-c", program], env=self.environment, capture_output=True, text=True, check=True)
        self.path = Path(done.stdout.strip())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """By a command that finds none, and so runs in its own process."""
        self.run("version")
        self.await_ready()

    def await_ready(self) -> None:
        """The resident and a worker that waits."""
        wait_for(lambda: len(self.pids()) == 2, lambda: f"no resident at rest: {self.pids()}", patience=60)

    def stop(self) -> None:
        for pid in self.pids():
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not self.pids(), lambda: f"still there: {self.pids()}")
        self.path.unlink(missing_ok=True)
        self.path.with_name(f"{self.path.name}.lock").unlink(missing_ok=True)

    def pids(self) -> list[int]:
        """The resident and its workers."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                    ended = (
                        Path(f"/proc/{entry}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
                    )
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if os.fsencode(self.path) in words and not ended:
                    found.append(int(entry))
        return sorted(found)

    @property
    def pid(self) -> int:
        """The resident itself: the one whose parent is none of them."""
        pids = self.pids()
        (own,) = [pid for pid in pids if parent(pid) not in pids]
        return own

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def private_kilobytes(self) -> int:
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))

    def run(
        self, *words: str, warm: bool = True, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        variables: Mapping[str, str] = {} if warm else {"PYCOMPOSE_WARM": "0"}
        return subprocess.run(
            [str(PYCOMPOSE), *words],
            cwd=self.directory,
            env={**self.environment, **variables, **environment},
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(PYCOMPOSE), *words],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,  # as a shell starts a job: in an orphaned group the kernel ignores SIGTSTP
        )


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
