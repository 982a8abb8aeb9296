"""The installed `pycompose` command on an engine root of its own, as a user would type it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pycompose.compose.cli.show.fault import WORDS

from .busybox_image import busybox_rootfs
from .engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator

PYCOMPOSE = Path(sys.executable).with_name("pycompose")

# A resident process may still write into it when the tests have ended.
_BYTECODE = tempfile.TemporaryDirectory(prefix="pycompose-bytecode-", ignore_cleanup_errors=True)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Command:
    """Runs `pycompose --root ROOT …` in ``directory``. A traceback on stderr fails the test, whatever the exit code."""

    root: Path
    directory: Path

    def __call__(
        self, *arguments: str, check: bool = True, stdin: bytes = b"", timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DOCKER_", "COMPOSE_", "PYCOMPOSE_"))
            or key in ("PYCOMPOSE_LOOP_REPORT", "PYCOMPOSE_WARM")
        }
        if clean.pop("PYTHONDONTWRITEBYTECODE", ""):
            # Compiling everything anew would take half the time of each of hundreds of commands.
            clean["PYTHONPYCACHEPREFIX"] = _BYTECODE.name
        result = subprocess.run(
            [str(PYCOMPOSE), "--root", str(self.root), *arguments],
            cwd=self.directory,
            env=clean | environment,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        out, err = result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace")
        assert "Traceback" not in err and WORDS not in err, err
        if check:
            assert result.returncode == 0, f"{' '.join(arguments)}: exit {result.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(result.args, result.returncode, out, err)

    def engine(self) -> dict[str, Any]:
        """`engine status`: version, root, socket, pid, keeper_pid, containers."""
        status: dict[str, Any] = json.loads(self("engine", "status", "--format", "json").stdout)
        return status

    def ps(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """`ps --all`, by container name."""
        rows = map(json.loads, self(*arguments, "ps", "--all", "--format", "json").stdout.splitlines())
        return {row["Name"]: row for row in rows}


@contextmanager
def root_with_box(root: Path) -> Iterator[Path]:
    """An engine with busybox as the image ``box``, whose command is a shell; it is ended, and nothing may be left."""
    command = Command(root, root)
    command("image", "import", "-c", 'CMD ["sh"]', "-", "box", stdin=busybox_rootfs().read())
    yield root
    command("engine", "stop", "--force")
    assert_nothing_left(root)
