"""A RootRunner for tests of images alone: unshare, an overlay, a chroot. The engine's own runner is engine/build/runner.py."""

from __future__ import annotations

import os
import subprocess
from io import BufferedReader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_SETUP = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK" "$POINT"
mount -t proc proc "$POINT/proc"
mount -t tmpfs tmpfs "$POINT/dev"
for node in null zero full random urandom tty; do touch "$POINT/dev/$node"; mount --bind "/dev/$node" "$POINT/dev/$node"; done
mkdir "$POINT/dev/pts" "$POINT/dev/shm"; ln -s /proc/self/fd "$POINT/dev/fd"
exec env -i "$@"
"""


def chroot_runner(
    *,
    lower: Sequence[Path],
    upper: Path,
    work: Path,
    args: Sequence[str],
    env: Mapping[str, str],
    network: bool,
    output: Callable[[bytes], None],
) -> int:
    """Run ``args`` in a new pid and mount namespace on the overlay; output goes to ``output``; returns the exit code."""
    point = work.parent / "chroot-point"
    point.mkdir()
    command = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"),
        *([] if network else ["--net"]),
        *("sh", "-c", _SETUP, "sh"),
        *(f"{key}={value}" for key, value in env.items()),
        *("chroot", str(point), *args),
    ]
    variables = {
        "LOWER": ":".join(map(str, lower)),
        "UPPER": str(upper),
        "WORK": str(work),
        "POINT": str(point),
        "PATH": os.environ["PATH"],
    }
    try:
        with subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert isinstance(process.stdout, BufferedReader)
            while data := process.stdout.read1(65536):
                output(data)
        return process.returncode
    finally:
        point.rmdir()
