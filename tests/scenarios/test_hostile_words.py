"""What strangers have named (labels, commands, networks, output) in every listing and report: nothing of it steers a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.engine_root import EngineRoot, assert_nothing_left, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

EVIL = "\x1b]0;evil\x07\x1b[31m\u009b2J\r\n\x7f"
LABELS = {
    f"com.docker.compose.{name}": f"x{EVIL}"
    for name in ("project.config_files", "project.working_dir", "config-hash", "image", "version")
} | {"com.docker.compose.service": "web", "com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False"}  # fmt: skip

LISTINGS = (
    "ls -a", "ls -aq", "ls -a --format json", "ps -a", "why", "plan", "container ls -a --no-trunc", "container inspect mine",
    "container ls -a --format json", "container top other", "network ls", "network inspect named", "volume ls --format json",
    "volume inspect vol", "images", "volumes", "system df -v", "down --dry-run", "container rm EVIL", "inspect EVIL", "-f EVIL config",
    "exec web EVIL", "cp web:/EVIL /nowhere", "stats --no-stream", "events --until 1", "system events --until 1", "network rm EVIL",
)  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    root = tmp_path_factory.mktemp("words") / "root"
    with EngineRoot(root) as running:
        running.import_busybox()
        for name, project in (("mine", "shop"), ("other", f"shop{EVIL}")):
            body = {
                "Image": "busybox",
                "Cmd": ["sh", "-c", f"echo 'error: {EVIL}'; sleep 1000 # {EVIL}"],
                "Labels": LABELS | {"com.docker.compose.project": project},
                "Healthcheck": {"Test": ["CMD-SHELL", f"printf '{EVIL}'; exit 1"], "Retries": 1},
            }
            running.json("POST", f"/containers/create?name={name}", body)
            running.json("POST", f"/containers/{name}/start")
        labels = LABELS | {"com.docker.compose.project": "shop"}
        running.json("POST", "/volumes/create", {"Name": "vol", "Labels": labels})
        running.json("POST", "/networks/create", {"Name": f"n{EVIL}"})
        running.json("POST", "/networks/create", {"Name": "named", "Labels": labels})
        wait_for(lambda: b"error" in running.request("GET", "/containers/mine/logs?stdout=1")[1], lambda: "no output")
        yield running
    assert_nothing_left(root)


@pytest.mark.parametrize("command", LISTINGS)
def test_no_listing_steers_the_terminal(engine: EngineRoot, tmp_path: Path, command: str) -> None:
    (tmp_path / "compose.yaml").write_text("name: shop\nservices: {web: {image: busybox}}\n")
    words = [word.replace("EVIL", EVIL) for word in command.split()]
    environment = os.environ | {"PYCOMPOSE_HOST": engine.url, "PYCOMPOSE_WARM": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "pycompose", *words],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    said = (done.stdout + done.stderr).decode()
    assert said or command.endswith("--until 1"), done
    assert [one for one in said if one != "\n" and (ord(one) < 32 or 0x7F <= ord(one) < 0xA0)] == [], said
