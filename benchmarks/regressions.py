#!/usr/bin/env python3
"""Compares the commands of this checkout with those of another commit, and names the verbs that lost more than 5 %.

Both run in turn by one interpreter, each in an environment and on an engine of its own code, alone and (where a commit has it) through its resident
process. What is compared is the ratio of medians of wall time; beside it stands that of instructions, which noise cannot hide, when
valgrind is there (--instructions; some seconds a command). A second table compares what one round costs the engine, its shims and the
containers on their way to their program in processor time: a busy machine stretches it far less than wall time.

    python benchmarks/regressions.py REVISION [--rounds 15] [--instructions] [--limit 1.05]

Ends with 1 when a verb lost more than the limit.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path

import processor
from compare import IMAGE, busybox_rootfs, services

CHECKOUT = Path(__file__).resolve().parents[1]
COUNT = 10

VERBS: dict[str, tuple[str, ...]] = {
    "up": ("up", "-d"),
    "up again": ("up", "-d"),
    "ps": ("ps",),
    "ls": ("ls",),
    "port": ("port", "s0", "80"),
    "exec": ("exec", "-T", "s0", "true"),
    "logs": ("logs",),
    "config": ("config",),
    "restart one": ("restart", "-t", "0", "s0"),
    "down": ("down",),
}
"""In an order that leaves nothing."""

QUIET = ("ps", "ls", "exec", "up again", "config")
"""Those of which instructions are counted: they change nothing."""


@dataclass(slots=True)
class Side:
    """One commit: its tree, its engine's root, what its commands took."""

    name: str
    tree: Path
    root: Path
    warm: bool
    python: Path
    times: dict[str, list[float]] = field(default_factory=dict)
    instructions: dict[str, int] = field(default_factory=dict)
    engine: list[float] = field(default_factory=list)
    shims: list[float] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL") if key in os.environ}
        # An engine that has nothing to do ends, which a busy machine can make happen between two commands.
        kept |= {"PYCOMPOSE_ROOT": str(self.root), "PYCOMPOSE_IDLE_TIMEOUT": "0"}
        return kept | {"PYCOMPOSE_WARM": str(int(self.warm))}

    def command(self, words: tuple[str, ...]) -> list[str]:
        package = "pycompose." if (self.tree / "pycompose").is_dir() else ""  # before there was one
        entry = "launcher" if self.warm else "compose.cli.main"
        # -P: what lies in the current directory is neither side's.
        program = f"import sys; from {package}{entry} import main; sys.exit(main())"
        return [str(self.python), "-P", "-c", program, *words]

    def run(self, words: tuple[str, ...], label: str = "", stdin: bytes = b"") -> None:
        begin = time.perf_counter()
        done = subprocess.run(self.command(words), env=self.environment, input=stdin, capture_output=True, check=False)
        elapsed = time.perf_counter() - begin
        # `port` of a service that publishes none is an answer as well.
        if done.returncode and "port" not in words:
            sys.exit(f"{self.name}: {' '.join(words)}: {done.stderr.decode(errors='replace')[-2000:]}")
        if label:
            self.times.setdefault(label, []).append(elapsed)

    def count(self, words: tuple[str, ...], label: str) -> None:
        """Instructions of the process that was started, without any resident."""
        output = self.root.with_name("callgrind.out")
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", "--log-file=/dev/null"]
        command, alone = self.command(words), {"PYTHONHASHSEED": "0", "PYCOMPOSE_WARM": "0"}
        for way in (command, [*tool, *command]):  # once without being counted: bytecode is compiled, caches are filled
            subprocess.run(way, env=self.environment | alone, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        found = re.search(r"^(?:summary|totals): (\d+)", output.read_text(), re.MULTILINE)
        if found:
            self.instructions[label] = int(found[1])


def side_of(name: str, tree: Path, root: Path) -> Side:
    """The tree with an interpreter that finds its modules and our libraries, by -I too, with which engines are started: variables
    such as PYTHONPATH would give both sides the engine that is installed."""
    place = root.with_name(f"{root.name}-python")
    venv.create(place, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    (packages / "paths.pth").write_text(f"{tree}\n{sysconfig.get_path('purelib')}\n")
    return Side(name, tree, root, (tree / "pycompose" / "launcher.py").exists(), place / "bin" / "python")


def rounds(sides: list[Side], count: int, file: Path) -> None:
    project = ("-p", "bench", "-f", str(file))
    for number in range(count + 1):
        for side in sides if number % 2 else sides[::-1]:
            engine, keeper = processor.own_engine(side.command(()), side.environment)
            before = processor.seconds([engine]), processor.seconds([keeper])
            for label, words in VERBS.items():
                # The first round compiles and warms, and is not counted.
                side.run((*project, *words), label if number else "")
            if number:
                side.engine.append(processor.seconds([engine]) - before[0])
                side.shims.append(processor.seconds([keeper]) - before[1])


def instructions(sides: list[Side], file: Path) -> None:
    project = ("-p", "bench", "-f", str(file))
    for side in sides:
        side.run((*project, "up", "-d"))
        for label in QUIET:
            side.count((*project, *VERBS[label]), label)
        side.run((*project, "down"))


def report(old: Side, new: Side, limit: float) -> tuple[str, list[str]]:
    """A Markdown table, and the verbs that lost more than ``limit``."""
    lines = [f"| | {old.name} | {new.name} | ratio | instructions |", "|---|---|---|---|---|"]
    lost = []
    for label in VERBS:
        before, after = statistics.median(old.times[label]), statistics.median(new.times[label])
        counted = ""
        ratio = after / before
        if label in old.instructions and label in new.instructions:
            exact = new.instructions[label] / old.instructions[label]
            counted = f"{old.instructions[label] / 1e6:.0f} → {new.instructions[label] / 1e6:.0f} M ({exact:.2f})"
        lines.append(f"| `{label}` | {before * 1000:.0f} ms | {after * 1000:.0f} ms | {ratio:.2f} | {counted} |")
        if ratio > limit:
            lost.append(label)
    lines += ["", f"| processor time of a round, {COUNT} services | before | now | ratio |", "|---|---|---|---|"]
    for label, earlier, later in (("engine", old.engine, new.engine), ("shims, containers", old.shims, new.shims)):
        before, after = statistics.median(earlier), statistics.median(later)
        lines.append(f"| {label} | {before * 1000:.0f} ms | {after * 1000:.0f} ms | {after / before:.2f} |")
        if after / before > limit:
            lost.append(f"processor time of {label}")
    return "\n".join(lines), lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--limit", type=float, default=1.05)
    parser.add_argument("--instructions", action="store_true", help="count them with valgrind as well")
    options = parser.parse_args()
    if options.instructions and not shutil.which("valgrind"):
        sys.exit("valgrind is missing: apt-get install valgrind")
    with tempfile.TemporaryDirectory(prefix="pycompose-bench-") as name:
        folder = Path(name)
        file = folder / "compose.yaml"
        file.write_text(services(COUNT))
        tree = folder / "tree"
        archive = subprocess.run(
            ["git", "-C", str(CHECKOUT), "archive", options.revision], stdout=subprocess.PIPE, check=False
        )
        if archive.returncode:
            sys.exit(f"{options.revision} is no commit of {CHECKOUT}")
        tree.mkdir()
        subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
        sides = [side_of(options.revision, tree, folder / "old"), side_of("this checkout", CHECKOUT, folder / "new")]
        try:
            for side in sides:
                side.run(("image", "import", "-", IMAGE), stdin=busybox_rootfs())
            rounds(sides, options.rounds, file)
            if options.instructions:
                instructions(sides, file)
        finally:
            for side in sides:
                subprocess.run(side.command(("engine", "stop", "--force")), env=side.environment, check=False)
        text, lost = report(*sides, options.limit)
    print(text)
    if lost:
        sys.exit(f"lost more than {(options.limit - 1) * 100:.0f} %: {', '.join(lost)}")


if __name__ == "__main__":
    main()
