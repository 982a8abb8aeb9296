"""Dependants that wait for a health check by the engine, from a Compose file to the running project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

PROJECT = """
services:
  http:
    image: busybox
    command: sh -c 'mkdir -p /www; echo yes > /www/ready; sleep 0.2; exec httpd -f -p 8080 -h /www'
    stop_signal: SIGKILL
    healthcheck:
      x-http: {port: 8080, path: /ready, status: [200, 201-204], scheme: http, headers: {Host: http}}
      interval: 60s
  tcp:
    image: busybox
    command: sh -c 'sleep 0.2; exec httpd -f -p 8080'
    stop_signal: SIGKILL
    healthcheck: {x-tcp: {port: "${PORT:-8080}"}, interval: 60s}
  log:
    image: busybox
    command: sh -c 'sleep 0.2; echo ready for all; exec sleep 1000'
    stop_signal: SIGKILL
    healthcheck: {x-log: {regex: "^ready (for|to)"}, interval: 60s}
  line:
    image: busybox
    command: sh -c 'sleep 0.2; echo now ready; exec sleep 1000'
    stop_signal: SIGKILL
    healthcheck: {x-log: {line: now ready}, interval: 60s}
  last:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on:
      http: {condition: service_healthy}
      tcp: {condition: service_healthy}
      log: {condition: service_healthy}
      line: {condition: service_healthy}
"""
SILENT = """
services:
  silent:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck: {x-notify: true, interval: 200ms, retries: 2}
"""


def test_dependants_wait_for_probes_of_every_kind(tmp_path: Path) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    file = directory / "compose.yaml"
    file.write_text(PROJECT)
    command = Command(tmp_path / "root", directory)
    command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
    try:
        command("up", "-d", "--wait")
        rows = command.ps()
        assert {row["Health"] for name, row in rows.items() if "last" not in name} == {"healthy"}
        # Another port is another container; the same file again is not.
        assert command("plan").stdout == command("plan").stdout
        assert "recreate" not in command("plan").stdout
        assert "healthcheck.x-tcp.port" in command("plan", check=False, PORT="8081").stdout
        command("down")
        file.write_text(SILENT)
        failed = command("up", "-d", "--wait", check=False)
        assert failed.returncode == 1 and "READY=1 has not come yet" in failed.stderr, failed.stderr
        command("down", "--remove-orphans")
    finally:
        command("engine", "stop", "--force")
    assert_nothing_left(command.root)
