"""Values that no cluster is asked about: what cannot be read is refused with its place, what can be read arrives as one form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from pycompose.compose.deploy.conformance import check_supported
from pycompose.compose.deploy.findings import Findings
from pycompose.compose.deploy.kubernetes import convert as kubernetes
from pycompose.compose.deploy.kubernetes.facts import Facts
from pycompose.compose.deploy.swarm import convert as swarm
from pycompose.compose.errors import LoadError
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions, Project

if TYPE_CHECKING:
    from pathlib import Path

    from pycompose.compose.deploy.backend import Backend

TARGETS = ("kubernetes", "swarm")


class Converting:
    """A backend as far as it is asked before anything is made."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def check(self, project: Project, findings: Findings) -> None:
        if self.kind == "swarm":
            swarm.convert(project, {}, findings)
        else:
            kubernetes.convert(project, Facts("shop"), findings)


def checked(tmp_path: Path, kind: str, words: str) -> Project:
    (tmp_path / "compose.yaml").write_text(f"name: shop\nservices:\n  web: {{image: x, {words}}}\n")
    project = load_project(LoadOptions(environment={"HOME": "/"}, cwd=tmp_path))
    check_supported(project, kind, cast("Backend", Converting(kind)))
    return project


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("restart: on-failure:x", "maximum retry count must be an integer"),
        ("restart: sometimes", "unknown restart policy 'sometimes'; no, always, on-failure, unless-stopped are known"),
        ("tmpfs: ['/x:size=abc']", "invalid size: 'abc'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, kind: str, words: str, told: str) -> None:
    with pytest.raises(LoadError, match=rf"compose\.yaml:3:\d+: .*{told}"):
        checked(tmp_path, kind, words)


def test_a_mode_that_swarm_would_be_sent(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"compose\.yaml:3:\d+: services\.web\.tmpfs\[0\]: invalid mode: 'zz'"):
        checked(tmp_path, "swarm", "tmpfs: ['/x:mode=zz']")


def test_protocols_of_exposed_ports_in_any_case(tmp_path: Path) -> None:
    """A name with capitals is none for Kubernetes."""
    project = checked(tmp_path, "kubernetes", "expose: [53/UDP, 80-81]")
    found = kubernetes.convert(project, Facts("shop"), Findings(project))
    (service,) = (cast("Any", one.body) for one in found if one.kind == "Service")
    names = [(port["name"], port["protocol"]) for port in service["spec"]["ports"]]
    assert names == [("udp-53", "UDP"), ("tcp-80", "TCP"), ("tcp-81", "TCP")]
