"""Many at once: 200 containers, 50 log followers, 1,000 exec calls; descriptors and memory come back down."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import docker
import pytest
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.slow]

CONTAINERS, FOLLOWERS, EXECS, CLIENTS = 200, 50, 1000, 10


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path / "load") as running:
        running.import_busybox()
        yield running


def resident(pid: int) -> int:
    """MiB."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


@pytest.mark.timeout(300)
def test_two_hundred_containers(engine: EngineRoot) -> None:
    clients = [docker.APIClient(base_url=engine.url, version="1.45", timeout=120) for _ in range(CLIENTS)]
    pid = engine.pid
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))

    def start(number: int) -> str:
        client = clients[number % CLIENTS]
        made = client.create_container("busybox", ["sh", "-c", "while :; do echo tick; sleep 1; done"])
        client.start(made)
        return str(made["Id"])

    def follow(id: str) -> int:
        with engine.connect() as connection:  # docker-py forgets the sockets of its streams
            connection.sendall(f"GET /containers/{id}/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            data = b""
            while data.count(b"tick") < 3:
                data += connection.recv(4096)
        return data.count(b"tick")

    def run(number: int) -> int:
        client = clients[number % CLIENTS]
        made = client.exec_create(ids[number % CONTAINERS], ["true"])
        client.exec_start(made)
        return int(client.exec_inspect(made)["ExitCode"])

    with ThreadPoolExecutor(CLIENTS) as pool:
        ids = list(pool.map(start, range(CONTAINERS)))
        assert len(clients[0].containers()) == CONTAINERS
        with ThreadPoolExecutor(FOLLOWERS) as followers:
            assert min(followers.map(follow, ids[:FOLLOWERS])) >= 3
        before = resident(pid)
        assert set(pool.map(run, range(EXECS))) == {0}
        assert resident(pid) - before < 20
        list(pool.map(lambda pair: clients[pair[0] % CLIENTS].remove_container(pair[1], force=True), enumerate(ids)))
    for client in clients:
        client.close()
    wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= descriptors + 3, lambda: str(os.listdir(f"/proc/{pid}/fd")))
    assert resident(pid) < 120
