"""Long scripted sessions of the docker command and of Docker Compose, line by line, on this engine and on a real dockerd."""

from __future__ import annotations

import os
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE
from support.peering import dockerd, scripts
from support.peering.engines import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.engine_root import EngineRoot

_LACKING = dockerd.missing() or (None if which("docker", path=dockerd.search_path()) else "not installed: docker")
pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(_LACKING is not None, reason=f"no docker to compare with: {_LACKING}"),
]
_SESSIONS = Path(__file__).parents[1] / "data" / "peer-sessions"
_COMPOSE = {"here": "docker compose", "docker": "docker compose"}
_OURS = {"here": str(PYCOMPOSE), "docker": "docker compose"}


@pytest.fixture
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dockerd.Dockerd]:
    # A short path: containerd's sockets lie below it.
    with dockerd.Dockerd(tmp_path_factory.mktemp("d")) as daemon:
        image = "/images/create?fromSrc=-&repo=busybox&tag=latest&changes=CMD%20%5B%22%2Fbin%2Fsh%22%5D"
        peer = Peer("dockerd", str(daemon.socket), version="")
        assert peer.request("POST", image, busybox_rootfs().read()).status == 200
        yield daemon


def plugins(docker_config: Path) -> None:
    """Compose and buildx that were unpacked with dockerd, as the docker command finds them."""
    unpacked = os.environ.get("PYCOMPOSE_PEER_DOCKERD")
    directory = docker_config / "cli-plugins"
    directory.mkdir(parents=True)
    for plugin in Path(unpacked, "usr/libexec/docker/cli-plugins").glob("docker-*") if unpacked else ():
        (directory / plugin.name).symlink_to(plugin)


def has_compose(environment: Mapping[str, str]) -> bool:
    return not scripts.run("docker compose version", Path("/"), environment).code


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("session", "compose"),
    [
        ("docker", {}), ("docker-options", {}), ("docker-verbs", {}), ("compose", _COMPOSE), ("compose", _OURS),
        ("compose-options", _OURS),
    ],
    ids=["docker", "docker-options", "docker-verbs", "compose", "pycompose", "pycompose-options"],
)  # fmt: skip
def test_the_command_does_the_same(
    engine: EngineRoot, docker: dockerd.Dockerd, tmp_path: Path, session: str, compose: Mapping[str, str]
) -> None:
    sides = []
    for name, url in (("here", engine.url), ("docker", docker.url)):
        directory = tmp_path / name
        plugins(directory / ".docker")
        environment = {
            **{word: value for word, value in os.environ.items() if not word.startswith(("DOCKER_", "COMPOSE_"))},
            **{"DOCKER_HOST": url, "DOCKER_CONFIG": str(directory / ".docker"), "HOME": str(directory)},
            **{"PATH": dockerd.search_path(), "COLUMNS": "200", "NO_COLOR": "1", "C": compose.get(name, "")},
            **{"PYCOMPOSE_ROOT": str(engine.layout.root)},
        }
        sides.append((directory, environment))
    if compose and not has_compose(sides[0][1]):
        pytest.skip("not installed: docker-compose")
    lines = scripts.parse((_SESSIONS / f"{session}.txt").read_text(), own=compose is _OURS)
    found = [scripts.difference(line, *scripts.both(line.command, sides)) for line in lines]
    for side in sides:
        scripts.run("docker ps -aq | xargs -r docker rm -fv; docker rmi -f $(docker images -q busybox)", *side)
    engine.import_busybox()
    assert not list(filter(None, found)), "\n".join(filter(None, found))
