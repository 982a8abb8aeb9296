"""Sessions of the newest clients, which `.ci/clients` installs into a directory that PYCOMPOSE_CLIENTS names; else they are skipped."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.engine_root import EngineRoot

_CLIENTS = Path(os.environ.get("PYCOMPOSE_CLIENTS") or "/nowhere")
_DEVCONTAINER = _CLIENTS / "npm/node_modules/@devcontainers/cli/devcontainer.js"
_SDK = _CLIENTS / "npm/node_modules/@docker/node-sdk"
_DATA = Path(__file__).parents[1] / "data/clients"

pytestmark = [pytest.mark.root, pytest.mark.peer]

_CONFIGURATION: dict[str, Any] = {
    "name": "session",
    "build": {"dockerfile": "Dockerfile", "args": {"WHO": "me"}, "target": "dev", "context": ".."},
    "features": {"./feat": {"greeting": "ahoy"}},
    "containerEnv": {"FOO": "bar"},
    "remoteEnv": {"R": "${containerEnv:FOO}x"},
    "mounts": ["source=devcontainer-session,target=/data,type=volume"],
    "runArgs": ["--cap-add=SYS_PTRACE", "--hostname=devbox"],
    "init": True,
    "securityOpt": ["seccomp=unconfined"],
    "remoteUser": "user",
    "onCreateCommand": "echo created > /tmp/created",
    "postStartCommand": {"one": "echo 1 > /tmp/one", "two": ["touch", "/tmp/two"]},
}
_FEATURE = {
    "id": "feat",
    "version": "1.0.0",
    "name": "feat",
    "options": {"greeting": {"type": "string", "default": "hi"}},
    "containerEnv": {"FEAT": "yes"},
    "capAdd": ["NET_ADMIN"],
}


def _environment(engine: EngineRoot, home: Path) -> dict[str, str]:
    found = {**os.environ, "DOCKER_HOST": engine.url, "DOCKER_CONFIG": str(_CLIENTS / "docker"), "HOME": str(home)}
    found["PATH"] = f"{_CLIENTS / 'bin'}:{found['PATH']}"
    found["TMPDIR"] = str(home)
    return found


@pytest.fixture
def devcontainer(engine: EngineRoot, tmp_path: Path) -> Callable[..., str]:
    """The command; its output, when it ends with ``status``."""
    environment = _environment(engine, tmp_path)

    def run(*words: str, status: int = 0) -> str:
        command = ["node", str(_DEVCONTAINER), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return done.stdout

    return run


@pytest.mark.skipif(
    not (which("node") and _DEVCONTAINER.exists()), reason="the dev containers' command is not installed"
)
def test_dev_containers(engine: EngineRoot, devcontainer: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "session"
    place = folder / ".devcontainer"
    (place / "feat").mkdir(parents=True)
    (place / "devcontainer.json").write_text(json.dumps(_CONFIGURATION))
    (place / "Dockerfile").write_text(
        "FROM busybox AS dev\nARG WHO\nRUN echo $WHO > /who; chown user /home\nCOPY data.txt /\nFROM dev AS last\nRUN false\n"
    )
    (place / "feat/devcontainer-feature.json").write_text(json.dumps(_FEATURE))
    (place / "feat/install.sh").write_text('#!/bin/sh\necho "$GREETING to $_REMOTE_USER" > /etc/feat\n')
    (folder / "data.txt").write_text("data\n")
    at = ("--workspace-folder", str(folder))
    try:
        first = json.loads(devcontainer("up", *at).splitlines()[-1])
        assert (first["outcome"], first["remoteUser"]) == ("success", "user")
        assert first["remoteWorkspaceFolder"] == "/workspaces/session"
        script = "cat /who /data.txt /etc/feat /tmp/created /tmp/one; ls -d /tmp/two; echo $FOO $R $FEAT; hostname; id -un; pwd; exit 3"
        told = devcontainer("exec", *at, "sh", "-c", script, status=3)
        assert told.split("\n")[:-1] == [
            *("me", "data", "ahoy to user", "created", "1", "/tmp/two"),
            *("bar barx yes", "devbox", "user", "/workspaces/session"),
        ]
        # The same one again, also after it was stopped, and another one when that is asked for.
        for _ in range(2):
            assert json.loads(devcontainer("up", *at).splitlines()[-1])["containerId"] == first["containerId"]
            engine.request("POST", f"/containers/{first['containerId']}/stop?t=0")
        again = json.loads(devcontainer("up", *at, "--remove-existing-container").splitlines()[-1])
        assert again["outcome"] == "success" and again["containerId"] != first["containerId"]
    finally:
        for row in engine.json("GET", "/containers/json?all=1"):
            engine.request("DELETE", f"/containers/{row['Id']}?force=1&v=1")
        engine.request("POST", "/networks/prune")
        engine.request("DELETE", "/volumes/devcontainer-session")


@pytest.mark.skipif(not (which("node") and _SDK.exists()), reason="Docker's SDK for Node is not installed")
def test_docker_sdk_for_node(engine: EngineRoot, tmp_path: Path) -> None:
    script = tmp_path / "session.mjs"
    script.write_text((_DATA / "node-sdk.mjs").read_text())
    (tmp_path / "node_modules").symlink_to(_CLIENTS / "npm/node_modules")
    done = subprocess.run(
        ["node", str(script)],
        env=_environment(engine, tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["built", "A", "loaded", "hello"]
