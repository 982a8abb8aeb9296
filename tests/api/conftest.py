"""One engine for the whole session of API tests, with docker-py as the stranger that speaks to it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import docker
import pytest
from support.engine_root import EngineRoot

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("engine")) as running:
        running.import_busybox()
        yield running


@pytest.fixture
def client(engine: EngineRoot) -> Iterator[docker.DockerClient]:
    """docker-py; containers and volumes that a test leaves are removed after it."""
    connection = docker.DockerClient(base_url=engine.url, version="1.45")
    yield connection
    # One that is about to remove itself may be gone at any moment.
    for container in connection.containers.list(all=True, ignore_removed=True):
        with suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)
    connection.volumes.prune({"all": True})
    connection.networks.prune()
    connection.close()
