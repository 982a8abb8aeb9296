"""HEALTHCHECK of an image as probes: what a real registry tells of it, what the service adds, and whose check it never is."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.composing import make_project
from support.registry import available, registry

from pycompose.compose.deploy.checks import INDEXES, check_of, image_check, look_up_checks
from pycompose.compose.deploy.findings import Findings
from pycompose.compose.deploy.kubernetes.convert import convert
from pycompose.compose.deploy.kubernetes.facts import Facts
from pycompose.compose.errors import OperationError
from pycompose.compose.remote.registry import Registry, parse_reference

if TYPE_CHECKING:
    from pathlib import Path

    from pycompose.compose.model.service import HealthCheck

SECOND = 10**9
DIGEST = "sha256:" + "0" * 64
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG: dict[str, Any] = {
    "config": {"Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 7 * SECOND, "Retries": 2}}
}


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (
            {"Test": ["CMD", "a"], "StartPeriod": 5, "Timeout": 3},
            {"test": ["CMD", "a"], "start_period": 5, "timeout": 3},
        ),
        ({"Test": ["CMD", "a"], "Interval": 0, "StartInterval": 4}, {"test": ["CMD", "a"], "start_interval": 4}),
        ({"Test": ["NONE"]}, {}),
        ({"Test": ["CMD"]}, {}),
        ({"Interval": 5}, {}),
        ({"Test": "curl"}, {}),
        ([], {}),
        (None, {}),
    ],
)
def test_what_an_image_says(written: Any, found: HealthCheck) -> None:
    assert check_of({"Healthcheck": written}) == found


def test_the_services_own_words_come_first() -> None:
    asked: list[str] = []

    def ask(ref: str) -> HealthCheck:
        asked.append(ref)
        if ref.startswith("away"):
            raise OperationError("nobody answers")
        return {"test": ["CMD", "image"], "retries": 2} if ref.startswith("x") else {}

    services: dict[str, Any] = {
        "plain": {"image": "x"},
        "paced": {"image": "x", "healthcheck": {"retries": 9}},
        "own": {"image": "x", "healthcheck": {"test": ["CMD", "own"]}},
        "none": {"image": "x", "healthcheck": {"disable": True}},
        "by-tag": {"image": "x"},
        "unchecked": {"image": "y"},
        "away": {"image": "away"},
        "job": {"image": "x"},
    }
    images = {name: f"{tree['image']}@{DIGEST}" for name, tree in services.items()} | {"by-tag": "x"}
    project = make_project(services)
    checks = look_up_checks(project, images, [name for name in services if name != "job"], ask)
    assert checks == {
        "plain": {"test": ["CMD", "image"], "retries": 2},
        "paced": {"test": ["CMD", "image"], "retries": 9},
    }
    assert asked == [f"x@{DIGEST}", f"y@{DIGEST}", f"away@{DIGEST}"]
    made = {one.key: one for one in convert(project, Facts("demo", images, checks=checks), Findings(project))}

    def probe(name: str) -> Any:
        body: Any = made[f"Deployment {name}"].body
        return body["spec"]["template"]["spec"]["containers"][0].get("readinessProbe")

    assert probe("plain")["exec"]["command"] == ["image"]
    assert probe("paced")["failureThreshold"] == 9
    assert probe("own")["exec"]["command"] == ["own"]
    assert [probe(name) for name in ("none", "by-tag", "unchecked", "job")] == [None] * 4


@pytest.mark.skipif(not available(), reason="no docker-registry")
def test_a_real_registry_is_asked(tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as host:
        store = Registry(parse_reference(f"{host}/app:1"))
        blob = json.dumps(CONFIG).encode()
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(blob)}
        config["digest"] = store.put_blob(blob)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
        written = json.dumps(manifest).encode()
        digest = store.put_manifest(written, MANIFEST)
        assert digest == "sha256:" + hashlib.sha256(written).hexdigest()
        expected = {"test": ["CMD-SHELL", "curl -f localhost"], "interval": 7 * SECOND, "retries": 2}
        assert image_check(f"{host}/app:1@{digest}") == expected

        entry = {"mediaType": MANIFEST, "size": len(written), "digest": digest}
        known = {**entry, "platform": {"os": "linux", "architecture": "amd64"}}
        index = {"schemaVersion": 2, "mediaType": INDEXES[1], "manifests": [known]}
        written = json.dumps(index).encode()
        digest = store.put_manifest(written, INDEXES[1])
        assert image_check(f"{host}/app:1@{digest}") == expected
