"""One container takes another one's place at its published ports, over the engine's own routes."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from support.command import free_port
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

FAMILIES = ("127.0.0.1", "::1")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path / "root") as made:
        made.import_busybox()
        yield made


def create(engine: EngineRoot, name: str, port: int) -> str:
    """A container that says its name to whoever connects, and reads until they leave."""
    body = {
        "Image": "busybox",
        "Cmd": ["nc", "-ll", "-p", "80", "-e", "sh", "-c", f"echo {name}; exec cat"],
        "StopSignal": "SIGKILL",
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": str(port)}], "53/udp": [{"HostPort": str(port)}]}},
    }
    return str(engine.json("POST", f"/containers/create?name={name}", body)["Id"])


def answers(port: int) -> set[str]:
    """Who answers at the port, over IPv4 and IPv6; "" for nobody."""
    found = set()
    for host in FAMILIES:
        try:
            with socket.create_connection((host, port), 10) as peer:
                peer.settimeout(10)
                found.add(peer.recv(100).decode().strip())
        except OSError:
            found.add("")
    return found


def led(engine: EngineRoot, name: str) -> bool:
    """Whether the container shows its ports as published."""
    return bool(engine.json("GET", f"/containers/{name}/json")["NetworkSettings"]["Ports"].get("80/tcp"))


@pytest.fixture
def pair(engine: EngineRoot) -> int:
    """The port of a container ``old`` that serves, and of ``new``, which stands by."""
    port = free_port()
    for name in ("old", "new"):
        create(engine, name, port)
    engine.json("POST", "/containers/old/start")
    wait_for(lambda: answers(port) == {"old"}, lambda: "old does not answer")
    engine.json("POST", "/pycompose/containers/new/start?behind=old")
    return port


def test_over_and_back(engine: EngineRoot, pair: int) -> None:
    assert answers(pair) == {"old"}
    assert led(engine, "old") and not led(engine, "new")
    engine.json("POST", "/pycompose/containers/new/take-over", {"drain": 5})
    assert answers(pair) == {"new"}
    assert led(engine, "new") and not led(engine, "old")
    engine.json("POST", "/pycompose/containers/new/take-over", {"drain": 5})  # it has them: nothing to do
    engine.json("DELETE", "/containers/new?force=1")
    assert answers(pair) == {"old"}
    assert led(engine, "old")


@pytest.mark.parametrize("host", FAMILIES)
def test_what_is_connected_goes_on(engine: EngineRoot, pair: int, host: str) -> None:
    """The call waits for it, ``drain`` seconds at most, and is over as soon as it has ended."""
    with socket.create_connection((host, pair), 10) as kept:
        kept.settimeout(10)
        assert kept.recv(100) == b"old\n"
        engine.json("POST", "/pycompose/containers/new/take-over", {"drain": 0.5})
        kept.sendall(b"still there")
        assert kept.recv(100) == b"still there"
        assert answers(pair) == {"new"}
        assert engine.request("POST", "/containers/old/stop")[0] == 204
        assert answers(pair) == {"new"}


def test_the_wait_ends_with_the_connection(engine: EngineRoot, pair: int) -> None:
    connection = engine.connect(timeout=60)
    with socket.create_connection(("127.0.0.1", pair), 10) as kept, connection:
        assert kept.recv(100) == b"old\n"
        body = b'{"drain": 3600}'
        connection.sendall(
            b"POST /pycompose/containers/new/take-over HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        wait_for(lambda: answers(pair) == {"new"}, lambda: "new does not answer")
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(100)
        connection.settimeout(60)
        kept.shutdown(socket.SHUT_RDWR)
        kept.close()
        assert connection.recv(100).startswith(b"HTTP/1.1 204")


def test_the_old_one_dies_first(engine: EngineRoot, pair: int) -> None:
    engine.json("POST", "/containers/old/kill")
    wait_for(lambda: answers(pair) == {"new"}, lambda: "new does not answer")
    assert led(engine, "new")


@pytest.mark.parametrize("taken_over", [False, True])
@pytest.mark.parametrize("dies", ["old", "new", ""])
def test_a_killed_engine(engine: EngineRoot, pair: int, taken_over: bool, dies: str) -> None:
    """The next one goes on from the records, also where a container has ended while there was none."""
    if taken_over:
        engine.json("POST", "/pycompose/containers/new/take-over", {"drain": 0})
    holder, other = ("new", "old") if taken_over else ("old", "new")
    victim = int(engine.json("GET", f"/containers/{dies}/json")["State"]["Pid"]) if dies else 0
    keeper = engine.keeper_pid
    for pid in (keeper, engine.pid):
        os.kill(pid, signal.SIGKILL)
    if victim:
        os.kill(victim, signal.SIGKILL)
    engine.await_gone(keeper)
    engine.start()
    assert answers(pair) == {other if dies == holder else holder}
    if not taken_over and not dies:
        engine.json("POST", "/pycompose/containers/new/take-over", {"drain": 1})
        assert answers(pair) == {"new"}
    engine.json("DELETE", f"/containers/{holder}?force=1")
    left = {"old", "new"} - {dies, holder}
    if dies != holder and not (not taken_over and not dies):
        assert answers(pair) == (left or {""})


def test_automatic_ports_stay(engine: EngineRoot) -> None:
    """What the engine has picked for the old one is the new one's as well, and again after a restart of that."""
    body = {
        "Image": "busybox",
        "Cmd": ["sleep", "1000"],
        "StopSignal": "SIGKILL",
        "Labels": {"io.pycompose.ports": "auto"},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": ""}, {"HostPort": ""}], "81/tcp": [{"HostPort": ""}]}},
    }

    def ports(name: str) -> object:
        return engine.json("GET", f"/containers/{name}/json")["NetworkSettings"]["Ports"]

    for name in ("old", "new"):
        engine.json("POST", f"/containers/create?name={name}", body)
    engine.json("POST", "/containers/old/start")
    before = ports("old")
    engine.json("POST", "/pycompose/containers/new/start?behind=old")
    engine.json("POST", "/pycompose/containers/new/take-over", {"drain": 0})
    assert ports("new") == before
    engine.json("DELETE", "/containers/old?force=1")
    engine.json("POST", "/containers/new/rename?name=old")
    engine.json("POST", "/containers/old/stop")
    engine.json("POST", "/containers/old/start")
    assert ports("old") == before


def test_a_restart_of_who_stands_by(engine: EngineRoot, pair: int) -> None:
    engine.json("POST", "/containers/new/restart?t=0")
    assert answers(pair) == {"old"}
    engine.json("POST", "/pycompose/containers/new/take-over", {"drain": 1})
    assert answers(pair) == {"new"}


def test_refusals(engine: EngineRoot, pair: int) -> None:
    assert engine.request("POST", "/pycompose/containers/new/start?behind=old")[0] == 304
    assert engine.request("POST", "/pycompose/containers/nobody/start?behind=old")[0] == 404
    assert engine.request("POST", "/pycompose/containers/new/take-over", {"drain": "long"})[0] == 400
    assert engine.request("POST", "/pycompose/containers/new/take-over", {"drain": -1})[0] == 400
    assert engine.request("POST", "/pycompose/containers/new/take-over", {"drain": float("inf")})[0] == 400
    engine.json("POST", "/containers/new/kill")
    wait_for(lambda: not engine.json("GET", "/containers/new/json")["State"]["Running"], lambda: "new does not end")
    status, words = engine.request("POST", "/pycompose/containers/new/take-over", {})
    assert (status, b"is not running" in words) == (409, True)
    assert answers(pair) == {"old"}
    other = free_port()
    create(engine, "elsewhere", other)
    engine.json("POST", "/pycompose/containers/elsewhere/start?behind=new")  # which does not run: an ordinary start
    wait_for(lambda: answers(other) == {"elsewhere"}, lambda: "elsewhere does not answer")


def test_names_change_hands_as_well(engine: EngineRoot) -> None:
    """Who asks for the service by name is sent to who has the place, and to nobody who is not ready for it."""
    engine.json("POST", "/networks/create", {"Name": "net"})
    for name in ("old", "new", "client"):
        endpoint = {"net": {"Aliases": [] if name == "client" else ["web"]}}
        body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL"}
        body |= {"HostConfig": {"NetworkMode": "net"}, "NetworkingConfig": {"EndpointsConfig": endpoint}}
        engine.json("POST", f"/containers/create?name={name}", body)

    def asked() -> set[str]:
        lines = engine.run("client", "nslookup", "web", "127.0.0.11").split("Name:", 1)[1].splitlines()
        return {line.split()[-1] for line in lines if line.startswith("Address")}

    def address(name: str) -> str:
        return str(engine.json("GET", f"/containers/{name}/json")["NetworkSettings"]["Networks"]["net"]["IPAddress"])

    for name in ("old", "client"):
        engine.json("POST", f"/containers/{name}/start")
    engine.json("POST", "/pycompose/containers/new/start?behind=old")
    assert asked() == {address("old")}
    engine.json("POST", "/pycompose/containers/new/take-over", {"drain": 0})
    assert asked() == {address("new")}
    engine.json("DELETE", "/containers/new?force=1")
    assert asked() == {address("old")}
