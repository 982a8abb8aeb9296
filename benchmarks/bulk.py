#!/usr/bin/env python3
"""Times what is large, pycompose beside Docker Compose, alternating in one run, and prints a Markdown table.

`logs` of a container with a million lines, `cp` of a tree out of a container and into it, a snapshot of a volume (pycompose alone:
Docker has none), `config` of 100 services, and what health checks cost the engine in processor time: --probes services, one check
a second each. The floor is the same bytes moved by cat or tar, or the program of a check run by a shell.

    python benchmarks/bulk.py [--rounds 3] [--lines 1000000] [--tree-size 1024] [--volume-size 2048] [--probes 200]
        [--pycompose …] [--docker docker --docker-host unix:///…]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import processor
from compare import IMAGE, PROGRAM, Contender, busybox_rootfs, contenders_of, services, spread

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 2048
PROBE_SECONDS = 15


class Floor:
    """The same without an engine: seconds by label."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def timed(self, label: str, command: list[str]) -> None:
        begin = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        self.times.setdefault(label, []).append(time.perf_counter() - begin)


def in_turn(contenders: list[Contender], rounds: int, work: Callable[[Contender, bool], None]) -> None:
    """Everybody once a round, the first of them not counted."""
    for number in range(rounds + 1):
        for contender in contenders if number % 2 else contenders[::-1]:
            work(contender, number > 0)


def logs(contenders: list[Contender], rounds: int, lines: int, floor: Floor, folder: Path) -> None:
    label = f"`logs` of {lines:,} lines".replace(",", " ")
    file = folder / "logs.yaml"
    script = f"yes {'x' * 99} | head -n {lines}"
    file.write_text(json.dumps({"services": {"s0": {"image": IMAGE, "command": ["sh", "-c", script]}}}))
    project = ("-p", "bench-logs", "-f", str(file))
    for contender in contenders:
        contender.run(*project, "up")
    in_turn(contenders, rounds, lambda one, counts: one.run(*project, "logs", label=label if counts else None))
    for contender in contenders:
        contender.run(*project, "down", "-t", "0")
    text = folder / "lines"
    text.write_text(("x" * 99 + "\n") * lines)
    for _ in range(rounds):
        floor.timed(label, ["sh", "-c", f"cat {text} | cat"])
    text.unlink()


def trees(contenders: list[Contender], rounds: int, megabytes: int, floor: Floor, folder: Path) -> None:
    tree = folder / "tree"
    block = os.urandom(megabytes * 1048576 // FILES)
    for number in range(FILES):
        place = tree / f"{number % 32:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:04}").write_bytes(block)
    file = folder / "one.yaml"
    file.write_text(services(1))
    project = ("-p", "bench-cp", "-f", str(file))
    into, out = f"`cp` of {megabytes} MB in {FILES} files into a container", "the same out of it"
    for contender in contenders:
        contender.run(*project, "up", "-d")

    def copy(contender: Contender, counts: bool) -> None:
        contender.run(*project, "cp", str(tree), "s0:/copy", label=into if counts else None)
        back = folder / "back"
        contender.run(*project, "cp", "s0:/copy", str(back), label=out if counts else None)
        shutil.rmtree(back)
        contender.run(*project, "exec", "-T", "s0", "rm", "-r", "/copy")

    in_turn(contenders, rounds, copy)
    for contender in contenders:
        contender.run(*project, "down", "-t", "0")
    for _ in range(rounds):
        for label in (into, out):
            floor.timed(label, ["sh", "-c", f"mkdir {folder}/copy && tar -cC {tree} . | tar -xC {folder}/copy"])
            shutil.rmtree(folder / "copy")
    shutil.rmtree(tree)


def snapshot(ours: Contender, rounds: int, megabytes: int, floor: Floor, folder: Path) -> None:
    file = folder / "volume.yaml"
    fill = f"head -c {megabytes * 1048576} /dev/zero >/data/bytes; {PROGRAM}"
    service = {"image": IMAGE, "command": ["sh", "-c", fill], "volumes": ["data:/data"]}
    file.write_text(json.dumps({"services": {"s0": service}, "volumes": {"data": {}}}))
    project = ("-p", "bench-snapshot", "-f", str(file))
    label = f"`snapshot save` of {megabytes} MB"
    ours.run(*project, "up", "-d")
    while "/data/bytes" not in ours.container("exec", "bench-snapshot-s0-1", "sh", "-c", _FILLED.format(megabytes)):
        time.sleep(0.2)
    ours.run(*project, "stop", "-t", "0")
    for number in range(rounds):
        ours.run(*project, "snapshot", "save", f"bench{number}", label=label)
    bytes_ = folder / "bytes"
    subprocess.run(["head", "-c", str(megabytes * 1048576), "/dev/zero"], stdout=bytes_.open("wb"), check=True)
    floor.timed(label, ["cp", str(bytes_), f"{bytes_}2"])
    bytes_.unlink()
    for number in range(rounds):
        ours.run(*project, "snapshot", "rm", f"bench{number}")
    ours.run(*project, "down", "-v")


_FILLED = '[ "$(wc -c </data/bytes)" = "$(({0}*1048576))" ] && echo /data/bytes || true'


def config(contenders: list[Contender], rounds: int, folder: Path) -> None:
    """A blank more each time, so that no cache answers."""
    file = folder / "config.yaml"
    for number in range(rounds * 3 + 1):
        for contender in contenders if number % 2 else contenders[::-1]:
            file.write_text(services(100) + " " * number)
            contender.run("-f", str(file), "config", label="`config` of 100 services" if number else None)


def probes(contenders: list[Contender], count: int, floor: Floor, folder: Path) -> None:
    """Processor time of one check, the program's own and its launch included, where the engine's processes tell it."""
    file = folder / "probes.yaml"
    check = {"test": ["CMD", "true"], "interval": "1s", "timeout": "30s"}
    service = {"image": IMAGE, "command": ["sh", "-c", PROGRAM], "healthcheck": check}
    file.write_text(json.dumps({"services": {f"s{number}": service for number in range(count)}}))
    project = ("-p", "bench-probes", "-f", str(file))
    label = f"processor time of the engine, {count} services, one check a second each"
    for contender in contenders:
        contender.run(*project, "up", "-d")
        if contender.name == "pycompose":
            pids = processor.own_engine(contender.compose, contender.environment)[:1]
        else:
            pids = processor.docker_engine(contender.environment.get("DOCKER_HOST", ""))[0]
        before = processor.seconds(pids)
        time.sleep(PROBE_SECONDS)
        spent = (processor.seconds(pids) - before) / PROBE_SECONDS
        contender.figures[label] = f"{spent * 100:.0f} % of one processor"
        contender.run(*project, "down", "-t", "0")
    for _ in range(100):
        floor.timed("one check's program", ["/bin/busybox", "true"])


def table(contenders: list[Contender], floor: Floor) -> str:
    names = " | ".join(contender.name for contender in contenders)
    lines = [f"| | {names} | floor | ratio |", "|---|" + "---|" * (len(contenders) + 2)]
    for label, times in contenders[0].times.items():
        cells, medians = [], []
        for contender in contenders:
            own = contender.times.get(label)
            cells.append(f"{statistics.median(own):.2f} s (±{spread(own) * 1000:.0f} ms)" if own else "")
            medians += [statistics.median(own)] if own else []
        least = f"{statistics.median(floor.times[label]):.2f} s" if label in floor.times else ""
        ratio = f"{medians[0] / medians[1]:.2f}" if len(medians) > 1 and times else ""
        lines.append(f"| {label} | {' | '.join(cells)} | {least} | {ratio} |")
    for label in contenders[0].figures:
        cells = [contender.figures.get(label, "") for contender in contenders]
        lines.append(f"| {label} | {' | '.join(cells)} | | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--tree-size", type=int, default=1024, help="MB")
    parser.add_argument("--volume-size", type=int, default=2048, help="MB")
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--pycompose", default="pycompose")
    parser.add_argument("--docker", default="docker")
    parser.add_argument("--docker-host", default=os.environ.get("DOCKER_HOST"))
    options = parser.parse_args()
    floor = Floor()
    with tempfile.TemporaryDirectory(prefix="pycompose-bench-") as name:
        folder = Path(name)
        contenders = contenders_of(options.pycompose, str(folder / "root"), options.docker, options.docker_host)
        ours = contenders[0]
        try:
            for contender in contenders:
                contender.import_image(busybox_rootfs("rm", "wc"))
            logs(contenders, options.rounds, options.lines, floor, folder)
            trees(contenders, options.rounds, options.tree_size, floor, folder)
            snapshot(ours, options.rounds, options.volume_size, floor, folder)
            config(contenders, options.rounds, folder)
            if options.probes:
                probes(contenders, options.probes, floor, folder)
        finally:
            print(table(contenders, floor))
            subprocess.run([*ours.compose, "engine", "stop", "--force"], env=ours.environment, check=False)


if __name__ == "__main__":
    main()
