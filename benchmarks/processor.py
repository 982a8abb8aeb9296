"""Processor time of an engine's processes, those included that have ended: noise on a busy machine hides it less than wall time."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds(pids: Sequence[int]) -> float:
    """User and system time of these processes and of all their children that have been waited for."""
    return sum(_of(pid) for pid in pids)


def _of(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0.0
    # proc_pid_stat(5): utime, stime, cutime, cstime are the fields 14 to 17, counted from behind the name.
    return sum(map(int, text.rpartition(")")[2].split()[11:15])) / _TICKS


def own_engine(compose: Sequence[str], environment: Mapping[str, str]) -> list[int]:
    """Engine and keeper of pycompose; shims and containers are the keeper's children."""
    command = [*compose, "engine", "status", "--format", "json"]
    status = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    return [status["pid"], status["keeper_pid"]]


def children(pid: int) -> list[int]:
    """Those that are alive now."""
    return [one for one, parent in parents().items() if parent == pid]


def parents() -> dict[int, int]:
    """The parent of every process."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_text(errors="replace")
            except OSError:
                continue
            found[int(entry)] = int(text.rpartition(")")[2].split()[1])
    return found


def docker_engine(host: str) -> tuple[list[int], list[int]]:
    """The daemon that listens at ``host`` (unix:///…) with its containerd, and the shims of its containers. Empty where it has not
    started its containerd itself, so that nothing tells whose shim is whose."""
    lines = {pid: _command(pid) for pid in parents()}
    daemons = [pid for pid, line in lines.items() if "dockerd" in line and host in line.split()]
    under = {pid for daemon in daemons for pid in children(daemon)}
    for pid in under:
        words = lines.get(pid, "").split()
        if words and words[0].endswith("containerd") and "--config" in words:
            place = os.path.dirname(words[words.index("--config") + 1])
            shims = [one for one, line in lines.items() if "containerd-shim" in line and f"{place}/" in line]
            return [*daemons, pid], shims
    return daemons, []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def pss(pids: Sequence[int]) -> float:
    """Memory in MB, shared pages in proportion; what has ended meanwhile has none."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024
