"""A real cluster under load and without one of its nodes: what clients see, what `ps` says, and that `logs -f` goes on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cluster.conftest import Lab

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

# The server ends at once when it is told to: whoever still has its address is lost, unless it has left by then.
LOAD = """
services:
  web:
    image: "@IMAGE@"
    init: true
    command: [httpd, -f, -p, "80", -h, /www]
    environment: {VERSION: "${VERSION:-1}"}
    expose: ["80"]
    healthcheck: {test: ["CMD", "wget", "-q", "-O-", "http://127.0.0.1/version"], interval: 1s, start_period: 5s}
    deploy: {replicas: 3, endpoint_mode: dnsrr, update_config: {monitor: 1s, order: start-first}}
  client:
    image: "@IMAGE@"
    init: true
    depends_on: {web: {condition: service_healthy}}
    command:
      - sh
      - -c
      - |
        touch /tmp/ok /tmp/lost
        while :; do
          if wget -T 5 -q -O- http://web:80/version >/dev/null 2>/tmp/why
          then echo >> /tmp/ok
          else date >> /tmp/lost; cat /tmp/why >> /tmp/lost
          fi
        done
    deploy: {endpoint_mode: dnsrr}
"""


def test_a_rolling_update_loses_no_request(lab: Lab) -> None:
    lab.write(LOAD)
    lab.run("deploy")

    def answered() -> int:
        return int(lab.inside("client", "sh", "-c", "wc -l < /tmp/ok"))

    before = answered()
    lab.run("deploy", VERSION="2")
    assert answered() > before
    assert lab.inside("client", "cat", "/tmp/lost") == ""
    assert lab.inside("web", "sh", "-c", "echo $VERSION") == "2\n"


TICKING = """
services:
  web:
    image: "@IMAGE@"
    init: true
    command: [sh, -c, "while :; do echo here $$(hostname); sleep 1; done"]
    deploy: {replicas: 4, endpoint_mode: dnsrr}
"""

WHOLE_WITHIN = 60.0


def where(unit: dict[str, Any]) -> str:
    """What the lines of a unit's log begin with: a task that is moved keeps its name."""
    return f"{unit['Name']}@{unit['Node']}"


class Following:
    """`logs -f` beside the test; ``heard`` are its lines so far."""

    def __init__(self, lab: Lab) -> None:
        self.heard: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pycompose.compose.cli.main", "logs", "--to", lab.to, "-f", "--no-color"],
            cwd=lab.directory,
            env={**os.environ, **lab.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        self.heard.extend(self._process.stdout)  # line by line: a list grows while it is given

    def goes_on(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        self._process.terminate()
        self._thread.join(20)
        with self._process:  # closes the pipe
            pass


def test_a_node_without_power(lab: Lab) -> None:
    if not lab.power:
        pytest.skip("nothing switches a node off: PYCOMPOSE_TEST_SWARM_POWER or PYCOMPOSE_TEST_KUBERNETES_POWER")
    lab.write(TICKING)
    lab.run("deploy")
    following = Following(lab)
    try:
        node = sorted({one["Node"] for one in lab.units()})[-1]
        before = {where(one) for one in lab.units()}
        subprocess.run([*shlex.split(lab.power), "kill", node], check=True, timeout=60)
        began = time.monotonic()
        try:
            while True:
                elsewhere = [
                    one for one in lab.units() if one["Node"] != node and one["State"].lower().startswith("running")
                ]
                if len(elsewhere) == 4 or time.monotonic() - began > WHOLE_WITHIN:
                    break
                time.sleep(1)  # a manager tells nobody of tasks
            assert len(elsewhere) == 4, lab.run("ps").stdout
            new = {where(one) for one in elsewhere} - before
            assert new
            end = time.monotonic() + 20
            while not any(place in line for place in new for line in following.heard) and time.monotonic() < end:
                time.sleep(0.2)
            assert any(place in line for place in new for line in following.heard), following.heard[-10:]
            assert following.goes_on()
        finally:
            subprocess.run([*shlex.split(lab.power), "start", node.removeprefix("n")], check=True, timeout=60)
    finally:
        following.end()
