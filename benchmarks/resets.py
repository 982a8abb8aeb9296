#!/usr/bin/env python3
"""Times ways to give a test an untouched database, alternating in one run, and prints a Markdown table.

The database is MariaDB of examples/wordpress with one seeded table; each way ends when a client of the application's user gets an
answer over TCP. `snapshot restore`, `down -v` and `up -d --wait` of pycompose; the same of Docker Compose; testcontainers (without
Ryuk) removing its container and starting another one of the same image, asking every 50 ms. Wall time of whole commands; of
testcontainers only the calls, its interpreter is warm. Only the ratios of one run mean anything.

    python benchmarks/resets.py --rounds 10 --pycompose .venv/bin/pycompose [--docker docker --docker-host unix:///…]
        [--testcontainers PYTHON]      an interpreter whose environment has testcontainers
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "wordpress" / "db"
IMAGE = "pycompose-bench-mariadb"
VARIABLES = {"MYSQL_DATABASE": "app", "MYSQL_USER": "app", "MYSQL_PASSWORD": "app", "MYSQL_ROOT_PASSWORD": "root"}
ASK = "mariadb -h 127.0.0.1 -u app -papp -e 'SELECT 1' app"
STACK = f"""
name: bench-resets
services:
  db:
    image: {IMAGE}
    build: {EXAMPLE}
    environment: {{{", ".join(f"{name}: {value}" for name, value in VARIABLES.items())}}}
    volumes: ["data:/var/lib/mysql"]
    healthcheck: {{test: ["CMD-SHELL", "{ASK}"], interval: 1s, retries: 60, start_period: 60s}}
volumes:
  data:
"""
SEED = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200)); INSERT INTO t (text) SELECT REPEAT(MD5(seq), 6) FROM seq_1_to_20000"
# Reads a line for each round and answers with two times: until the old container is gone, and until the new one is ready.
TESTCONTAINERS = f"""
import sys, time
from testcontainers.core.container import DockerContainer
running = None
for line in sys.stdin:
    begin = time.perf_counter()
    if running is not None:
        running.stop()
    gone = time.perf_counter()
    running = DockerContainer({IMAGE!r})
    for name, value in {VARIABLES!r}.items():
        running.with_env(name, value)
    running.with_exposed_ports(3306).start()
    while running.exec(["sh", "-c", {ASK!r}]).exit_code:
        time.sleep(0.05)
    print(gone - begin, time.perf_counter() - gone, flush=True)
running.stop()
"""


class Run:
    """The times of one benchmark, by what was timed."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def keep(self, label: str, seconds: float) -> None:
        self.times.setdefault(label, []).append(seconds)

    def timed(self, label: str, command: list[str], environment: dict[str, str]) -> float:
        begin = time.perf_counter()
        call(command, environment)
        self.keep(label, time.perf_counter() - begin)
        return self.times[label][-1]

    def table(self) -> str:
        lines = ["| | median | shortest | longest |", "|---|---|---|---|"]
        for label, values in self.times.items():
            figures = (statistics.median(values), min(values), max(values))
            lines.append(f"| {label} | " + " | ".join(f"{value:.2f} s" for value in figures) + " |")
        return "\n".join(lines)


def call(command: list[str], environment: dict[str, str]) -> None:
    result = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)}: {result.stderr.decode(errors='replace')[-2000:]}")


def again(run: Run, name: str, compose: list[str], environment: dict[str, str]) -> None:
    down = run.timed(f"{name}: `down -v`", [*compose, "down", "-v"], environment)
    up = run.timed(f"{name}: `up -d --wait`", [*compose, "up", "-d", "--wait"], environment)
    run.keep(f"{name}: both", down + up)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pycompose", default="pycompose")
    parser.add_argument("--docker", default="docker")
    parser.add_argument("--docker-host", default=os.environ.get("DOCKER_HOST"))
    parser.add_argument("--testcontainers", metavar="PYTHON")
    options = parser.parse_args()
    prefixes = ("DOCKER_", "COMPOSE_", "PYCOMPOSE_")
    ours = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(prefixes) and key != "PYTHONDONTWRITEBYTECODE"
    }
    theirs = ours | {"DOCKER_BUILDKIT": "0", "TESTCONTAINERS_RYUK_DISABLED": "true"}
    if options.docker_host:
        theirs["DOCKER_HOST"] = options.docker_host
    docker = shutil.which(options.docker)
    run = Run()
    with tempfile.TemporaryDirectory(prefix="pycompose-bench-") as folder:
        file = Path(folder, "compose.yaml")
        file.write_text(STACK)
        engine = [options.pycompose, "--root", f"{folder}/root"]
        compose = [*engine, "-f", str(file)]
        peer = [docker or "docker", "compose", "-f", str(file)]
        stranger = None
        try:
            call([*engine, "image", "bootstrap", "debian:bookworm-slim"], ours)
            call([*compose, "up", "-d", "--build", "--wait"], ours)
            if docker:
                call([*peer, "up", "-d", "--build", "--wait"], theirs)
            if docker and options.testcontainers:
                command = [options.testcontainers, "-c", TESTCONTAINERS]
                stranger = subprocess.Popen(
                    command, env=theirs, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
                )
            for round_ in range(options.rounds):
                call([*compose, "exec", "-T", "db", "mariadb", "-u", "app", "-papp", "-e", SEED, "app"], ours)
                call([*compose, "snapshot", "save", "seeded"], ours)
                run.timed("pycompose: `snapshot restore`, rows kept", [*compose, "snapshot", "restore", "seeded"], ours)
                again(run, "pycompose", compose, ours)
                if docker:
                    again(run, "Docker Compose", peer, theirs)
                if stranger is not None and stranger.stdin and stranger.stdout:
                    print(round_, file=stranger.stdin)
                    stop, start = (float(word) for word in stranger.stdout.readline().split())
                    if round_:
                        run.keep("testcontainers: stop", stop)
                        run.keep("testcontainers: start until ready", start)
                        run.keep("testcontainers: both", stop + start)
        finally:
            if stranger is not None:
                stranger.communicate()
            print(run.table())
            subprocess.run([*compose, "down", "-v"], env=ours, capture_output=True, check=False)
            subprocess.run([*engine, "engine", "stop", "--force"], env=ours, capture_output=True, check=False)
            if docker:
                subprocess.run([*peer, "down", "-v", "--rmi", "all"], env=theirs, capture_output=True, check=False)


if __name__ == "__main__":
    main()
