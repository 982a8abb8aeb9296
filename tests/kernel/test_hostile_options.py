"""Options that reach for the host by a detour; each test looks at the host. What is said in words elsewhere is not repeated here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from support.engine_root import EngineRoot

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("hostile")) as running:
        running.import_busybox()
        yield running


@pytest.fixture
def donor(engine: EngineRoot) -> Iterator[str]:
    """A container that has been given the host's network and its message queues."""
    host = {"NetworkMode": "host", "IpcMode": "host", "Init": True}
    id: str = engine.json(
        "POST", "/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": host}
    )["Id"]
    engine.json("POST", f"/containers/{id}/start")
    yield id
    engine.json("DELETE", f"/containers/{id}?force=1")


@pytest.mark.parametrize(
    ("name", "mode"),
    [("net.ipv4.ip_default_ttl", "NetworkMode"), ("kernel.msgmax", "IpcMode"), ("fs.mqueue.msg_default", "IpcMode")],
)
def test_a_setting_of_a_namespace_that_is_the_hosts_by_way_of_another(
    engine: EngineRoot, donor: str, name: str, mode: str
) -> None:
    setting = Path("/proc/sys") / name.replace(".", "/")
    before = setting.read_text()
    host = {"NetworkMode": "none", mode: f"container:{donor}", "Sysctls": {name: str(int(before) + 1)}}
    body = {"Image": "busybox", "Cmd": ["true"], "HostConfig": host}
    status, answer = engine.request("POST", "/containers/create", body)
    assert status == 201, answer
    id = engine.json("GET", '/containers/json?all=1&filters={"status":["created"]}')[0]["Id"]
    try:
        status, answer = engine.request("POST", f"/containers/{id}/start")
        assert setting.read_text() == before
        assert status == 500 and f"sysctl '{name}' not allowed in host".encode() in answer
    finally:
        setting.write_text(before)
        engine.json("DELETE", f"/containers/{id}?force=1")


@pytest.mark.parametrize(
    "entry", ["a:192.0.2.1\n192.0.2.2 b", "a b:192.0.2.1", "a:1.1.1.1 # b", "a\tb:192.0.2.1", ":192.0.2.1", "a:"]
)
def test_a_build_adds_one_host_a_line(engine: EngineRoot, entry: str) -> None:
    status, answer = engine.request("POST", f"/build?extrahosts={quote(entry)}", bytes(10240))
    assert status == 400 and b"add-host" in answer


@pytest.mark.parametrize("member", ["Hostname", "Domainname"])
def test_a_host_name_is_one_line_of_hosts(engine: EngineRoot, member: str) -> None:
    status, answer = engine.request("POST", "/containers/create", {"Image": "busybox", member: "a\n192.0.2.2 b"})
    assert status == 400 and b"invalid hostname format" in answer
