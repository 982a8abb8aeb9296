#!/usr/bin/env python3
"""Times pycompose beside Docker Compose, alternating in one run, and prints a Markdown table.

What it measures: `up -d`, `up -d` with nothing to do, `ps`, `exec … true` and `down` for 1, 3 and 10 services, the launch of one
container, `config` of the example and of 100 services, how fast one container's output gets into its log, what engine and shims
keep in memory; with --large the commands for 100 services; with --wordpress `up` of examples/wordpress on empty volumes to its
first page, images already built. Each time is the wall time of a whole command, process start included; the table gives medians
with half their quartiles' distance, and their ratio; below it stands the floor (floor.py). Absolute times drift on a busy machine: compare ratios only. Docker's column is left out where `docker compose`
or its daemon is missing. PYTHONDONTWRITEBYTECODE is unset, since an installed pycompose has its bytecode.

    python benchmarks/compare.py --rounds 7 --pycompose .venv/bin/pycompose [--docker docker --docker-host unix:///…]
        [--large] [--wordpress]
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import processor
from floor import container_floor, interpreter_floor

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "wordpress" / "compose.yaml"
IMAGE = "pycompose-bench-busybox"
# A shell as process 1 ends at once on SIGTERM only when it has a trap for it.
PROGRAM = "trap 'exit 0' TERM; sleep 1000000 & wait"


class Failed(SystemExit):
    """A command that ended with an error: the end of ours, and of another contender's part in what is measured just then."""


@dataclass(slots=True)
class Contender:
    """One way to run a Compose file: the command in front of `up`, and where it runs."""

    name: str
    compose: list[str]
    plain: list[str]
    environment: dict[str, str]
    port: int
    times: dict[str, list[float]] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, label: str | None = None) -> None:
        """A compose command; its time is kept under ``label``."""
        self._timed([*self.compose, *arguments], label)

    def container(self, *arguments: str, label: str | None = None) -> str:
        """A container command (`docker run …`); what it printed."""
        return self._timed([*self.plain, *arguments], label)

    def import_image(self, rootfs: bytes) -> None:
        command = self.plain if self.name != "pycompose" else [*self.compose, "image"]
        subprocess.run(
            [*command, "import", "-", IMAGE], env=self.environment, input=rootfs, check=True, stdout=subprocess.DEVNULL
        )

    def _timed(self, command: list[str], label: str | None) -> str:
        begin = time.perf_counter()
        result = subprocess.run(
            command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        elapsed = time.perf_counter() - begin
        if result.returncode:
            raise Failed(f"{self.name}: {' '.join(command)}: {result.stderr.decode(errors='replace')[-2000:]}")
        if label:
            self.times.setdefault(label, []).append(elapsed)
        return result.stdout.decode(errors="replace")


def busybox_rootfs(*more: str) -> bytes:
    """A tar of one static busybox with the applets the benchmark uses, and ``more`` of them."""
    busybox = shutil.which("busybox")
    if busybox is None:
        sys.exit("busybox is missing: apt-get install busybox-static")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(busybox, "bin/busybox")
        for applet in ("cat", "head", "sh", "sleep", "true", "yes", *more):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()


def services(count: int) -> str:
    lines = ["services:"]
    for number in range(count):
        lines += [f"  s{number}:", f"    image: {IMAGE}", f'    command: ["sh", "-c", "{PROGRAM}"]']
    return "\n".join(lines) + "\n"


def projects(contenders: list[Contender], rounds: int, folder: Path, counts: tuple[int, ...]) -> None:
    for count in counts:
        file = folder / f"compose-{count}.yaml"
        file.write_text(services(count))
        there = list(contenders)
        for round_ in range(rounds + 1):
            for contender in list(there if round_ % 2 else there[::-1]):
                project = ("-p", f"bench{count}", "-f", str(file))
                try:
                    verbs(contender, project, count, counts=round_ > 0)
                except Failed as failure:
                    if contender is contenders[0]:
                        raise
                    print(failure, file=sys.stderr)
                    there.remove(contender)


def verbs(contender: Contender, project: tuple[str, ...], count: int, *, counts: bool) -> None:
    """Once through a project's life. The first round warms caches on both sides and does not count."""
    for verb, label in (
        (("up", "-d"), f"`up -d`, {count} services"),
        (("up", "-d"), f"`up -d` again, {count} services"),
        (("ps",), f"`ps`, {count} services"),
        (("exec", "-T", "s0", "true"), f"`exec … true`, {count} services"),
        (("down",), f"`down`, {count} services"),
    ):
        contender.run(*project, *verb, label=label if counts else None)


def commands(contenders: list[Contender], rounds: int, folder: Path) -> None:
    """Launching one container, and reading Compose files. A blank is added each time, so that no cache answers."""
    file = folder / "compose-config.yaml"
    for round_ in range(rounds + 1):
        for contender in contenders if round_ % 2 else contenders[::-1]:
            launch = ("run", "--rm", "--network", "none", IMAGE, "true")
            contender.container(*launch, label="`run --rm --network none … true`" if round_ else None)
            file.write_text(services(100) + " " * round_)
            contender.run("-f", str(file), "config", "-q", label="`config -q`, 100 services" if round_ else None)
            contender.run("-f", str(EXAMPLE), "config", label="`config` of examples/wordpress" if round_ else None)


def log_throughput(contender: Contender) -> None:
    """Lines of 100 bytes from one container, until all of them are in the log."""
    copies = 16
    line = "x" * 99
    script = (
        f"yes {line} | head -c 33554432 >/lines; read a rest </proc/uptime;"
        f" i=0; while [ $i -lt {copies} ]; do cat /lines; i=$((i+1)); done; read b rest </proc/uptime; echo $a $b >&2"
    )
    name = "bench-log"
    result = subprocess.run(
        [*contender.plain, "run", "--name", name, "--network", "none", IMAGE, "sh", "-c", script],
        env=contender.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
    )
    before, after = (float(word) for word in result.stderr.split()[-2:])
    contender.container("rm", name)
    contender.figures["one container's output into its log"] = f"{copies * 33.554432 / (after - before):.0f} MB/s"


def dependant(contender: Contender, rounds: int, folder: Path) -> None:
    """From the start of a service that is ready after 300 ms and checked every 30 s to the start of one that waits for it.
    Other engines take the 30 s, so only pycompose is asked."""
    check = {"test": ["CMD", "cat", "/ready"], "interval": "30s"}
    early = {"image": IMAGE, "command": ["sh", "-c", f"sleep 0.3; echo >/ready; {PROGRAM}"], "healthcheck": check}
    late = {"image": IMAGE, "command": ["sh", "-c", PROGRAM], "depends_on": {"early": {"condition": "service_healthy"}}}
    file = folder / "compose-dependant.yaml"
    file.write_text(json.dumps({"services": {"early": early, "late": late}}))
    delays = []
    for _ in range(rounds):
        contender.run("-p", "bench-late", "-f", str(file), "up", "-d")
        names = ("bench-late-early-1", "bench-late-late-1")
        started = contender.container("inspect", "--format", "{{.State.StartedAt}}", *names).split()
        first, second = (datetime.fromisoformat(text[:26] + "+00:00") for text in started)
        delays.append((second - first).total_seconds())
        contender.run("-p", "bench-late", "-f", str(file), "down")
    contender.figures["a dependant's start after that of a service ready in 0.3 s"] = (
        f"{statistics.median(delays):.2f} s"
    )


def memory(contender: Contender, folder: Path) -> None:
    """What runs besides the containers' own programs, with 10 idle ones. Private and shared pages in proportion (PSS)."""
    file = folder / "compose-10.yaml"
    contender.run("-p", "bench-memory", "-f", str(file), "up", "-d")
    if contender.name == "pycompose":
        engines = processor.own_engine(contender.compose, contender.environment)
        shims = [pid for pid in processor.children(engines[1]) if pid != engines[0]]
    else:
        engines, shims = processor.docker_engine(contender.environment.get("DOCKER_HOST", ""))
    if shims:
        contender.figures["memory besides a container's own, each"] = f"{processor.pss(shims) / len(shims):.1f} MB"
        contender.figures["the engine's processes, with 10 containers"] = f"{processor.pss(engines):.0f} MB"
    contender.run("-p", "bench-memory", "-f", str(file), "down")


def first_page(port: int, deadline: float = 120.0) -> None:
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status < 500:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.01)
    sys.exit(f"no page on port {port} within {deadline} s")


def wordpress(contenders: list[Contender], rounds: int) -> None:
    for contender in contenders:
        contender.environment["WORDPRESS_PORT"] = str(contender.port)
        contender.run("-p", "bench-wp", "-f", str(EXAMPLE), "build")
    for round_ in range(rounds):
        for contender in contenders if round_ % 2 else contenders[::-1]:
            project = ("-p", "bench-wp", "-f", str(EXAMPLE))
            begin = time.perf_counter()
            contender.run(*project, "up", "-d")
            first_page(contender.port)
            contender.times.setdefault("WordPress: `up -d` to first page", []).append(time.perf_counter() - begin)
            contender.run(*project, "down", "-v", label="WordPress: `down -v`")


def spread(times: list[float]) -> float:
    """Half the distance between the quartiles; 0 for too few to have any."""
    if len(times) < 2:
        return 0.0
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / 2


def table(contenders: list[Contender]) -> str:
    names = [contender.name for contender in contenders]
    ours = contenders[0]
    head = "| | " + " | ".join(names) + (" | ratio |" if len(names) > 1 else " |")
    lines = [head, "|---|" + "---|" * (len(names) + (len(names) > 1))]
    for label in ours.times:
        if not all(label in contender.times for contender in contenders):
            continue  # broken off there
        medians = [statistics.median(contender.times[label]) for contender in contenders]
        cells = [
            f"{value:.3f} s (±{spread(contender.times[label]) * 1000:.0f} ms)"
            for value, contender in zip(medians, contenders, strict=True)
        ]
        if len(medians) > 1:
            cells.append(f"{medians[0] / medians[1]:.2f}")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    for label in ours.figures:
        cells = [contender.figures.get(label, "") for contender in contenders] + [""] * (len(contenders) > 1)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def contenders_of(pycompose: str, root: str, docker: str, docker_host: str | None) -> list[Contender]:
    """pycompose on an engine in ``root``, and Docker Compose where there is one with a daemon."""
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("DOCKER_", "COMPOSE_", "PYCOMPOSE_")) and key != "PYTHONDONTWRITEBYTECODE"
    }
    command = [pycompose, "--root", root]
    found = [Contender("pycompose", command, [*command, "container"], dict(clean), 18080)]
    environment = clean | {"DOCKER_BUILDKIT": "0"}
    if docker_host:
        environment["DOCKER_HOST"] = docker_host
    client = shutil.which(docker) if docker else None
    if (
        client
        and not subprocess.run([client, "compose", "ls"], env=environment, capture_output=True, check=False).returncode
    ):
        found.append(Contender("Docker Compose", [client, "compose"], [client], environment, 18081))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pycompose", default="pycompose")
    parser.add_argument("--root", help="engine root of pycompose (default: a temporary one, removed at the end)")
    parser.add_argument("--docker", default="docker")
    parser.add_argument("--docker-host", default=os.environ.get("DOCKER_HOST"))
    parser.add_argument("--large", action="store_true", help="also 100 services")
    parser.add_argument("--wordpress", action="store_true", help="also `up` of examples/wordpress to its first page")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="pycompose-bench-") as name:
        folder = Path(name)
        root = options.root or str(folder / "root")
        contenders = contenders_of(options.pycompose, root, options.docker, options.docker_host)
        try:
            for contender in contenders:
                contender.import_image(busybox_rootfs())
            projects(contenders, options.rounds, folder, (1, 3, 10))
            commands(contenders, options.rounds, folder)
            for contender in contenders:
                log_throughput(contender)
                memory(contender, folder)
            dependant(contenders[0], options.rounds, folder)
            if options.large:
                projects(contenders, max(1, options.rounds // 3), folder, (100,))
            if options.wordpress:
                wordpress(contenders, max(1, options.rounds // 2))
        finally:
            print(table(contenders))
            print(
                f"\nThe floor: {interpreter_floor() * 1000:.1f} ms for a command, {container_floor() * 1000:.1f} ms for a container."
            )
            if not options.root:
                ours = contenders[0]
                subprocess.run([*ours.compose, "engine", "stop", "--force"], env=ours.environment, check=False)


if __name__ == "__main__":
    main()
