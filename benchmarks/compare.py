#!/usr/bin/env python3
"""Times pycompose beside Docker Compose, alternating in one run, and prints a Markdown table.

What it measures: `up -d`, `up -d` with nothing to do, `ps`, `exec … true` and `down` for 1, 3 and 10 services, and (with
--wordpress) `up` of examples/wordpress on empty volumes to its first page, images already built. Each figure is the wall time of
a whole command, process start included; the table gives medians and their ratio. Absolute times drift on a busy machine: compare
ratios only. Docker's column is left out where `docker compose` or its daemon is missing.

    python benchmarks/compare.py --rounds 7 --pycompose .venv/bin/pycompose [--docker docker --docker-host unix:///…] [--wordpress]
"""

from __future__ import annotations

import argparse
import http.client
import io
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "wordpress" / "compose.yaml"
IMAGE = "pycompose-bench-busybox"
# A shell as process 1 ends at once on SIGTERM only when it has a trap for it.
PROGRAM = "trap 'exit 0' TERM; sleep 1000000 & wait"


@dataclass(slots=True)
class Contender:
    """One way to run a Compose file: the command in front of `up`, and where it runs."""

    name: str
    compose: list[str]
    import_image: list[str]
    environment: dict[str, str]
    port: int
    times: dict[str, list[float]] = field(default_factory=dict)

    def run(self, *arguments: str, label: str | None = None) -> None:
        begin = time.perf_counter()
        result = subprocess.run(
            [*self.compose, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        elapsed = time.perf_counter() - begin
        if result.returncode:
            sys.exit(f"{self.name}: {' '.join(arguments)}: {result.stderr.decode(errors='replace')[-2000:]}")
        if label:
            self.times.setdefault(label, []).append(elapsed)


def busybox_rootfs() -> bytes:
    """A tar of one static busybox with the applets the benchmark uses."""
    busybox = shutil.which("busybox")
    if busybox is None:
        sys.exit("busybox is missing: apt-get install busybox-static")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(busybox, "bin/busybox")
        for applet in ("sh", "sleep", "true"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()


def services(count: int) -> str:
    lines = ["services:"]
    for number in range(count):
        lines += [f"  s{number}:", f"    image: {IMAGE}", f'    command: ["sh", "-c", "{PROGRAM}"]']
    return "\n".join(lines) + "\n"


def small_projects(contenders: list[Contender], rounds: int, folder: Path) -> None:
    for count in (1, 3, 10):
        file = folder / f"compose-{count}.yaml"
        file.write_text(services(count))
        for round_ in range(rounds + 1):
            for contender in contenders if round_ % 2 else contenders[::-1]:
                project = ("-p", f"bench{count}", "-f", str(file))
                # The first round warms caches on both sides and is not counted.
                for verb, label in (
                    (("up", "-d"), f"`up -d`, {count} services"),
                    (("up", "-d"), f"`up -d` again, {count} services"),
                    (("ps",), f"`ps`, {count} services"),
                    (("exec", "-T", "s0", "true"), f"`exec … true`, {count} services"),
                    (("down",), f"`down`, {count} services"),
                ):
                    contender.run(*project, *verb, label=label if round_ else None)


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


def table(contenders: list[Contender]) -> str:
    names = [contender.name for contender in contenders]
    ours = contenders[0]
    head = "| | " + " | ".join(names) + (" | ratio |" if len(names) > 1 else " |")
    lines = [head, "|---|" + "---|" * (len(names) + (len(names) > 1))]
    for label in ours.times:
        medians = [statistics.median(contender.times[label]) for contender in contenders]
        cells = [f"{value:.3f} s" for value in medians]
        if len(medians) > 1:
            cells.append(f"{medians[0] / medians[1]:.2f}")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pycompose", default="pycompose")
    parser.add_argument("--root", help="engine root of pycompose (default: a temporary one, removed at the end)")
    parser.add_argument("--docker", default="docker")
    parser.add_argument("--docker-host", default=os.environ.get("DOCKER_HOST"))
    parser.add_argument("--wordpress", action="store_true", help="also `up` of examples/wordpress to its first page")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="pycompose-bench-") as name:
        folder = Path(name)
        root = options.root or str(folder / "root")
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "COMPOSE_", "PYCOMPOSE_"))
        }
        command = [options.pycompose, "--root", root]
        contenders = [Contender("pycompose", command, [*command, "image", "import", "-", IMAGE], dict(clean), 18080)]
        docker_environment = clean | {"DOCKER_BUILDKIT": "0"}
        if options.docker_host:
            docker_environment["DOCKER_HOST"] = options.docker_host
        docker = shutil.which(options.docker)
        if (
            docker
            and not subprocess.run(
                [docker, "compose", "ls"], env=docker_environment, capture_output=True, check=False
            ).returncode
        ):
            contenders.append(
                Contender(
                    "Docker Compose", [docker, "compose"], [docker, "import", "-", IMAGE], docker_environment, 18081
                )
            )
        try:
            for contender in contenders:
                subprocess.run(
                    contender.import_image,
                    env=contender.environment,
                    input=busybox_rootfs(),
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
            small_projects(contenders, options.rounds, folder)
            if options.wordpress:
                wordpress(contenders, max(1, options.rounds // 2))
            print(table(contenders))
        finally:
            if not options.root:
                subprocess.run([*command, "engine", "stop", "--force"], env=clean, check=False)


if __name__ == "__main__":
    main()
