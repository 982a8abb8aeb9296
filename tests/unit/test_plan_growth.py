"""A plan takes as many looks at its services as there are services, not as many as there are pairs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions
from pycompose.compose.plan import graph
from pycompose.compose.plan.observe import Snapshot
from pycompose.compose.plan.reconcile import up
from pycompose.compose.plan.reconcile.options import UpOptions
from pycompose.compose.plan.reconcile.up import reconcile_up

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pycompose.compose.model.service import Service


def looks(count: int, directory: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a plan of so many services asks a service whose containers it is tied to."""
    asked = 0
    original = graph.shared_services

    def counting(service: Service) -> list[str]:
        nonlocal asked
        asked += 1
        return original(service)

    file = directory / f"compose-{count}.yaml"
    services = [f"  s{n}: {{image: a, depends_on: [s0]}}" if n else "  s0: {image: a}" for n in range(count)]
    file.write_text("name: demo\nservices:\n" + "\n".join(services) + "\n")
    project = load_project(LoadOptions(files=(str(file),), environment={}))
    with monkeypatch.context() as patch:
        patch.setattr(graph, "shared_services", counting)
        patch.setattr(up, "shared_services", counting)
        plan = reconcile_up(project, Snapshot("demo"), UpOptions(), {})
    assert sum(one.key.startswith("start ") for one in plan.operations) == count
    return asked


def test_in_proportion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (looks(count, tmp_path, monkeypatch) for count in (20, 200))
    assert few >= 20
    assert many <= 11 * few
