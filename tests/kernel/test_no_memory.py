"""An engine whose address space has no room: what ends and removes works, the rest is refused in words, and it never goes deaf."""

from __future__ import annotations

import json
import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest
from support.engine_root import EngineRoot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path / "root") as engine:
        engine.import_busybox()
        for name in ("stopped", "removed", "steady"):
            engine.json("POST", f"/containers/create?name={name}", {"Image": "busybox", "Cmd": ["sleep", "1000"]})
            engine.json("POST", f"/containers/{name}/start")
        yield engine


def test_no_address_space_is_left(engine: EngineRoot) -> None:
    """No new thread gets a stack, and no large block is to be had."""
    pid = engine.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_AS)
    with open(f"/proc/{pid}/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (size, hard))
    try:
        engine.json("POST", "/containers/stopped/stop?t=0")
        answers = [
            engine.request("POST", "/containers/stopped/start", timeout=60),
            engine.request("PUT", "/containers/steady/archive?path=/", os.urandom(64 << 20), timeout=60),
        ]
        for status, body in answers:
            # What is small enough may find room in what is there.
            assert status < 300 or b"Cannot allocate memory" in body, (status, body)
        engine.json("DELETE", "/containers/removed?force=1", timeout=60)
        rows = engine.json("GET", "/containers/json")
        assert {row["Names"][0] for row in rows} - {"/stopped"} == {"/steady"}
    finally:
        print(engine.log())
        resource.prlimit(pid, resource.RLIMIT_AS, (soft, hard))
    assert engine.pid == pid
    status, body = engine.request("POST", "/containers/stopped/start", timeout=60)
    assert status in (204, 304), body
    assert json.loads(engine.request("GET", "/containers/stopped/json")[1])["State"]["Running"]
    os.kill(pid, signal.SIGKILL)  # the next one finds what this one has told
    engine.await_gone(pid)
    assert engine.request("GET", "/containers/removed/json", timeout=60)[0] == 404
