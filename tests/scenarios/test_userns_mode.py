"""`userns_mode` and `x-idmap` as a user meets them: shared volumes, copies, commits, secrets, joined namespaces, kills, restarts."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import EngineRoot, UnixConnection, assert_nothing_left, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

FILE = """
name: p
x-run: &run {image: bare, command: sleep 600, stop_grace_period: 0s}
services:
  one:
    <<: *run
    userns_mode: auto
    volumes: [data:/data]
    ipc: shareable
    user: user
    group_add: [audio]
    tmpfs: ["/t:uid=1000"]
    init: true
    sysctls: {net.ipv4.ping_group_range: "0 2147483647", kernel.shmmax: 1234567}
    configs: [{source: word, target: /etc/word, uid: "1000", mode: 0400}]
    healthcheck: {test: [CMD, cat, /etc/word], interval: 1s}
  two: {<<: *run, userns_mode: private, volumes: [data:/data], read_only: true}
  plain: {<<: *run, volumes: [data:/data]}
  beside: {<<: *run, network_mode: "service:one", ipc: "service:one", pid: "service:one"}
volumes: {data: {}}
configs: {word: {content: the word}}
"""


ABLE = bytes.fromhex("0100000200200000000000000000000000000000")
"""CAP_NET_RAW, permitted: a file's security.capability."""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    directory = tmp_path / "project"
    directory.mkdir()
    made = Command(tmp_path / "root", directory)
    made("image", "import", "-", "bare", stdin=busybox_rootfs().read())
    return made


def ended(command: Command) -> None:
    command("down", "-v", check=False)
    command("engine", "stop")
    assert_nothing_left(command.root)


def base(command: Command, service: str) -> int:
    inside, outside, length = command("exec", "-T", service, "cat", "/proc/self/uid_map").stdout.split()
    return 0 if length == "4294967295" else int(outside) - int(inside)


def test_a_project_with_user_namespaces(command: Command) -> None:
    (command.directory / "compose.yaml").write_text(FILE)
    try:
        command("up", "-d", "--wait")
        ids = {service: base(command, service) for service in ("one", "two", "plain", "beside")}
        assert ids["plain"] == 0 and ids["beside"] == ids["one"] != ids["two"]
        assert abs(ids["one"] - ids["two"]) >= 65536

        one = "id -u; id -G; stat -c %u /t /etc/hosts; cat /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/shmmax"
        assert command("exec", "-T", "one", "sh", "-c", one).stdout.split() == [
            "1000", "1000", "29", "1000", "0", "0", "65535", "1234567",
        ]  # fmt: skip
        command("exec", "-T", "-u", "0", "one", "sh", "-c", "echo 1 >/data/x; chown 33:44 /data/x; echo 2 >/dev/shm/y")
        for service in ("two", "plain"):
            assert command("exec", "-T", service, "stat", "-c", "%u:%g", "/data/x").stdout == "33:44\n"
        assert command("exec", "-T", "two", "touch", "/x", check=False).returncode == 1
        assert command("exec", "-T", "beside", "cat", "/dev/shm/y").stdout == "2\n"
        assert "docker-init" in command("exec", "-T", "beside", "cat", "/proc/1/cmdline").stdout

        copied(command)
        committed(command)

        command("restart", "one")
        command("stop", "two")
        command("start", "two")
        assert {service: base(command, service) for service in ids} == ids
    finally:
        ended(command)


def copied(command: Command) -> None:
    """In and out of a running container, owners count from 0."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, owner in (("in", 7), ("root", 0)):
            member = tarfile.TarInfo(name)
            member.uid = member.gid = owner
            tar.addfile(member)
    command("cp", "-", "one:/tmp", stdin=archive.getvalue())
    seen = command("exec", "-T", "one", "stat", "-c", "%u:%g", "/tmp/in", "/tmp/root").stdout
    assert seen == "7:7\n0:0\n"
    command("exec", "-T", "-u", "0", "one", "sh", "-c", "mkdir /tmp/d; touch /tmp/d/f; chown 33:44 /tmp/d/f")
    container = "/containers/p-one-1/archive?path="
    archive.seek(0)
    archive.truncate()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("able")
        member.pax_headers = {"SCHILY.xattr.security.capability": ABLE.decode("latin-1")}
        tar.addfile(member)
    command("cp", "-", "one:/tmp", stdin=archive.getvalue())
    with tarfile.open(fileobj=io.BytesIO(api(command, container + "/tmp/able"))) as tar:
        assert tar.getmember("able").pax_headers["SCHILY.xattr.security.capability"].encode() == ABLE
    archive.seek(0)
    for path, name in (("/tmp/d", "d/f"), ("/data", "data/x")):
        with tarfile.open(fileobj=io.BytesIO(api(command, container + path))) as tar:
            assert (tar.getmember(name).uid, tar.getmember(name).gid) == (33, 44)
    archive.seek(0)
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("far")
        member.uid = 70000
        tar.addfile(member)
    refused = command("cp", "-", "one:/tmp", stdin=archive.getvalue(), check=False)
    assert refused.returncode == 1 and "far: the container has no user 70000" in refused.stderr


def committed(command: Command) -> None:
    """Layers and exports are as those of any container."""
    command("commit", "one", "made:1")
    out = command("container", "run", "--rm", "made:1", "stat", "-c", "%u:%g", "/tmp/d/f").stdout
    assert out == "33:44\n"
    with tarfile.open(fileobj=io.BytesIO(api(command, "/containers/p-one-1/export"))) as tar:
        assert tar.getmember("tmp/d/f").uid == 33
    assert "A /tmp/d/f" in command("container", "diff", "p-one-1").stdout


def api(command: Command, path: str) -> bytes:
    connection = UnixConnection(str(command.root / "run/engine.sock"), 60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    connection.close()
    return body


def test_files_of_the_callers(command: Command) -> None:
    source = command.directory / "source"
    source.mkdir()
    os.chown(source, 1001, 1001)
    for mode in ("host", "auto"):
        (command.directory / "compose.yaml").write_text(f"""
name: p
services:
  long:
    image: bare
    userns_mode: {mode}
    user: user
    command: sh -c 'cp /bin/busybox /s/{mode} && chmod 4755 /s/{mode} && stat -c %u /s /s/{mode}'
    volumes: [{{type: bind, source: ./source, target: /s, bind: {{x-idmap: match-user}}}}]
  short: {{image: bare, userns_mode: {mode}, command: sh -c 'touch /s/root-{mode}; id -u', volumes: ["./source:/s:idmap"]}}
""")
        try:
            assert command("run", "--rm", "-T", "long").stdout == "1000\n1000\n"
            assert command("run", "--rm", "-T", "short").stdout == "0\n"
            for name in (mode, f"root-{mode}"):
                assert ((source / name).stat().st_uid, (source / name).stat().st_gid) == (1001, 1001)
        finally:
            command("down", "-v", check=False)
    flag = f"type=bind,src={source},dst=/s,bind-idmap=match-user"
    assert (
        command("container", "run", "--rm", "-u", "5:5", "--mount", flag, "bare", "stat", "-c", "%u:%g", "/s").stdout
        == "5:5\n"
    )
    ended(command)


@pytest.mark.parametrize("mode", ["host", "auto"])
def test_copies_through_a_matched_bind(command: Command, mode: str) -> None:
    """In and out, while the container runs and while it does not: the owner outside is the user inside, and nobody else."""
    source = command.directory / "source"
    source.mkdir()
    (source / "given").write_text("given\n")
    for path in (source, source / "given"):
        os.chown(path, 1001, 1002)
    (command.directory / "compose.yaml").write_text(f"""
name: p
services:
  app: {{image: bare, command: sleep 600, stop_grace_period: 0s, userns_mode: {mode}, user: "1234:8", volumes: ["./source:/s:idmap"]}}
""")
    (command.directory / "word").write_text("word\n")
    try:
        command("up", "-d")
        for state in ("running", "stopped"):
            command("cp", "word", f"app:/s/{state}")
            made = source / state
            assert made.read_text() == "word\n"
            assert (made.stat().st_uid, made.stat().st_gid) == (1001, 1002)
            with tarfile.open(fileobj=io.BytesIO(command("cp", "app:/s/given", "-").stdout.encode())) as packed:
                assert [(one.uid, one.gid) for one in packed] == [(1234, 8)]
            command("stop")
        command("start")
        assert command("container", "top", "p-app-1", "-eo", "pid,uid,comm").stdout.split()[-2:] == ["1234", "sleep"]
        seen = command("exec", "-T", "app", "stat", "-c", "%u:%g", "/s/stopped").stdout
        assert seen == "1234:8\n"
    finally:
        ended(command)


def test_what_up_says_about_owners(command: Command) -> None:
    source = command.directory / "source"
    source.mkdir(mode=0o755)
    os.chown(source, 1001, 1001)
    text = "name: p\nservices: {a: {image: bare, command: 'true', user: '33', volumes: ['./source:/s%s']}}\n"
    try:
        (command.directory / "compose.yaml").write_text(text % "")
        said = command("up", "-d").stderr
        assert said.count("bind: {x-idmap: match-user} makes it theirs inside") == 1
        assert "compose.yaml:2:" in said
        (command.directory / "compose.yaml").write_text(text % ":idmap")
        assert "x-idmap" not in command("up", "-d").stderr
        os.chown(source, 0, 0)
        refused = command("up", "-d", "--force-recreate", check=False)
        assert refused.returncode == 1 and "it belongs to root" in refused.stderr
        (command.directory / "compose.yaml").write_text(text % "")
        assert "x-idmap" not in command("up", "-d", "--force-recreate").stderr, "root's files cannot be matched"
    finally:
        ended(command)


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    root = tmp_path / "root"
    root.mkdir()
    (root / "engine.yaml").write_text("userns: {mode: auto, first: 1000000000, ranges: 3}\n")
    with EngineRoot(root) as running:
        running.import_busybox()
        yield running


def run(engine: EngineRoot, name: str, **host: Any) -> str:
    body = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": host}
    id = str(engine.json("POST", f"/containers/create?name={name}", body)["Id"])
    engine.json("POST", f"/containers/{id}/start")
    return id


def outside(engine: EngineRoot, id: str) -> int:
    pid = engine.json("GET", f"/containers/{id}/json")["State"]["Pid"]
    with open(f"/proc/{pid}/uid_map") as file:
        return int(file.read().split()[1])


def test_an_engine_wide_default_bounded_ranges_and_kills(engine: EngineRoot) -> None:
    with ThreadPoolExecutor(2) as pool:
        ids = list(pool.map(lambda name: run(engine, name), ("one", "two")))
    ids.append(run(engine, "three", UsernsMode="private"))
    plain = run(engine, "plain", UsernsMode="host", Privileged=True, NetworkMode="host")
    bases = [outside(engine, id) for id in ids]
    assert sorted(bases) == [1000000000 + number * 65536 for number in range(3)] and outside(engine, plain) == 0
    with pytest.raises(Exception, match="no range of ids is left for a user namespace: 3 containers have one"):
        run(engine, "four")
    with pytest.raises(Exception, match="privileged mode is incompatible with user namespaces"):
        run(engine, "four", Privileged=True)

    engine_pid, keeper = engine.pid, engine.keeper_pid
    os.kill(engine_pid, signal.SIGKILL)
    wait_for(lambda: engine.is_up() and engine.pid != engine_pid, engine.log)
    assert [outside(engine, id) for id in ids] == bases
    keeper, engine_pid = engine.keeper_pid, engine.pid
    for pid in (keeper, engine_pid):
        os.kill(pid, signal.SIGKILL)
    engine.await_gone(keeper, engine_pid)
    engine.start()
    assert [outside(engine, id) for id in ids] == bases
    status = json.loads((engine.layout.container_state(ids[0]) / "status.json").read_text())
    os.kill(status["shim_pid"], signal.SIGKILL)
    wait_for(lambda: not engine.json("GET", f"/containers/{ids[0]}/json")["State"]["Running"], engine.log)
    engine.json("POST", f"/containers/{ids[0]}/start")
    assert outside(engine, ids[0]) == bases[0]

    engine.json("DELETE", f"/containers/{ids[1]}?force=1")
    assert outside(engine, run(engine, "four")) == bases[1], "a range that was given back"
    for name in ("one", "three", "four", "plain"):
        engine.json("DELETE", f"/containers/{name}?force=1")


def test_the_next_container_does_not_inherit_what_a_removed_one_has_left(command: Command) -> None:
    """By its ids, which are others: of six in a row hardly two have the same among thousands, and never all."""
    show = ("container", "run", "--rm", "--userns", "auto", "bare", "cat", "/proc/self/uid_map")
    try:
        assert len({command(*show).stdout.split()[1] for _ in range(6)}) > 3
    finally:
        ended(command)


def test_two_engines_never_give_the_same_ids(engine: EngineRoot, tmp_path: Path) -> None:
    """The same ranges are configured for both: what one has given, the other has not."""
    root = tmp_path / "other"
    root.mkdir()
    (root / "engine.yaml").write_text("userns: {mode: auto, first: 1000000000, ranges: 3}\n")
    with EngineRoot(root) as other:
        other.import_busybox()
        bases = [outside(here, run(here, name)) for here, name in ((engine, "one"), (other, "two"), (engine, "three"))]
        assert sorted(bases) == [1000000000 + number * 65536 for number in range(3)]
        with pytest.raises(Exception, match="no range of ids is left for a user namespace"):
            run(other, "four")
        engine.json("DELETE", "/containers/one?force=1")
        assert outside(other, run(other, "four")) == bases[0]
        for name in ("two", "four"):
            other.json("DELETE", f"/containers/{name}?force=1")
    engine.json("DELETE", "/containers/three?force=1")


def test_killed_on_the_way_into_its_user_namespace(engine: EngineRoot) -> None:
    """The engine, at moments all over a start; whatever came of it, it can be started again, and nothing is left."""
    body = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {}}
    id = str(engine.json("POST", "/containers/create?name=one", body)["Id"])
    for delay in (0.01, 0.03, 0.06):

        def begin() -> None:
            try:
                engine.json("POST", f"/containers/{id}/start")
            except Exception:
                return  # its engine was killed

        starting = threading.Thread(target=begin)
        before = engine.pid
        starting.start()
        time.sleep(delay)  # a moment in the middle of it, not a condition
        os.kill(before, signal.SIGKILL)
        starting.join()
        wait_for(lambda before=before: engine.is_up() and engine.pid != before, engine.log)
        if not engine.json("GET", f"/containers/{id}/json")["State"]["Running"]:
            engine.json("POST", f"/containers/{id}/start")
        assert outside(engine, id) >= 1000000000
        engine.json("POST", f"/containers/{id}/stop?t=0")
    engine.json("DELETE", f"/containers/{id}?force=1")


def test_a_volume_with_layers_is_refused_and_kept(command: Command) -> None:
    text = "name: p\nservices: {a: {image: bare, userns_mode: %s, command: sleep 600, stop_grace_period: 0s, volumes: ['data:/data']}}\n"
    file = command.directory / "compose.yaml"
    file.write_text(text % "auto" + "volumes: {data: {}}\n")
    try:
        command("up", "-d")
        command("exec", "-T", "a", "sh", "-c", "echo kept >/data/x; chown 7:8 /data/x")
        command("snapshot", "save", "one", check=False)
        refused = command("up", "-d", "--force-recreate", check=False)
        assert refused.returncode == 1 and "volume p_data has layers of a snapshot" in refused.stderr
        file.write_text(text % "host" + "volumes: {data: {}}\n")
        command("up", "-d")
        assert command("exec", "-T", "a", "sh", "-c", "cat /data/x; stat -c %u:%g /data/x").stdout == "kept\n7:8\n"
        command("volume", "export", "p_data", "-o", "data.tar")
        command("volume", "import", "other", "data.tar")
        file.write_text(text % "auto" + "volumes: {data: {name: other, external: true}}\n")
        command("up", "-d")
        assert command("exec", "-T", "a", "sh", "-c", "cat /data/x; stat -c %u:%g /data/x").stdout == "kept\n7:8\n"
    finally:
        ended(command)
