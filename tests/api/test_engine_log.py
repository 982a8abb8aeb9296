"""The engine's own log and its metrics, as one operates by them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from support.engine_root import EngineRoot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

LABELS = {"com.docker.compose.project": "shop"}


@pytest.fixture(scope="module")
def metrics_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, metrics_port: int) -> Iterator[EngineRoot]:
    root = tmp_path_factory.mktemp("log")
    (root / "engine.yaml").write_text(f"log-level: info\nlog-format: json\nmetrics-addr: 127.0.0.1:{metrics_port}\n")
    with EngineRoot(root) as started:
        started.import_busybox()
        yield started


def pycompose(engine: EngineRoot, *words: str) -> list[str]:
    return [sys.executable, "-m", "pycompose.compose.cli.main", "--root", str(engine.layout.root), *words]


def test_one_line_an_event_with_request_container_and_project(engine: EngineRoot) -> None:
    body = {"Image": "busybox", "Cmd": ["true"], "Labels": LABELS}
    id = engine.json("POST", "/containers/create?name=once", body)["Id"]
    engine.json("POST", f"/containers/{id}/start")
    engine.json("POST", f"/containers/{id}/wait")
    engine.json("DELETE", "/containers/once")
    lines = [json.loads(line) for line in engine.log().splitlines()]
    assert all({"time", "level", "source", "msg"} <= line.keys() for line in lines)
    (started,) = [line for line in lines if line["msg"] == "container start"]
    (asked,) = [line for line in lines if line["msg"].endswith(f"{id}/start")]
    assert (started["container"], started["project"], started["name"]) == (id[:12], "shop", "once")
    assert (asked["container"], asked["project"], asked["status"]) == (id[:12], "shop", "204")
    assert started["request"] == asked["request"] and float(asked["ms"]) > 0
    (removed,) = [line for line in lines if line["msg"] == "DELETE /containers/once"]
    assert removed["container"] == id[:12]


def test_logs_follow_until_the_engine_ends(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text("log-level: info\n")
    with EngineRoot(tmp_path) as engine:
        engine.request("GET", "/info")
        shown = subprocess.run(
            pycompose(engine, "engine", "logs", "-n", "1"), capture_output=True, text=True, timeout=60
        )
        assert re.fullmatch(r'time=\S+ level=info source=engine\.api\.server msg="GET /\S+" .*\n', shown.stdout), shown
        command = pycompose(engine, "engine", "logs", "-f")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
            assert follower.stdout is not None
            while "GET /info" not in follower.stdout.readline():
                pass
            engine.request("GET", "/version")
            while "GET /version" not in follower.stdout.readline():
                pass
            engine.stop()
            assert "POST /pycompose/engine/stop" in follower.stdout.read()
            assert follower.wait(60) == 0
        kept = subprocess.run(pycompose(engine, "engine", "logs"), capture_output=True, text=True, timeout=60)
        assert "GET /version" in kept.stdout and kept.returncode == 0
    with subprocess.Popen(pycompose(engine, "engine", "logs", "-f"), stdout=subprocess.PIPE) as ended:
        assert ended.wait(60) == 0  # nothing runs: what is kept is shown, and nothing is waited for


def test_nothing_was_logged(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pycompose.compose.cli.main", "--root", str(tmp_path), "engine", "logs"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "no engine has logged anything" in done.stderr and "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_metrics(engine: EngineRoot, metrics_port: int) -> None:
    engine.json("GET", "/containers/json")
    assert engine.request("POST", "/images/create?fromImage=127.0.0.1:1/none&tag=1")[0] >= 400
    address = f"http://127.0.0.1:{metrics_port}"
    with urllib.request.urlopen(f"{address}/metrics", timeout=30) as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = response.read().decode()
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    assert found['pycompose_containers{state="running"}'] == 0
    assert found['pycompose_requests_total{method="GET",status="200"}'] >= 1
    assert found["pycompose_images"] == 1 and found["pycompose_image_layer_bytes"] > 0
    assert found['pycompose_pulls_total{result="failure"}'] == 1
    assert found['pycompose_builds_total{result="success"}'] == found["pycompose_builds_active"] == 0
    assert found["pycompose_loop_turn_seconds_count"] > 10
    assert 0 < found["pycompose_disk_available_bytes"] < found["pycompose_disk_size_bytes"]
    assert engine.request("GET", "/metrics")[0] == 200
    for path in ("/containers/json", "/v1.47/info", "/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}{path}", timeout=30)
        assert refused.value.code == 404
        refused.value.close()
    os.kill(engine.pid, signal.SIGKILL)  # the next engine has the port again
    assert engine.request("GET", "/metrics")[0] == 200


def test_no_metrics_unless_configured(tmp_path: Path) -> None:
    with EngineRoot(tmp_path) as engine:
        assert engine.request("GET", "/metrics")[0] == 404
        assert engine.log() == ""
