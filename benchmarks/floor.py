#!/usr/bin/env python3
"""What cannot be gone below: the kernel's and the interpreter's own time, measured by small programs without pycompose.

    python benchmarks/floor.py

A container: namespaces, an overlay root, a veth pair, busybox's `true`, and the end of all of it, by one `unshare`. A command: an
interpreter that does nothing. Medians of seconds.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15
_CONTAINER = """\
set -e
mount -t tmpfs none "$1"
mkdir "$1/lower" "$1/upper" "$1/work" "$1/root"
cp "$2" "$1/lower/true"
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/root"
exec chroot "$1/root" /true
"""


def container_floor(rounds: int = ROUNDS) -> float:
    """One container that runs `true`: seconds. Needs root, unshare and busybox."""
    busybox = shutil.which("busybox")
    if busybox is None:
        sys.exit("busybox is missing: apt-get install busybox-static")
    with tempfile.TemporaryDirectory(prefix="pycompose-floor-") as name:
        script = Path(name) / "script"
        script.write_text(_CONTAINER)
        point = Path(name) / "point"
        point.mkdir()
        namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork"]
        return _median(["unshare", *namespaces, "sh", str(script), str(point), busybox], rounds)


def interpreter_floor(rounds: int = ROUNDS) -> float:
    """Python without `site` and without a program: seconds."""
    return _median([sys.executable, "-S", "-E", "-c", "pass"], rounds)


def _median(command: list[str], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


if __name__ == "__main__":
    print(f"a container: {container_floor() * 1000:.1f} ms\na command: {interpreter_floor() * 1000:.1f} ms")
