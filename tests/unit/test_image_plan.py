"""Pull policies decided: which images are due, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.composing import make_project

from pycompose.compose.build import agents, one_platform
from pycompose.compose.build.request import service_request
from pycompose.compose.errors import OperationError, PlanError
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions
from pycompose.compose.plan.observe import ObservedImage, Snapshot
from pycompose.compose.plan.reconcile.images import plan_images
from pycompose.compose.plan.reconcile.options import UpOptions

if TYPE_CHECKING:
    from pathlib import Path

    from pycompose.compose.build.trees import BuildFlags

HOUR = 3600.0


def due(age: float, **service: Any) -> list[str]:
    """What is pulled or built for a service whose image was pulled ``age`` seconds ago."""
    project = make_project({"web": {"image": "app", **service}})
    images = {"app": ObservedImage("app", "sha256:one", pulled=1e9 - age)}
    plan = plan_images(project, ["web"], Snapshot("demo", images=images), UpOptions(), 1e9)
    return [operation.key for operation in plan.operations]


@pytest.mark.parametrize(
    ("age", "service", "pulled"),
    [
        (99 * HOUR, {}, False),
        (0, {"pull_policy": "always"}, True),
        (23 * HOUR, {"pull_policy": "daily"}, False),
        (24 * HOUR, {"pull_policy": "daily"}, True),
        (24 * 7 * HOUR, {"pull_policy": "weekly"}, True),
        (36 * HOUR, {"pull_policy": "every_1d12h"}, True),
        (2 * HOUR, {"pull_policy": "refresh", "pull_refresh_after": "3h"}, False),
        (3 * HOUR, {"pull_policy": "refresh", "pull_refresh_after": "3h"}, True),
        (0, {"pull_policy": "refresh"}, True),
        (99 * HOUR, {"pull_refresh_after": "3h"}, False),
    ],
)
def test_due(age: float, service: dict[str, Any], pulled: bool) -> None:
    assert due(age, **service) == ["pull app"][: int(pulled)]


def test_a_time_that_is_none() -> None:
    with pytest.raises(PlanError, match=r"services\.web\.pull_refresh_after.*'soon' is no time|'soon' is no time"):
        due(0, pull_policy="refresh", pull_refresh_after="soon")


def test_images_of_hooks_and_mounts_are_pulled_by_the_same_policy() -> None:
    mount = {"type": "image", "source": "content", "target": "/c"}
    extra = {"pre_start": [{"image": "init"}, {"image": "app"}], "volumes": [mount]}
    assert due(0, **extra) == ["pull init", "pull content"]
    assert due(0, pull_policy="never", **extra) == []


@pytest.mark.parametrize(
    ("wanted", "default", "chosen"),
    [
        ([], "", []),
        ([], "linux/arm64", ["linux/arm64"]),
        (["linux/s390x"], "", ["linux/s390x"]),
        (["linux/arm64", "linux/amd64"], "", ["linux/amd64"]),
        (["linux/arm64", "linux/amd64/v2"], "", ["linux/amd64/v2"]),
        (["linux/arm64", "linux/amd64"], "linux/arm64", ["linux/arm64"]),
    ],
)
def test_one_platform(wanted: list[str], default: str, chosen: list[str]) -> None:
    assert one_platform(wanted, default, lambda: "linux/amd64") == chosen


def test_a_build_alone_is_for_every_platform() -> None:
    build = {"context": ".", "platforms": ["linux/arm64", "linux/amd64"]}
    project = make_project({"web": {"image": "app", "build": build}, "one": {"build": {"context": "."}}})

    def platforms(name: str, flags: BuildFlags) -> list[str]:
        return list(service_request(project, name, flags, lambda: "linux/amd64").platforms)

    assert platforms("web", {"every_platform": True}) == ["linux/arm64", "linux/amd64"]
    assert platforms("web", {}) == ["linux/amd64"]
    assert platforms("one", {"every_platform": True}) == []


def test_no_platform_of_this_machine() -> None:
    with pytest.raises(OperationError, match="choose one with platform"):
        one_platform(["linux/arm64", "linux/s390x"], "", lambda: "linux/amd64")


def test_agents_of_flags_and_of_the_loaded_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert agents(["default", "mine=/tmp/one", "other: /tmp/two"]) == {
        "default": "/run/agent",
        "mine": "/tmp/one",
        "other": "/tmp/two",
    }
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with pytest.raises(OperationError, match="no agent for 'default'"):
        agents(["default"])


def test_an_agent_of_the_file_reaches_the_build(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {build: {context: ., ssh: [mine=/tmp/one]}}}\n")
    project = load_project(LoadOptions(environment={"HOME": "/"}, cwd=tmp_path), cached=False)
    assert agents(project.services["a"]["build"]["ssh"]) == {"mine": "/tmp/one"}
