"""Configs and secrets that exist only in memory: content, owner and mode in the container, nothing of it on a disk."""

from __future__ import annotations

import base64
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import EngineRoot, assert_nothing_left, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

SECRET = "xyzzy-plugh-abracadabra"
TARGET = "/run/secrets/token"
SHOW = f"stat -c '%a %u %g' {TARGET}; cat {TARGET}; echo; echo no >{TARGET} || echo refused; sleep 1000"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path / "root") as running:
        running.import_busybox()
        yield running
    assert_nothing_left(tmp_path / "root")


def create(engine: EngineRoot, command: str = SHOW, **host: Any) -> str:
    body = {"Image": "busybox", "Cmd": ["sh", "-c", command], "HostConfig": host}
    return str(engine.json("POST", "/containers/create", body)["Id"])


def place(engine: EngineRoot, id: str, content: str = SECRET, **members: Any) -> tuple[int, bytes]:
    encoded = base64.b64encode(content.encode()).decode()
    file = {"Target": TARGET, "Content": encoded, "UID": 7, "GID": 8, "Mode": 0o440, **members}
    return engine.request("PUT", f"/pycompose/containers/{id}/files", {"files": [file]})


def output(engine: EngineRoot, id: str) -> list[str]:
    data = engine.request("GET", f"/containers/{id}/logs?stdout=1&stderr=0")[1]
    lines = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        lines.append(data[8 : 8 + size].decode())
        data = data[8 + size :]
    return "".join(lines).splitlines()


def start(engine: EngineRoot, id: str) -> None:
    status, answer = engine.request("POST", f"/containers/{id}/start")
    assert status == 204, answer


def on_disk(root: Path) -> list[str]:
    """Files below ``root``, as they are outside the engine's mount namespace, that have the secret in some form."""
    forms = (SECRET.encode(), base64.b64encode(SECRET.encode())[:-4])
    found = []
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    data = file.read()
                found += [path for form in forms if form in data]
    return found


EXPECTED = ["440 7 8", SECRET, "refused"]


@pytest.mark.parametrize("read_only", [False, True])
def test_content_owner_and_mode(engine: EngineRoot, read_only: bool) -> None:
    id = create(engine, ReadonlyRootfs=read_only)
    assert place(engine, id)[0] == 204
    start(engine, id)
    wait_for(lambda: len(output(engine, id)) == 3, lambda: output(engine, id))
    assert output(engine, id) == EXPECTED
    shown = engine.request("GET", f"/containers/{id}/json")[1]
    assert SECRET.encode() not in shown
    assert place(engine, id)[0] == 409  # it runs
    engine.json("DELETE", f"/containers/{id}?force=1")
    assert os.listdir(f"/proc/{engine.pid}/root{engine.layout.files}") == []


def test_nothing_is_on_disk(engine: EngineRoot) -> None:
    id = create(engine, "sleep 1000")
    assert place(engine, id)[0] == 204
    start(engine, id)
    assert on_disk(engine.layout.root) == []
    held = f"/proc/{engine.pid}/root{engine.layout.container_files(id)}/0"
    with open(held) as file:
        assert file.read() == SECRET  # the search was for the right words
    engine.json("POST", f"/containers/{id}/stop?t=0")
    assert on_disk(engine.layout.root) == []


def test_it_outlives_restarts_of_container_and_engine(engine: EngineRoot) -> None:
    id = create(engine)
    assert place(engine, id)[0] == 204
    start(engine, id)
    wait_for(lambda: len(output(engine, id)) == 3, lambda: output(engine, id))
    engine.json("POST", f"/containers/{id}/restart?t=0")
    wait_for(lambda: output(engine, id) == EXPECTED * 2, lambda: output(engine, id))
    os.kill(engine.pid, signal.SIGKILL)
    wait_for(engine.is_up, lambda: "the engine does not come back")
    engine.json("POST", f"/containers/{id}/stop?t=0")
    start(engine, id)
    wait_for(lambda: output(engine, id) == EXPECTED * 3, lambda: output(engine, id))


def test_keeper_and_engine_die_and_the_shim_still_has_it(engine: EngineRoot) -> None:
    id = create(engine)
    assert place(engine, id)[0] == 204
    start(engine, id)
    pids = (engine.keeper_pid, engine.pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    engine.await_gone(*pids)
    engine.start()
    engine.json("POST", f"/containers/{id}/stop?t=0")
    start(engine, id)
    wait_for(lambda: output(engine, id) == EXPECTED * 2, lambda: output(engine, id))


def test_a_stopped_engine_has_forgotten_it_and_says_so(engine: EngineRoot) -> None:
    id = create(engine)
    assert place(engine, id)[0] == 204
    engine.stop()
    engine.start()
    status, answer = engine.request("POST", f"/containers/{id}/start")
    assert status == 409 and b"kept in memory only" in answer
    assert place(engine, id)[0] == 204
    start(engine, id)
    wait_for(lambda: output(engine, id) == EXPECTED, lambda: output(engine, id))


@pytest.mark.parametrize(
    "members",
    [{"Target": "etc/x"}, {"Target": "/"}, {"Content": "%"}, {"UID": -1}, {"Mode": "440"}, {"Mode": 0o10000}],
    ids=str,
)
def test_bad_input_is_refused(engine: EngineRoot, members: dict[str, Any]) -> None:
    assert place(engine, create(engine), **members)[0] == 400
