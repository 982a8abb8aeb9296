"""`gc` in engine.yaml: what is old or too large goes by itself and is told; what is in use stays, and volumes always."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left, wait_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.root
def test_old_things_go_and_volumes_stay(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "engine.yaml").write_text(
        "gc: {every: 1s, images: {unused: 2s}, logs: {unused: 2s}, build-cache: {unused: 1s}}\n"
    )
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN --mount=type=cache,target=/c echo kept >/c/file; echo 1 >/made\n"
    )
    command = Command(root, tmp_path)

    def status() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(command("engine", "status", "--format", "json").stdout)
        return found

    def images() -> set[str]:
        return set(command("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())

    try:
        since = str(time.time() - 1)
        command("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
        command("container", "run", "-v", "/anonymous", "--name", "ended", "busybox", "echo", "a line")
        command(
            "container",
            "run",
            "-d",
            "--name",
            "alive",
            "--stop-signal",
            "KILL",
            "busybox",
            "sh",
            "-c",
            "echo a line; sleep 1000",
        )
        command("image", "build", "-t", "built:1", ".")
        command("image", "tag", "built:1", "built:2")
        command("volume", "create", "named")
        volumes = command("volume", "ls", "-q").stdout
        wait_for(lambda: images() == {"busybox:latest"}, images)
        wait_for(lambda: command("container", "logs", "ended").stdout == "", status)
        wait_for(
            lambda: "0B" in command("system", "df").stdout.splitlines()[-1], lambda: command("system", "df").stdout
        )
        assert command("container", "logs", "alive").stdout == "a line\n"
        assert command("volume", "ls", "-q").stdout == volumes and len(volumes.split()) == 2
        assert {"Time", "Reclaimed", "Images", "Logs", "Caches"} == set(status()["gc"])
        assert "gc:           last look " in command("engine", "status").stdout
        told = command(
            "system", "events", "--since", since, "--until", str(time.time()), "--filter", "event=prune"
        ).stdout
        assert "image prune" in told and "builder prune" in told and "by=gc" in told
        command("container", "start", "ended")
        assert command("container", "wait", "ended").stdout == "0\n"
    finally:
        command("engine", "stop", "--force", check=False)
    assert_nothing_left(root)
