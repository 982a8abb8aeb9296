#!/usr/bin/env python3
"""Times what podman has without Compose beside pycompose's container commands, alternating in one run; a Markdown table.

    python benchmarks/podman.py [--rounds 7] [--podman podman] [--pycompose …]

One container without a network, from an image of one file: run to its end, a program in one that runs, the list, removal by force.
podman keeps its state in a directory of this run's own (overlay on the same disk, cgroupfs), so that nothing of the host's is touched.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from compare import IMAGE, PROGRAM, Contender, busybox_rootfs, contenders_of, table

NAME = "pycompose-bench"


def podman_of(command: str, folder: Path, environment: dict[str, str]) -> Contender:
    own = [
        command,
        "--root",
        str(folder / "podman"),
        "--runroot",
        str(folder / "podman-run"),
        "--cgroup-manager",
        "cgroupfs",
    ]
    limits = folder / "containers.conf"
    # Its defaults are higher than what a machine in a container may set.
    limits.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
    return Contender("podman", own, own, environment | {"CONTAINERS_CONF": str(limits)}, 0)


def measure(contenders: list[Contender], rounds: int) -> None:
    steps = (
        (("run", "--rm", "--network", "none", IMAGE, "true"), "`run --rm --network none … true`"),
        (("run", "-d", "--name", NAME, "--network", "none", IMAGE, "sh", "-c", PROGRAM), "`run -d --network none`"),
        (("exec", NAME, "true"), "`exec … true`"),
        (("ps",), "`ps`"),
        (("rm", "-f", NAME), "`rm -f`"),
    )
    for number in range(rounds + 1):
        for contender in contenders if number % 2 else contenders[::-1]:
            for words, label in steps:
                contender.container(*words, label=label if number else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--podman", default="podman")
    parser.add_argument("--pycompose", default="pycompose")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pycompose-bench-") as name:
        folder = Path(name)
        ours = contenders_of(options.pycompose, str(folder / "root"), "", None)[0]
        theirs = podman_of(options.podman, folder, ours.environment)
        try:
            for contender in (ours, theirs):
                contender.import_image(busybox_rootfs())
            measure([ours, theirs], options.rounds)
            print(table([ours, theirs]))
        finally:
            subprocess.run([*theirs.plain, "rm", "-fa", "-t", "0"], capture_output=True, check=False)
            subprocess.run([*ours.compose, "engine", "stop", "--force"], env=ours.environment, check=False)
            subprocess.run(["umount", str(folder / "podman" / "overlay")], capture_output=True, check=False)


if __name__ == "__main__":
    main()
