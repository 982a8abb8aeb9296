"""Loading, alternating with Docker Compose where it is installed: a project of 100 services, and examples/wordpress.

    python benchmarks/load.py [ROUNDS]

Prints medians in milliseconds of whole processes, imports included; "again" is a load that the cache answers.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICE = """\
  s{n}:
    image: registry.example/app{n}:${{TAG:-latest}}
    command: ["serve", "--port", "{port}"]
    environment: {{A: "1", B: two, C: "${{HOME}}", D: "{n}"}}
    ports: ["{port}:80", "127.0.0.1:{other}:443"]
    volumes: ["data{n}:/data", "./src:/src:ro"]
    networks: [front, back]
    labels: [one=1, two=2]
    healthcheck: {{test: ["CMD", "true"], interval: 5s, timeout: 3s, retries: 3}}
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 64M}}}}}}
    restart: unless-stopped
"""
LOAD = """
import os, sys
from pathlib import Path
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions
load_project(LoadOptions(files=(sys.argv[1],), environment=dict(os.environ)), cached=sys.argv[2] == "cached")
"""


def project(services: int) -> str:
    body = "".join(SERVICE.format(n=n, port=10000 + n, other=20000 + n) for n in range(services))
    volumes = "".join(f"  data{n}: {{}}\n" for n in range(services))
    return f"services:\n{body}networks: {{front: {{}}, back: {{}}}}\nvolumes:\n{volumes}"


def timed(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    docker = shutil.which("docker")
    with tempfile.TemporaryDirectory() as scratch:
        hundred = Path(scratch) / "compose.yaml"
        hundred.write_text(project(100))
        wordpress = ROOT / "examples" / "wordpress" / "compose.yaml"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": f"{scratch}/cache"}
        python = [sys.executable, "-c", LOAD, str(hundred)]
        commands = {
            "100 services, load": [*python, "fresh"],
            "100 services, load again": [*python, "cached"],
            "wordpress, config": [
                sys.executable,
                "-m",
                "pycompose.compose.cli.main",
                "-f",
                str(wordpress),
                "config",
                "-q",
            ],
        }
        if docker:
            commands["100 services, docker compose config"] = [docker, "compose", "-f", str(hundred), "config", "-q"]
            commands["wordpress, docker compose config"] = [docker, "compose", "-f", str(wordpress), "config", "-q"]
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(timed(command, environment))
    for name, values in times.items():
        print(f"{name:40} {statistics.median(values[1:] or values):8.1f} ms")


if __name__ == "__main__":
    main()
