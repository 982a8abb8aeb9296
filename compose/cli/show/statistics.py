"""Resource usage of containers, computed and shown as ``docker stats`` does."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from ....grammar import sizes
from ...errors import EngineError
from . import format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...client import Engine
    from ...client.bodies.stats import CpuStats, Stats

COLUMNS = (
    ("CONTAINER ID", "ID"),
    ("NAME", "Name"),
    ("CPU %", "CPUPerc"),
    ("MEM USAGE / LIMIT", "MemUsage"),
    ("MEM %", "MemPerc"),
    ("NET I/O", "NetIO"),
    ("BLOCK I/O", "BlockIO"),
    ("PIDS", "PIDs"),
)

REFRESH = 0.5
"""Seconds between two drawings of the live table."""


def stat_row(name: str, identity: str, tree: Stats | None, *, full_id: bool = False) -> format.Row:
    """One sample as a row; dashes for a container that gives none."""
    row: format.Row = {"Container": name, "ID": identity if full_id else identity[:12], "Name": name}
    if not tree or not tree.get("memory_stats"):
        return {
            **row,
            "CPUPerc": "--",
            "MemUsage": "-- / --",
            "MemPerc": "--",
            "NetIO": "--",
            "BlockIO": "--",
            "PIDs": "--",
        }
    memory = tree["memory_stats"]
    used = float(memory.get("usage") or 0)
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0)) or 0
    used = used - cache if cache < used else used
    limit = float(memory.get("limit") or 0)
    networks = (tree.get("networks") or {}).values()
    received = sum(float(one.get("rx_bytes") or 0) for one in networks)
    sent = sum(float(one.get("tx_bytes") or 0) for one in networks)
    read = written = 0.0
    for one in (tree.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ():
        if str(one.get("op", "")).lower() == "read":
            read += float(one.get("value") or 0)
        elif str(one.get("op", "")).lower() == "write":
            written += float(one.get("value") or 0)
    return {
        **row,
        "CPUPerc": f"{cpu_percent(tree):.2f}%",
        "MemUsage": f"{sizes.binary(used)} / {sizes.binary(limit)}",
        "MemPerc": f"{used / limit * 100 if limit else 0.0:.2f}%",
        "NetIO": f"{format.size(received)} / {format.size(sent)}",
        "BlockIO": f"{format.size(read)} / {format.size(written)}",
        "PIDs": str((tree.get("pids_stats") or {}).get("current") or 0),
    }


def cpu_percent(tree: Stats) -> float:
    """The share of one processor since the sample before, in percent."""
    now, before = tree.get("cpu_stats", {}), tree.get("precpu_stats", {})

    def total(sample: CpuStats) -> float:
        return float((sample.get("cpu_usage") or {}).get("total_usage") or 0)

    spent = total(now) - total(before)
    system = float(now.get("system_cpu_usage") or 0) - float(before.get("system_cpu_usage") or 0)
    if system <= 0 or spent <= 0:
        return 0.0
    processors = int(now.get("online_cpus") or 0) or len((now.get("cpu_usage") or {}).get("percpu_usage") or ()) or 1
    return spent / system * processors * 100.0


def show_stats(
    engine: Engine,
    containers: Sequence[tuple[str, str]],
    form: str | None,
    *,
    stream: bool,
    full_id: bool = False,
    by_id: bool = False,
) -> None:
    """``containers`` are (id, name). Live until Ctrl-C, or one sample of each. ``by_id``: {{.Container}} is the id."""
    samples: dict[str, Stats] = {}
    changed = threading.Condition()
    ended: set[str] = set()

    def read(identity: str) -> None:
        try:
            for sample in engine.containers.stats(identity, stream=stream):
                with changed:
                    samples[identity] = sample
                    changed.notify_all()
                if not stream:
                    break
        except EngineError:
            samples.pop(identity, None)
        with changed:
            ended.add(identity)
            changed.notify_all()

    for identity, _ in containers:
        threading.Thread(target=read, args=(identity,), daemon=True).start()

    def rows() -> list[format.Row]:
        found = [stat_row(name, identity, samples.get(identity), full_id=full_id) for identity, name in containers]
        return [{**row, "Container": row["ID"]} for row in found] if by_id else found

    if not stream:
        with changed:
            changed.wait_for(lambda: len(ended) == len(containers))
        print(format.show(form, rows(), COLUMNS))
        return
    live = sys.stdout.isatty() and form in (None, "table")
    while len(ended) < len(containers):
        with changed:
            changed.wait(REFRESH)
        text = format.show(form, rows(), COLUMNS)
        print(f"\033[2J\033[H{text}" if live else text, flush=True)
