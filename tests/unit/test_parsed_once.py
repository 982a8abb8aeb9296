"""From the file to the bodies that are sent, each value is read once: what a parser has made stays what it has made."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from pycompose.compose import shortforms
from pycompose.compose.convert.container import Facts, create_request
from pycompose.compose.convert.network import network_body
from pycompose.compose.convert.volume import volume_body
from pycompose.compose.load import canonical
from pycompose.compose.load.pipeline import load_project
from pycompose.compose.model import LoadOptions
from pycompose.compose.plan.digest import content_digests
from pycompose.compose.plan.observe import Snapshot
from pycompose.compose.plan.preflight import contradictions
from pycompose.compose.plan.reconcile.options import UpOptions
from pycompose.compose.plan.reconcile.up import reconcile_up
from pycompose.grammar import durations, ports, references, restart, sizes

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FIRST = """
services:
  web:
    image: registry.example/app:1
    command: serve --port 80
    mem_limit: 11m
    shm_size: 12m
    stop_grace_period: 13s
    ports: ["8014:14", "15"]
    devices: ["/dev/null:/dev/x:r"]
    volumes: ["./src:/src:ro", "data:/data", {type: tmpfs, target: /t, tmpfs: {size: 16m}}]
    healthcheck: {test: "true", interval: 17s, timeout: 18s, start_period: 19s}
    deploy:
      resources: {limits: {memory: 11m}, reservations: {memory: 20m}}
      restart_policy: {delay: 21s, window: 22s}
      update_config: {delay: 23s, monitor: 24s}
volumes: {data: {}}
"""
SECOND = """
services:
  web:
    ports: ["8025:25"]
    volumes: ["./other:/other"]
    depends_on: [db]
  db: {image: db, mem_limit: 26m, restart: "on-failure:28", expose: ["29", 30-31/udp], blkio_config: {device_read_bps: [{path: /dev/sda, rate: 27m}]}}
"""


def counted(patch: pytest.MonkeyPatch, module: Any, name: str) -> Counter[str]:
    """How often a parser has read which text from now on."""
    calls: Counter[str] = Counter()
    original = getattr(module, name)

    def wrapper(text: str, *rest: Any, **more: Any) -> Any:
        calls[text] += 1
        return original(text, *rest, **more)

    patch.setattr(module, name, wrapper)
    return calls


def test_from_the_file_to_the_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text(FIRST)
    (tmp_path / "b.yaml").write_text(SECOND)
    calls = {
        "sizes": counted(monkeypatch, sizes, "parse"),
        "durations": counted(monkeypatch, durations, "parse"),
        "ports": counted(monkeypatch, canonical, "parse_ports"),
        "images": counted(monkeypatch, references, "parse"),
        "volumes": counted(monkeypatch, shortforms, "parse_volume"),
        "devices": counted(monkeypatch, shortforms, "parse_device"),
        "exposed": counted(monkeypatch, ports, "parse_exposed"),
        "policies": counted(monkeypatch, restart, "parse"),
        "commands": counted(monkeypatch, shortforms, "split_command"),
    }
    files = (str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"))
    project = load_project(LoadOptions(files=files, environment={"HOME": "/"}, cwd=tmp_path, project_name="p"))
    names = list(project.services)
    snapshot = Snapshot("p")
    assert contradictions(project, names, {}, snapshot, images_change=True) == []
    plan = reconcile_up(project, snapshot, UpOptions(), content_digests(project))
    assert len(plan.operations) > 5
    bodies: list[Any] = [create_request(project, name, 1, Facts(own=True, api=(1, 44))).body for name in names]
    bodies += [network_body(project, "default"), volume_body(project, "data")]
    assert '"Memory": 11534336' in json.dumps(bodies)

    read = {kind: dict(texts) for kind, texts in calls.items()}
    assert read["sizes"] == {"11m": 2, "12m": 1, "16m": 1, "20m": 1, "26m": 1, "27m": 1}, "11m stands there twice"
    assert read["durations"] == dict.fromkeys(("13s", "17s", "18s", "19s", "21s", "22s", "23s", "24s"), 1)
    assert read["ports"] == dict.fromkeys(("8014:14", "15", "8025:25"), 1)
    assert read["volumes"] == dict.fromkeys(("./src:/src:ro", "data:/data", "./other:/other"), 1)
    assert read["exposed"] == {"29": 1, "30-31/udp": 1}
    assert read["policies"] == {"on-failure:28": 1}
    assert read["devices"] == {"/dev/null:/dev/x:r": 1}
    assert read["commands"] == {"serve --port 80": 1}
    assert read["images"] == {}, "the engine reads references, nobody before it"
