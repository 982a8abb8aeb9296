#!/usr/bin/env python3
"""All benchmarks, one after the other, as one Markdown report with the date, the machine, its load and everybody's versions.

    python benchmarks/run.py [--docker docker --docker-host unix:///…] [--podman podman] [--pycompose …] [--against REVISION]
        [--report FILE] [--svg docs/growth.svg] [--quick] [--only compare,growth,bulk,images,regressions]

A part that fails says so in its place, and the others go on; the exit code is then 1. --quick: few rounds, little data, to see that
it all works. Parts: compare.py (the commands, memory, log), growth.py (1 to 500 services, and the plot), bulk.py (what is large),
images.py (pull, push, build; needs --image), regressions.py (needs --against; instructions where valgrind is there). podman is asked
for what it has without Compose: one container's launch, exec and list (podman.py).
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Part:
    """One script, and what it is told."""

    title: str
    script: str
    arguments: tuple[str, ...]


def parts(options: argparse.Namespace) -> list[Part]:
    quick = options.quick
    ours = ("--pycompose", options.pycompose)
    theirs = ("--docker", options.docker, *(("--docker-host", options.docker_host) if options.docker_host else ()))
    large = () if quick else ("--large",)
    small = ("--lines", "20000", "--tree-size", "16", "--volume-size", "64", "--probes", "5") if quick else ()
    counts = "1,10" if quick else "1,10,100,500"
    rounds = ("--rounds", "1" if quick else str(options.rounds))
    plot = ("--svg", str(options.svg)) if options.svg else ()
    found = [
        Part("Commands", "compare.py", (*ours, *theirs, *rounds, *large)),
        Part("Growth", "growth.py", (*ours, *theirs, *rounds, "--counts", counts, *plot)),
        Part("What is large", "bulk.py", (*ours, *theirs, "--rounds", "1" if quick else "3", *small)),
    ]
    if options.podman:
        found.append(Part("Beside podman", "podman.py", (*ours, "--podman", options.podman, *rounds)))
    if options.image:
        found.append(Part("Images", "images.py", (*ours, *theirs, *rounds, "--image", options.image)))
    if options.against:
        counted = ("--instructions",) if shutil.which("valgrind") and not quick else ()
        found.append(Part(f"Since {options.against}", "regressions.py", (options.against, *rounds, *counted)))
    wanted = set(options.only.split(",")) if options.only else None
    return [part for part in found if wanted is None or part.script.removesuffix(".py") in wanted]


def versions(options: argparse.Namespace) -> list[str]:
    """Whatever says its version; what is not there says nothing."""
    environment = os.environ | ({"DOCKER_HOST": options.docker_host} if options.docker_host else {})
    asked: list[Sequence[str]] = [
        [options.pycompose, "version", "--short"],
        [options.docker, "compose", "version"],
        [options.docker, "version", "--format", "dockerd {{.Server.Version}}"],
        [options.podman or "podman", "--version"],
    ]
    found = []
    for command in asked:
        if shutil.which(command[0]):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                found.append(done.stdout.strip().splitlines()[0])
    return found


def heading(options: argparse.Namespace) -> str:
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    machine = f"Linux {platform.release()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {load}; {machine}; {'; '.join(versions(options))}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pycompose", default="pycompose")
    parser.add_argument("--docker", default="docker")
    parser.add_argument("--docker-host", default=os.environ.get("DOCKER_HOST"))
    parser.add_argument("--podman", default=shutil.which("podman") or "")
    parser.add_argument("--image", default="", help="an image of Docker's to pull, push and build on")
    parser.add_argument("--against", default="", help="a commit to compare with")
    parser.add_argument("--report", type=Path, help="a file for the report, which is printed as well")
    parser.add_argument("--svg", type=Path, help="a file for the plot of growth")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="these scripts, without .py, separated by commas")
    options = parser.parse_args()
    options.pycompose = shutil.which(options.pycompose) or options.pycompose
    text, failed = [heading(options)], []
    print(text[0], flush=True)
    for part in parts(options):
        command = [sys.executable, str(HERE / part.script), *part.arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        section = f"\n## {part.title}\n\n{done.stdout.rstrip()}"
        if done.returncode:
            failed.append(part.script)
            section += f"\n\n{part.script} ended with exit code {done.returncode}."
        print(section, flush=True)
        text.append(section)
    text.append(f"\nAt the end: load {' '.join(f'{one:.1f}' for one in os.getloadavg())}")
    print(text[-1])
    if options.report:
        options.report.write_text("\n".join(text) + "\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
