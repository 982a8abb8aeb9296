"""Port 53 belongs to the container's programs, while 127.0.0.11:53 answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.engine_root import EngineRoot, wait_for

from pycompose.engine.runtime import netns

pytestmark = pytest.mark.root

_INSIDE = """
import json, os, socket, struct, sys
sys.path.insert(0, sys.argv[1])
from pycompose.engine.linux import namespace
descriptor = os.open(f"/proc/{sys.argv[2]}/ns/net", os.O_RDONLY)
namespace.setns(descriptor, namespace.CLONE_NEWNET)

question = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"\\x02db\\0" + struct.pack("!2H", 1, 1)
found = {}

def address(answer):
    return socket.inet_ntoa(answer[-4:]) if struct.unpack("!H", answer[6:8])[0] else None

def ask(key):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        connected.settimeout(5)
        connected.connect(("127.0.0.11", 53))
        connected.send(question)
        free.settimeout(5)
        free.sendto(question, ("127.0.0.11", 53))
        answer, source = free.recvfrom(512)
        found[key + " udp"] = [address(connected.recv(512)), address(answer), source[1]]
    with socket.create_connection(("127.0.0.11", 53), 5) as stream:
        stream.sendall(struct.pack("!H", len(question)) + question)
        answer = stream.recv(512)
        found[key + " tcp"] = [address(answer), stream.getpeername()[1]]

ask("before")
bound = []
for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        server = socket.socket(family, kind)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[3]))
            if not int(sys.argv[3]):
                [one.close() for one in bound if one.type == kind and one.family == socket.AF_INET]
        server.bind((host, 53))
        bound.append(server)
ask("beside")
own = next(one for one in bound if one.type == socket.SOCK_DGRAM and one.fileno() >= 0)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.sendto(b"mine", ("127.0.0.1", 53))
own.settimeout(5)
found["own"] = own.recv(10).decode()
print(json.dumps(found))
"""


def _inside(pid: int, v6only: bool) -> dict[str, Any]:
    root = str(Path(netns.__file__).parents[2])
    command = [sys.executable, "-c", _INSIDE, root, str(pid), str(int(v6only))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _run(engine: EngineRoot, name: str, command: list[str], **host: Any) -> str:
    body = {"Image": "busybox", "Cmd": command, "HostConfig": host}
    id: str = engine.json("POST", f"/containers/create?name={name}", body)["Id"]
    engine.json("POST", f"/containers/{id}/start")
    return id


def _pid(engine: EngineRoot, id: str) -> int:
    return int(engine.json("GET", f"/containers/{id}/json")["State"]["Pid"])


def test_port_53_is_free_and_names_are_found(tmp_path: Path) -> None:
    with EngineRoot(tmp_path) as engine:
        engine.import_busybox()
        for name, internal in (("plain", False), ("inner", True)):
            engine.json("POST", "/networks/create", {"Name": name, "Internal": internal})
        db = _run(engine, "db", ["sleep", "1000"], NetworkMode="plain")
        engine.json("POST", "/networks/inner/connect", {"Container": db})
        server = _run(engine, "server", ["httpd", "-f", "-p", "53"], NetworkMode="plain")
        guest = _run(engine, "guest", ["sleep", "1000"], NetworkMode=f"container:{server}")
        inner = _run(engine, "inner", ["sleep", "1000"], NetworkMode="inner")
        networks = engine.json("GET", f"/containers/{db}/json")["NetworkSettings"]["Networks"]

        def check(id: str, network: str) -> None:
            wanted = networks[network]["IPAddress"]
            for v6only in (True, False):
                assert _inside(_pid(engine, id), v6only) == {
                    "before udp": [wanted, wanted, 53],
                    "before tcp": [wanted, 53],
                    "beside udp": [wanted, wanted, 53],
                    "beside tcp": [wanted, 53],
                    "own": "mine",
                }

        check(db, "plain")
        check(inner, "inner")
        for id in (server, guest):
            execution = engine.json("POST", f"/containers/{id}/exec", {"Cmd": ["nslookup", "db"], "AttachStdout": True})
            assert (
                networks["plain"]["IPAddress"].encode()
                in engine.request("POST", f"/exec/{execution['Id']}/start", {})[1]
            )
        assert engine.json("GET", f"/containers/{server}/json")["State"]["Running"]
        engine.json("POST", f"/containers/{inner}/restart?t=0")
        check(inner, "inner")
        pids = [engine.pid, engine.keeper_pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        engine.await_gone(*pids)
        engine.start()
        wait_for(lambda: _pid(engine, inner) > 0, lambda: "it was not adopted")
        check(inner, "inner")


def test_a_kernel_without_nftables_has_names_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(netns.redirect, "install", refuse)
    made = netns.create(resolver=True)
    try:
        assert made.udp is not None and made.tcp is not None
        assert made.udp.getsockname() == made.tcp.getsockname() == ("127.0.0.11", 53)
    finally:
        os.close(made.descriptor)
        for one in (made.rtnl, made.udp, made.tcp):
            assert one is not None
            one.close()
