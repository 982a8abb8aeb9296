"""A long scripted session of the docker command, line by line, on this engine and on a real dockerd."""

from __future__ import annotations

import os
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.peering import dockerd, scripts
from support.peering.engines import Peer

if TYPE_CHECKING:
    from support.engine_root import EngineRoot

_LACKING = dockerd.missing() or (None if which("docker", path=dockerd.search_path()) else "not installed: docker")
pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(_LACKING is not None, reason=f"no docker to compare with: {_LACKING}"),
]
_SESSIONS = Path(__file__).parents[1] / "data" / "peer-sessions"


@pytest.mark.timeout(3600)
def test_the_docker_command_does_the_same(engine: EngineRoot, tmp_path: Path) -> None:
    with dockerd.Dockerd(tmp_path / "dockerd") as docker:
        image = "/images/create?fromSrc=-&repo=busybox&tag=latest&changes=CMD%20%5B%22%2Fbin%2Fsh%22%5D"
        theirs = Peer("dockerd", str(docker.socket))
        assert theirs.request("POST", image, busybox_rootfs().read()).status == 200
        sides = []
        for name, url in (("here", engine.url), ("docker", docker.url)):
            directory = tmp_path / name
            directory.mkdir()
            environment = {"DOCKER_HOST": url, "DOCKER_CONFIG": str(directory / ".docker"), "HOME": str(directory)}
            sides.append((directory, {**os.environ, **environment, "PATH": dockerd.search_path()}))
        lines = scripts.parse((_SESSIONS / "docker.txt").read_text())
        found = [scripts.difference(line, *scripts.both(line.command, sides)) for line in lines]
        for side in sides:
            scripts.run("docker ps -aq | xargs -r docker rm -fv; docker rmi -f $(docker images -q busybox)", *side)
    engine.import_busybox()
    assert not list(filter(None, found)), "\n".join(filter(None, found))
