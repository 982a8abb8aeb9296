#!/usr/bin/env python3
"""How `up`, `down`, `ps` and an `up` with nothing to do grow with the number of services; prints a table and writes an SVG.

    python benchmarks/growth.py --pycompose .venv/bin/pycompose [--counts 1,10,100,500] [--rounds 3] [--svg docs/growth.svg]
        [--docker docker --docker-host unix:///…]

Times are wall times of whole commands, medians. The last column is what one more service costs: the slope between the two largest counts,
and beside it what the kernel takes for one container without anybody's engine (benchmarks/floor.py).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from compare import Contender, busybox_rootfs, contenders_of, projects
from floor import container_floor
from plot import plot, slope

LARGE = 500
"""From so many services on one round has to do."""
LABELS = ("`up -d`", "`up -d` again", "`ps`", "`down`")


def series(contender: Contender, label: str, counts: tuple[int, ...]) -> list[tuple[float, float]]:
    """Count and median seconds, for the counts that were measured."""
    found = []
    for count in counts:
        times = contender.times.get(f"{label}, {count} services")
        if times:
            found.append((float(count), statistics.median(times)))
    return found


def table(contenders: list[Contender], counts: tuple[int, ...], floor: float) -> str:
    heads = " | ".join(f"{count}" for count in counts)
    lines = [f"| | {heads} | one more |", "|---|" + "---|" * (len(counts) + 1)]
    for label in LABELS:
        for contender in contenders:
            line = series(contender, label, counts)
            found = dict(line)
            cells = " | ".join(f"{found[count]:.3f} s" if count in found else "" for count in counts)
            lines.append(f"| {label}, {contender.name} | {cells} | {slope(line[-2:]) * 1000:.1f} ms |")
    lines.append(f"| the kernel's part of one container | {' | ' * (len(counts) - 1)} | {floor * 1000:.1f} ms |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="1,10,100,500")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pycompose", default="pycompose")
    parser.add_argument("--docker", default="")
    parser.add_argument("--docker-host", default=os.environ.get("DOCKER_HOST"))
    parser.add_argument(
        "--docker-largest", type=int, default=100, help="more services than these only pycompose starts"
    )
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    counts = tuple(int(word) for word in options.counts.split(","))
    with tempfile.TemporaryDirectory(prefix="pycompose-bench-") as name:
        folder = Path(name)
        contenders = contenders_of(options.pycompose, str(folder / "root"), options.docker, options.docker_host)
        ours = contenders[0]
        try:
            for contender in contenders:
                contender.import_image(busybox_rootfs())
            for count in counts:
                those = contenders if count <= options.docker_largest else contenders[:1]
                projects(those, options.rounds if count < LARGE else 1, folder, (count,))
        finally:
            subprocess.run([*ours.compose, "engine", "stop", "--force"], env=ours.environment, check=False)
    print(table(contenders, counts, container_floor()))
    if options.svg:
        lines = {
            f"{label.strip('`').replace('`', '')}, {contender.name}": series(contender, label, counts)
            for contender in contenders
            for label in LABELS
        }
        options.svg.write_text(plot("Wall time by number of services", lines, "services", "seconds"))


if __name__ == "__main__":
    main()
