#!/usr/bin/env python3
"""Times pycompose's images beside Docker's, alternating in one run, and prints a Markdown table.

What it measures: pull of an image from a docker-registry on loopback until it is ready to run, push of that image when it was pulled and
of one that was made here, each into an empty registry; a build of examples/wordpress without a cache (--wordpress, needs the Debian
archive), again unchanged, and with one late file changed; the engine's largest memory while a layer of --layer-size MB is pulled.
Each figure is the wall time of a whole command, process start included; the table gives medians and their ratio. Absolute times drift on
a busy machine: compare ratios only. Docker's classic builder is used (DOCKER_BUILDKIT=0).

    python benchmarks/images.py --image debian:bookworm-slim --docker docker --docker-host unix:///… [--wordpress]

IMAGE must be there on Docker's side; it is carried over by an archive. Everything else is made and removed here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "wordpress"
PREFIX = "pycompose-image-bench"
NETWORK = ("--network", "host")  # the same for both, whatever is wrong with bridges on this machine


@dataclass(slots=True)
class Contender:
    """One engine: its command in front of `pull`, `push`, `build` and `rmi`."""

    name: str
    image: list[str]
    environment: dict[str, str]
    times: dict[str, list[float]] = field(default_factory=dict)

    def run(self, *arguments: str, label: str | None = None, check: bool = True) -> None:
        begin = time.perf_counter()
        result = subprocess.run(
            [*self.image, *arguments], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        elapsed = time.perf_counter() - begin
        if check and result.returncode:
            text = (result.stdout + result.stderr).decode(errors="replace")
            sys.exit(f"{self.name}: {' '.join(arguments)}: {text[-2000:]}")
        if label:
            self.note(label, elapsed)

    def note(self, label: str, seconds: float) -> None:
        self.times.setdefault(label, []).append(seconds)
        print(f"{self.name}: {label}: {seconds:.2f} s", file=sys.stderr, flush=True)


@contextlib.contextmanager
def registry(directory: Path) -> Iterator[str]:
    """An empty docker-registry; yields its address."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = directory / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            time.sleep(0.02)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def alternating(contenders: list[Contender], rounds: int, work: Callable[[Contender, int], None]) -> None:
    for round_ in range(rounds):
        for contender in contenders if round_ % 2 else contenders[::-1]:
            work(contender, round_)


def unique(folder: Path, image: str) -> list[str]:
    """Arguments of a build that makes ``image``'s files a new single layer."""
    context = folder / "unique"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(
        f"FROM {image} AS base\nRUN date +%s%N > /unique\nFROM scratch\nCOPY --from=base / /\n"
    )
    return [str(context)]


def transfers(contenders: list[Contender], rounds: int, image: str, folder: Path) -> None:
    with registry(folder / "registry") as address:
        name = f"{address}/bench/base:1"
        # The image again as one layer of its own, which no other image on either side shares.
        contenders[-1].run("build", *NETWORK, "--no-cache", "-t", name, *unique(folder, image))
        contenders[-1].run("push", name)

        def pull(contender: Contender, _: int) -> None:
            contender.run("rm", "-f", name, check=False)
            contender.run("pull", name, label="pull of the image, ready to run")

        alternating(contenders, rounds, pull)

        def push_pulled(contender: Contender, _: int) -> None:
            with registry(folder / "empty") as empty:
                target = f"{empty}/bench/pulled:1"
                contender.run("tag", name, target)
                contender.run("push", target, label="push of the pulled image, empty registry")
                contender.run("rm", target)

        alternating(contenders, rounds, push_pulled)
        for contender in contenders:
            context = folder / "made"
            context.mkdir(exist_ok=True)
            (context / "Dockerfile").write_text(f"FROM {image}\nRUN cp -a /usr /copy && date > /copy/now\n")
            contender.run("build", *NETWORK, "-t", f"{PREFIX}-made", str(context))

        def push_made(contender: Contender, _: int) -> None:
            with registry(folder / "empty") as empty:
                target = f"{empty}/bench/made:1"
                contender.run("tag", f"{PREFIX}-made", target)
                contender.run("push", target, label="push of a built image, first time")
                contender.run("rm", target)
            with registry(folder / "empty") as empty:
                target = f"{empty}/bench/made:1"
                contender.run("tag", f"{PREFIX}-made", target)
                contender.run("push", target, label="push of a built image, to another registry")
                contender.run("rm", target)
            context = folder / "made"
            contender.run("rm", "-f", f"{PREFIX}-made")
            contender.run("build", *NETWORK, "--no-cache", "-t", f"{PREFIX}-made", str(context))

        alternating(contenders, rounds, push_made)
        for contender in contenders:
            contender.run("rm", "-f", f"{PREFIX}-made", name, check=False)


def builds(contenders: list[Contender], rounds: int, cold_rounds: int, folder: Path) -> None:
    parts = ("db", "wordpress", "web")
    context = folder / "wordpress"
    shutil.copytree(EXAMPLE, context)

    def build(contender: Contender, label: str, *flags: str) -> None:
        begin = time.perf_counter()
        for part in parts:
            contender.run("build", *NETWORK, *flags, "-t", f"{PREFIX}-{part}", str(context / part))
        contender.note(label, time.perf_counter() - begin)

    alternating(
        contenders, cold_rounds, lambda one, _: build(one, "build of the three WordPress images, cold", "--no-cache")
    )
    for contender in contenders:
        build(contender, "warm", "-q")
    alternating(contenders, rounds, lambda one, _: build(one, "build of the three, unchanged"))

    def unchanged(contender: Contender, _: int) -> None:
        contender.run(
            "build",
            "-t",
            f"{PREFIX}-wordpress",
            str(context / "wordpress"),
            label="build of one (wordpress), unchanged",
        )

    alternating(contenders, rounds, unchanged)
    late = context / "wordpress" / "docker-entrypoint.sh"
    text = late.read_text()

    def changed(contender: Contender, round_: int) -> None:
        late.write_text(f"{text}# {contender.name} {round_}\n")
        contender.run(
            "build",
            *NETWORK,
            "-t",
            f"{PREFIX}-wordpress",
            str(context / "wordpress"),
            label="build of one, a late file changed",
        )

    alternating(contenders, rounds, changed)
    for contender in contenders:
        contender.times.pop("warm")
        for part in parts:
            contender.run("rm", "-f", f"{PREFIX}-{part}", check=False)


class Peak:
    """The largest resident memory of a process while inside, in MB, and what it was before."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = self.largest = self._now()

    def _now(self) -> float:
        with open(f"/proc/{self._pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.largest = max(self.largest, self._now())

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def memory(contenders: list[Contender], pids: list[int], megabytes: int, image: str, folder: Path) -> list[str]:
    """Rows for a pull and a push of a layer of this size, half of it random."""
    context = folder / "large"
    context.mkdir()
    half = megabytes // 2
    (context / "Dockerfile").write_text(
        f"FROM {image}\nRUN head -c {half}M /dev/urandom > /random && head -c {half}M /dev/zero > /zeros\n"
    )
    rows = []
    with registry(folder / "registry") as address:
        for contender in contenders[::-1]:
            name = f"{address}/bench/{contender.name.split()[0].lower()}:1"
            contender.run("build", *NETWORK, "-t", name, str(context))
            contender.run("push", name)
            contender.run("rm", "-f", name)
            if contender is contenders[0]:
                subprocess.run(
                    [*contender.image[:-1], "builder", "prune", "-af"], env=contender.environment, capture_output=True
                )
        for verb in ("pull", "push"):
            cells = []
            for contender, pid in zip(contenders, pids, strict=True):
                name = f"{address}/bench/{contender.name.split()[0].lower()}:1"
                target = f"{address}/other/{contender.name.split()[0].lower()}:1"
                if verb == "push":
                    contender.run("tag", name, target)
                begin = time.perf_counter()
                with Peak(pid) as peak:
                    contender.run(verb, name if verb == "pull" else target)
                cells.append(f"{peak.before:.0f} → {peak.largest:.0f} MB, {time.perf_counter() - begin:.1f} s")
            rows.append(f"| memory during a {verb} of a layer of {megabytes} MB | {' | '.join(cells)} | |")
        for contender in contenders:
            contender.run("rm", "-f", f"{address}/bench/{contender.name.split()[0].lower()}:1", check=False)
            contender.run("rm", "-f", f"{address}/other/{contender.name.split()[0].lower()}:1", check=False)
    return rows


def table(contenders: list[Contender], extra: list[str]) -> str:
    lines = ["| | " + " | ".join(one.name for one in contenders) + " | ratio |", "|---|---|---|---|"]
    for label in contenders[0].times:
        ours, theirs = (statistics.median(one.times[label]) for one in contenders)
        lines.append(f"| {label} | {ours:.2f} s | {theirs:.2f} s | {ours / theirs:.2f} |")
    return "\n".join([*lines, *extra])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold-rounds", type=int, default=1)
    parser.add_argument("--pycompose", default="pycompose")
    parser.add_argument("--docker", default="docker")
    parser.add_argument("--docker-host", default="")
    parser.add_argument("--dockerd-pid", type=int, default=0, help="for the memory row")
    parser.add_argument("--image", default="debian:bookworm-slim")
    parser.add_argument("--no-transfers", action="store_true")
    parser.add_argument("--wordpress", action="store_true")
    parser.add_argument("--layer-size", type=int, default=0, metavar="MB")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    folder = Path(tempfile.mkdtemp(prefix="pycompose-images-", dir="/var/tmp"))
    root = folder / "root"
    own = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "COMPOSE_", "PYCOMPOSE_"))}
    docker = [arguments.docker, *(["-H", arguments.docker_host] if arguments.docker_host else []), "image"]
    contenders = [
        Contender("pycompose", [*arguments.pycompose.split(), "--root", str(root), "image"], own),
        Contender("Docker", docker, {**own, "DOCKER_BUILDKIT": "0"}),
    ]
    extra: list[str] = []
    try:
        archive = folder / "base.tar"
        contenders[1].run("save", "-o", str(archive), arguments.image)
        contenders[0].run("load", "-i", str(archive))
        if not arguments.no_transfers:
            transfers(contenders, arguments.rounds, arguments.image, folder)
        if arguments.wordpress:
            builds(contenders, arguments.rounds, arguments.cold_rounds, folder)
        if arguments.layer_size:
            status = subprocess.run(
                [*contenders[0].image[:-1], "engine", "status", "--format", "json"], capture_output=True, check=True
            )
            import json

            pids = [json.loads(status.stdout)["pid"], arguments.dockerd_pid]
            extra = memory(contenders, pids, arguments.layer_size, arguments.image, folder)
        print(table(contenders, extra))
    finally:
        subprocess.run([*contenders[0].image[:-1], "engine", "stop", "--force"], env=own, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
