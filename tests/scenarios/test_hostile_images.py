"""An image with labels that steer pycompose: what only a Compose file may ask for is not done for an image's sake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.command import Command
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

HOOK = json.dumps([{"command": "echo hooked with `grep CapEff /proc/self/status`", "privileged": True, "user": "root"}])
DOCKERFILE = f"""
FROM busybox
LABEL io.pycompose.pre-start='{HOOK}' io.pycompose.post-start='{HOOK}' io.pycompose.pre-stop='{HOOK}'
LABEL io.pycompose.kept-volumes=precious io.pycompose.ports=auto io.pycompose.lease=x
"""
PROJECT = """
services:
  web:
    build: .
    image: evil
    user: "1000"
    command: sleep 1000
    stop_signal: SIGKILL
"""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    directory = tmp_path / "shop"
    directory.mkdir()
    with EngineRoot(tmp_path / "root") as engine:
        engine.import_busybox()
        yield Command(tmp_path / "root", directory)


def test_labels_of_an_image_steer_nothing(command: Command) -> None:
    (command.directory / "Dockerfile").write_text(DOCKERFILE)
    (command.directory / "compose.yaml").write_text(PROJECT)
    command("volume", "create", "precious")
    command("build")
    said = [
        command(*words.split())
        for words in ("up -d", "restart", "stop", "start", "exec web id -u", "up -d --force-recreate")
    ]
    labels = json.loads(command("container", "inspect", "shop-web-1").stdout)[0]["Config"]["Labels"]
    assert [name for name in labels if name.startswith("io.pycompose.") and name != "io.pycompose.fields"] == []
    said.append(command("down", "-v"))
    assert "hooked" not in "".join(done.stdout + done.stderr for done in said)
    assert command("volume", "ls", "-q").stdout == "precious\n"


def test_an_image_makes_its_container_nobodys(command: Command) -> None:
    """Not one of a project's, whose files the page and the terminal view would find by what else the image says."""
    evil = {"project": "shop", "service": "web", "oneoff": "False", "hook": "pre_start", "replace": "other"}
    evil |= {"project.config_files": "/etc/passwd", "project.working_dir": str(command.directory)}
    words = " ".join(f"com.docker.compose.{name}={text}" for name, text in evil.items())
    (command.directory / "Dockerfile").write_text(f"FROM busybox\nLABEL {words}\n")
    (command.directory / "compose.yaml").write_text(PROJECT)
    command("build")
    command("container", "run", "-d", "--name", "guest", "evil", "sleep", "1000")
    assert command("ls", "-a", "-q").stdout == command("ps", "-a", "-q").stdout == ""
    command("up", "-d")
    command("down")
    assert command("container", "ls", "--format", "{{.Names}}").stdout == "guest\n"
    command("container", "rm", "-f", "guest")


def test_hooks_of_a_file_run_in_spite_of_the_images(command: Command) -> None:
    """An image that was committed from a container with hooks brings none, and the file's are as they were."""
    own = (
        PROJECT
        + "    post_start: [{command: [touch, /tmp/started]}]\n    pre_stop: [{command: [sh, -c, echo stopping now]}]\n"
    )
    (command.directory / "Dockerfile").write_text("FROM busybox\n")
    (command.directory / "compose.yaml").write_text(own)
    command("up", "-d", "--build")
    command("commit", "web", "evil")
    assert command("up", "-d", "--no-build", "--force-recreate").returncode == 0
    wait_for(lambda: "started" in command("exec", "web", "ls", "/tmp").stdout, "the hook has not run")
    stopped = command("stop")
    assert "stopping now" in stopped.stdout + stopped.stderr
    command("down")


def test_labels_that_an_older_engine_has_let_in(command: Command, tmp_path: Path) -> None:
    """As another engine merges them: the labels are the container's by now, and its image's."""
    (command.directory / "Dockerfile").write_text(DOCKERFILE)
    (command.directory / "compose.yaml").write_text(PROJECT)
    command("volume", "create", "precious")
    command("build")
    command("up", "-d")
    engine = EngineRoot(tmp_path / "root")
    before = engine.json("GET", "/containers/shop-web-1/json")
    labels = {
        **json.loads(command("image", "inspect", "evil").stdout)[0]["Config"]["Labels"],
        **before["Config"]["Labels"],
    }
    del labels["io.pycompose.lease"]
    engine.json("DELETE", "/containers/shop-web-1?force=1")
    body = {**before["Config"], "Labels": labels, "HostConfig": before["HostConfig"]}
    engine.json("POST", "/containers/create?name=shop-web-1", body)
    said = [command(*words.split()) for words in ("start", "restart", "stop", "down -v")]
    assert "hooked" not in "".join(done.stdout + done.stderr for done in said)
    assert command("volume", "ls", "-q").stdout == "precious\n"
