"""Clusters that are there, named by the environment; without one these tests are skipped.

    PYCOMPOSE_TEST_SWARM        a manager's address (unix://…, tcp://…), PYCOMPOSE_TEST_SWARM_IMAGE an image that every node has or can pull
                                PYCOMPOSE_TEST_SWARM_NODES the engines of its nodes: "n2=unix:///… n3=tcp://…"
                                PYCOMPOSE_TEST_SWARM_POWER a command that takes `kill NODE` and `start K` for the K-th node
    PYCOMPOSE_TEST_KUBECONFIG   a kubeconfig, whose current context is used; PYCOMPOSE_TEST_KUBERNETES_IMAGE and
                                PYCOMPOSE_TEST_KUBERNETES_POWER as above

The image needs `sh`, `sleep`, `cat`, `env`, `stty`, `wc`, `wget` and busybox's `httpd`, and a file /www/version. Debian 12's static busybox
is of no use in it: its `wget` crashes when it asks the DNS, so that every request by name is lost (Debian 13's does not).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.compose.client import Engine, choose
from pycompose.compose.deploy.kubernetes.client import connect
from pycompose.compose.deploy.kubernetes.names import PROJECT
from pycompose.compose.deploy.kubernetes.observe import KINDS
from pycompose.compose.deploy.swarm.labels import STACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "pycompose-test"


@dataclass
class Lab:
    """One cluster, and a directory whose compose.yaml is deployed there."""

    kind: str
    to: str
    image: str
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    power: str = ""

    def write(self, text: str) -> None:
        (self.directory / "compose.yaml").write_text(f"name: {NAME}\n{text.replace('@IMAGE@', self.image)}")

    def run(self, *words: str, code: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command; its exit code is asserted unless ``code`` is None."""
        verb, *rest = words
        nodes = [f"--node={one}" for one in self.nodes if verb in ("exec", "down", "top")]
        done = subprocess.run(
            [sys.executable, "-m", "pycompose.compose.cli.main", verb, "--to", self.to, *nodes, *rest],
            cwd=self.directory,
            env={**os.environ, **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    def inside(self, service: str, *command: str) -> str:
        return self.run("exec", "-T", service, *command).stdout

    def objects(self) -> dict[str, int]:
        """Everything that carries the project's label, with its version or generation."""
        if self.kind == "swarm":
            with closing(engine(self)) as manager:
                filters = {"label": [f"{STACK}={NAME}"]}
                swarm = manager.swarm
                specs = [(one["Spec"]["Name"], "services", one["Version"]["Index"]) for one in swarm.services(filters)]
                for noun in ("secrets", "configs"):
                    specs += [
                        (one["Spec"]["Name"], noun, one["Version"]["Index"]) for one in swarm.files(noun, filters)
                    ]
                specs += [(one["Name"], "networks", 0) for one in manager.networks.list(filters)]
                return {f"{noun} {name}": version for name, noun, version in specs}
        with closing(connect("", {**os.environ, **self.environment})) as kube:
            return {
                f"{kind} {one['metadata']['name']}": int(one["metadata"].get("generation") or 0)
                for kind in (*KINDS, "Pod")
                for one in kube.list(kind, NAME, {PROJECT: NAME})
            }

    def units(self) -> list[dict[str, Any]]:
        import json

        text = self.run("ps", "--format", "json").stdout
        return [json.loads(line) for line in text.splitlines()]


def engine(lab: Lab) -> Engine:
    return Engine(choose({}, os.geteuid(), host=lab.to.removeprefix("swarm:")))


def remove_namespace(lab: Lab) -> None:
    """The namespace with all that is in it, whoever made it; it is gone when this returns, for the next test makes it anew."""
    with closing(connect("", {**os.environ, **lab.environment})) as kube:
        kube.remove("Namespace", NAME, "")
        end = time.monotonic() + 60
        while kube.get("Namespace", NAME, "") is not None:
            assert time.monotonic() < end
            time.sleep(0.3)


def _swarm(directory: Path) -> Lab:
    address = os.environ.get("PYCOMPOSE_TEST_SWARM")
    if not address:
        pytest.skip("no swarm: PYCOMPOSE_TEST_SWARM names none")
    nodes = tuple(os.environ.get("PYCOMPOSE_TEST_SWARM_NODES", "").split())
    image = os.environ.get("PYCOMPOSE_TEST_SWARM_IMAGE", "busybox")
    power = os.environ.get("PYCOMPOSE_TEST_SWARM_POWER", "")
    return Lab("swarm", f"swarm:{address}", image, directory, nodes=nodes, power=power)


def _kubernetes(directory: Path) -> Lab:
    config = os.environ.get("PYCOMPOSE_TEST_KUBECONFIG")
    if not config:
        pytest.skip("no Kubernetes: PYCOMPOSE_TEST_KUBECONFIG names none")
    image = os.environ.get("PYCOMPOSE_TEST_KUBERNETES_IMAGE", "busybox")
    power = os.environ.get("PYCOMPOSE_TEST_KUBERNETES_POWER", "")
    return Lab("kubernetes", "kubernetes", image, directory, {"KUBECONFIG": config}, power=power)


@pytest.fixture(params=["swarm", "kubernetes"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A cluster without the project; afterwards nothing may be left that carries its labels."""
    made = {"swarm": _swarm, "kubernetes": _kubernetes}[request.param](tmp_path)
    made.environment["PASSWORD"] = "s3cret"
    yield made
    made.run("down", "-v")
    assert made.objects() == {}


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Lab]:
    made = _kubernetes(tmp_path)
    yield made
    made.run("down", "-v", code=None)


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Lab]:
    made = _swarm(tmp_path)
    yield made
    made.run("down", "-v", code=None)
