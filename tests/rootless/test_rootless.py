"""An engine of an ordinary user: with a range of ids, and with one id and no other program at all."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
from support.busybox_image import busybox_rootfs
from support.command import free_port
from support.engine_root import wait_for
from support.ordinary_user import OrdinaryUser, census, ordinary_user

from pycompose.engine.linux import namespace
from pycompose.engine.networks.inside import inside

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.rootless]


@pytest.fixture(scope="module", params=["range", "one"])
def user(request: pytest.FixtureRequest) -> Iterator[OrdinaryUser]:
    with ordinary_user(request.param) as made:
        (made.home / "busybox.tar").write_bytes(busybox_rootfs().read())
        made.run("image", "import", "busybox.tar", "busybox:test")
        yield made
        made.run("engine", "stop", "--force")
        wait_for(lambda: census(made) == ([], [], []), lambda: census(made))


@pytest.fixture
def port() -> int:
    return free_port()


def project(user: OrdinaryUser, name: str, text: str) -> Path:
    directory = user.home / name
    directory.mkdir()
    (directory / "compose.yaml").write_text(text)
    user.give(directory)
    return directory


def first_process(user: OrdinaryUser, container: str) -> int:
    return int(user.run("container", "inspect", "-f", "{{.State.Pid}}", container).stdout)


def test_ids_are_mapped_as_far_as_can_be_had_and_remembered(user: OrdinaryUser) -> None:
    shown = user.run("container", "run", "--rm", "busybox:test", "cat", "/proc/self/uid_map").stdout.split()
    assert shown[:3] == ["0", str(user.uid), "1"]
    assert (len(shown) > 3) == (user.kind == "range")
    told = user.run("system", "info").stdout
    assert "rootless" in told
    assert json.loads((user.state / "ids.json").read_text())["kind"] == user.kind


def test_services_know_each_other_and_share_with_the_user(user: OrdinaryUser, port: int) -> None:
    directory = project(
        user,
        "site",
        f"""
        services:
          web:
            image: busybox:test
            command: [sh, -c, "echo hello >/data/index.html; exec httpd -f -p 80 -h /data"]
            volumes: [data:/data, ./mine:/mine]
            ports: ["{port}:80"]
            healthcheck: {{test: [CMD, nc, 127.0.0.1, "80"], interval: 1s}}
          other:
            image: busybox:test
            command: [sleep, "1000"]
            depends_on: {{web: {{condition: service_healthy}}}}
          near:
            image: busybox:test
            command: [sleep, "1000"]
            network_mode: host
        volumes: {{data: {{}}}}
        """,
    )
    (directory / "mine").mkdir()
    user.give(directory)
    user.run("up", "-d", "--wait", cwd=directory)
    try:
        for address in ("127.0.0.1", "::1"):
            assert fetch(address, port).endswith(b"hello\n")
        looked_up = user.run("exec", "-T", "other", "nslookup", "web", cwd=directory)
        assert "Name:\tweb" in looked_up.stdout
        user.run("exec", "-T", "web", "touch", "/mine/made", cwd=directory)
        assert (directory / "mine/made").stat().st_uid == user.uid
        own = os.stat("/proc/self/ns/net").st_ino
        assert os.stat(f"/proc/{first_process(user, 'site-near-1')}/ns/net").st_ino == own
        assert "httpd" in user.run("top", "web", cwd=directory).stdout
        assert "MiB" in user.run("stats", "--no-stream", cwd=directory).stdout
        user.run("pause", "web", cwd=directory)
        with pytest.raises(TimeoutError):
            fetch("127.0.0.1", port, patience=0.5)
        user.run("unpause", "web", cwd=directory)
        assert fetch("127.0.0.1", port).endswith(b"hello\n")
        user.run("stop", "-t", "1", cwd=directory)
        user.run("up", "-d", "--wait", cwd=directory)
        assert fetch("127.0.0.1", port).endswith(b"hello\n")
    finally:
        user.run("down", "-v", "-t", "1", cwd=directory)
    assert user.run("volume", "ls", "-q").stdout == ""


def fetch(address: str, port: int, patience: float = 5.0) -> bytes:
    with socket.create_connection((address, port), patience) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while data := connection.recv(4096):
            answer += data
        return answer


def within(container: int, kind: socket.SocketKind) -> socket.socket:
    """A socket of a container's network namespace."""
    handle = os.open(f"/proc/{container}/ns/net", os.O_RDONLY)
    try:
        return inside(handle, lambda: socket.socket(socket.AF_INET, kind))
    finally:
        os.close(handle)


def answering(one: socket.socket) -> threading.Thread:
    """Answer the first connection or datagram with what has come and who has sent it."""

    if one.type == socket.SOCK_STREAM:
        one.listen(1)

    def serve() -> None:
        if one.type == socket.SOCK_STREAM:
            connection, peer = one.accept()
            with connection:
                connection.sendall(connection.recv(100) + peer[0].encode())
        else:
            data, peer = one.recvfrom(100)
            one.sendto(data + peer[0].encode(), peer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_the_network_leads_out_and_in(user: OrdinaryUser, port: int, kind: socket.SocketKind) -> None:
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    user.run("container", "run", "-d", "--name", "ends", "-p", f"{port}:7/{protocol}", "busybox:test", "sleep", "1000")
    try:
        container = first_process(user, "ends")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            host = probe.getsockname()[0]
        gateway = user.run("container", "inspect", "-f", "{{.NetworkSettings.Gateway}}", "ends").stdout.strip()
        for there in (host, gateway):  # the gateway stands for the host
            with socket.socket(socket.AF_INET, kind) as server, within(container, kind) as client:
                server.bind((host, 0))
                thread = answering(server)
                client.settimeout(5)
                client.connect((there, server.getsockname()[1]))
                client.send(b"out ")
                assert client.recv(100) == b"out " + host.encode()
                thread.join(5)
        with within(container, kind) as server, socket.socket(socket.AF_INET, kind) as client:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("0.0.0.0", 7))
            thread = answering(server)
            client.settimeout(5)
            client.connect(("127.0.0.1", port))
            client.send(b"in ")
            assert client.recv(100).startswith(b"in ")
            thread.join(5)
        with within(container, kind) as server, socket.socket(socket.AF_INET, kind) as client:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("0.0.0.0", 7))
            thread = answering(server)
            client.settimeout(5)
            client.connect((host, port))
            client.send(b"from ")
            assert client.recv(100) == b"from " + host.encode()  # the client's own address
            thread.join(5)
    finally:
        user.run("container", "rm", "-f", "ends")
    with socket.socket(socket.AF_INET, kind) as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended do not count
        again.bind(("0.0.0.0", port))  # given back with the container


def test_ports_come_and_go_while_another_transfers(user: OrdinaryUser, port: int) -> None:
    """Out by the uplink and in by the shim: what is under way loses nothing."""
    user.run("container", "run", "-d", "--name", "long", "-p", f"{port}:9", "busybox:test", "sleep", "1000")
    over = threading.Event()
    found: dict[str, tuple[int, int]] = {}

    def transfer(name: str, sending: socket.socket, server: socket.socket) -> None:
        receiving, _ = server.accept()
        with sending, receiving, ThreadPoolExecutor(1) as pool:
            counted = pool.submit(count, receiving)
            sent = 0
            while not over.is_set():
                sending.sendall(bytes(1 << 18))
                sent += 1 << 18
            sending.shutdown(socket.SHUT_WR)
            found[name] = sent, counted.result()

    def count(receiving: socket.socket) -> int:
        total = 0
        while data := receiving.recv(1 << 18):
            assert not data.strip(b"\0")
            total += len(data)
        return total

    try:
        container = first_process(user, "long")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            host = probe.getsockname()[0]
        outgoing, inside_server = (within(container, socket.SOCK_STREAM) for _ in range(2))
        with socket.create_server((host, 0)) as server, inside_server:
            inside_server.bind(("0.0.0.0", 9))
            inside_server.listen(1)
            outgoing.connect(server.getsockname())
            incoming = socket.create_connection(("127.0.0.1", port), 5)
            ways = (("out", outgoing, server), ("in", incoming, inside_server))
            threads = [threading.Thread(target=transfer, args=way) for way in ways]
            for thread in threads:
                thread.start()
            try:
                for _ in range(2):
                    for name in ("brief1", "brief2"):
                        web = "echo hello >/index.html; exec httpd -f -p 80 -h /"
                        options = (
                            "-d",
                            "--name",
                            name,
                            "-p",
                            f"127.0.0.1:{free_port()}:80",
                            "-p",
                            f"{free_port()}:7/udp",
                        )
                        user.run("container", "run", *options, "busybox:test", "sh", "-c", web)
                    user.run("container", "rm", "-f", "brief1", "brief2")
            finally:
                over.set()
                for thread in threads:
                    thread.join(20)
        assert set(found) == {"out", "in"}
        assert all(sent == received > 1 << 20 for sent, received in found.values()), found
    finally:
        user.run("container", "rm", "-f", "long", "brief1", "brief2", check=False)


def test_what_root_alone_may_do_is_refused_in_one_line(user: OrdinaryUser) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 7:
        refused = user.run("container", "run", "--rm", "-p", "7:7", "busybox:test", "true", check=False)
        assert refused.returncode == 126
        assert "ip_unprivileged_port_start" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_another_user_is_a_real_one(user: OrdinaryUser) -> None:
    """With one id in a user namespace below, without root's rights: nothing is pretended there."""
    text = (
        "id -u; id -g; touch /tmp/x /dev/shm/y; stat -c %u:%g /tmp/x; chown 5 /tmp/x 2>/dev/null; stat -c %u /tmp/x;"
        " grep CapEff /proc/self/status; mount -t tmpfs x /mnt 2>/dev/null || echo no; echo out >/dev/stdout"
    )
    capabilities = "CapEff:\t0000000000000000"
    wanted = ["1000", "7", "1000:7", "1000", capabilities, "no", "out"]
    shown = user.run("container", "run", "--rm", "-u", "1000:7", "busybox:test", "sh", "-c", text)
    assert shown.stdout.splitlines() == wanted
    user.run("container", "run", "-d", "--init", "--name", "other", "-u", "user", "busybox:test", "sleep", "1000")
    try:
        assert user.run("container", "exec", "other", "id", "-u").stdout == "1000\n"
        assert user.run("container", "exec", "other", "sh", "-c", "kill -0 1 && id -u").stdout == "1000\n"
        shown = user.run("container", "exec", "-u", "1000:7", "other", "sh", "-c", text)
        assert shown.stdout.splitlines() == wanted
        assert user.run("container", "exec", "-u", "0", "other", "id", "-u").stdout == "0\n"
        assert user.run("container", "top", "other").stdout.count("sleep")
    finally:
        user.run("container", "rm", "-f", "other")


def test_owners_are_given_where_there_are_ids_and_never_stand_in_the_way(user: OrdinaryUser) -> None:
    text = "touch /a && chown 33:33 /a && stat -c %u:%g /a"
    shown = user.run("container", "run", "--rm", "busybox:test", "sh", "-c", text).stdout.strip()
    assert shown == ("33:33" if user.kind == "range" else "0:0")


def test_who_becomes_somebody_else_is_told_so(user: OrdinaryUser) -> None:
    """With one id nobody can; the shim remembers who has asked for what, and their children's origin."""
    text = "su -s /bin/sh user -c 'id -u; id -g; sh -c \"id -u\"'; id -u"
    shown = user.run("container", "run", "--rm", "busybox:test", "sh", "-c", text)
    assert shown.stdout.split() == ["1000", "1000", "1000", "0"]
    user.run("container", "run", "-d", "--name", "asked", "busybox:test", "sleep", "1000")
    try:
        assert user.run("container", "exec", "asked", "sh", "-c", text).stdout.split() == ["1000", "1000", "1000", "0"]
        refused = "su -s /bin/sh user -c 'su -s /bin/sh root -c id'"
        assert user.run("container", "exec", "asked", "sh", "-c", refused, check=False).returncode != 0
    finally:
        user.run("container", "rm", "-f", "asked")


@pytest.mark.parametrize("where", ["host", "container:first"])
def test_processes_of_another_pid_namespace_are_told_apart(user: OrdinaryUser, where: str) -> None:
    """Paused, counted and ended are the container's own, though the namespace has others."""
    user.run("container", "run", "-d", "--name", "first", "busybox:test", "sleep", "1001")
    text = "sleep 1002 & exec sleep 1003"
    user.run("container", "run", "-d", "--name", "second", "--pid", where, "busybox:test", "sh", "-c", text)
    try:
        wait_for(lambda: len(user.processes("sleep 100")) == 3, lambda: user.processes("sleep"))
        if where == "host":
            seen = user.run("container", "exec", "second", "cat", f"/proc/{first_process(user, 'second')}/comm")
            assert seen.stdout == "sleep\n"
        told = user.run("container", "top", "second").stdout
        assert "sleep 1002" in told and "sleep 1003" in told and "sleep 1001" not in told
        user.run("container", "pause", "second")
        state = Path(f"/proc/{first_process(user, 'first')}/stat").read_text().split()[2]
        user.run("container", "unpause", "second")
        assert state == "S"
        user.run("container", "stop", "-t", "1", "second")
        wait_for(lambda: len(user.processes("sleep 100")) == 1, lambda: user.processes("sleep"))
        assert first_process(user, "first") in user.processes("sleep 1001")
    finally:
        user.run("container", "rm", "-f", "second", "first")


def test_who_minds_being_root_is_told_what_to_do(user: OrdinaryUser) -> None:
    """PostgreSQL looks at the owner of its directory; with one id that is root for whoever is root."""
    command = 'su -s /bin/sh user -c "test -O /tmp/data" || { echo wrong ownership; exit 1; }'
    text = f"services: {{db: {{image: 'busybox:test', command: [sh, -c, 'mkdir /tmp/data; chown user /tmp/data; {command}; exec sleep 1000']}}}}"
    directory = project(user, "minds", text)
    up = user.run("up", "-d", "--wait", cwd=directory, check=False)
    try:
        told = up.stdout + up.stderr
        assert ("install the package uidmap" in told) == (user.kind == "one") == (up.returncode != 0)
        assert ("One user id" in user.run("system", "info").stderr) == (user.kind == "one")
    finally:
        user.run("down", "-t", "0", cwd=directory)


def test_limits_are_told_of_once(user: OrdinaryUser) -> None:
    limits = ("-m", "64m", "--cpus", "1", "--pids-limit", "50")
    made = user.run("container", "create", "--name", "limited", *limits, "busybox:test", "true")
    try:
        words = "limits of memory, CPU, processes are not applied: an engine without root has no control groups here"
        assert made.stderr.count(words) == 1
        started = user.run("container", "start", "limited")
        assert "limits" not in started.stdout + started.stderr
        assert "processes are not" in user.run("container", "update", "--pids-limit", "60", "limited").stderr
    finally:
        user.run("container", "rm", "-f", "limited")
    assert user.run("container", "run", "--rm", "busybox:test", "true").stderr == ""


def test_message_queues_of_the_host_need_not_be_there(user: OrdinaryUser) -> None:
    shown = user.run("container", "run", "--rm", "--ipc", "host", "busybox:test", "readlink", "/proc/self/ns/ipc")
    assert shown.stdout.strip() == os.readlink("/proc/self/ns/ipc")


def test_rights_that_are_kept_while_becoming_somebody_else(user: OrdinaryUser) -> None:
    """As setpriv does it: the user first, then the group. What it executes has none of them."""
    copy = project(user, "setpriv", "services: {}")
    for path in ("/usr/bin/setpriv", *linked("/usr/bin/setpriv")):
        target = copy / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    user.give(copy)
    tool = f"{copy}/usr/bin/setpriv:/usr/bin/setpriv:ro"
    volumes = [word for name in ("lib", "lib64") if (copy / name).is_dir() for word in ("-v", f"{copy}/{name}:/{name}")]
    text = "id -u; id -g; setpriv --reuid=0 true 2>/dev/null || echo refused"
    shown = user.run(
        *("container", "run", "--rm", "-v", tool, *volumes, "busybox:test"),
        *("setpriv", "--reuid=7", "--regid=8", "--clear-groups", "sh", "-c", text),
    )
    assert shown.stdout.split() == ["7", "8", "refused"]


def linked(program: str) -> list[str]:
    """The libraries of a program, by their absolute names."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for word in shown.split() if word.startswith("/")]


def test_files_of_other_users_are_reached_by_unshare(user: OrdinaryUser) -> None:
    shown = user.run("unshare", user.python, "-c", "import os; print(os.geteuid(), open('/proc/self/uid_map').read())")
    assert shown.stdout.split()[:4] == ["0", "0", str(user.uid), "1"]
    assert (len(shown.stdout.split()) > 4) == (user.kind == "range")
    refused = user.run("unshare", "/no/such/command", check=False)
    assert (refused.returncode, refused.stderr) == (127, "pycompose unshare: /no/such/command: not found\n")


def test_an_image_is_built(user: OrdinaryUser) -> None:
    directory = user.home / "context"
    directory.mkdir()
    (directory / "file").write_text("x\n")
    (directory / "Dockerfile").write_text(
        "FROM busybox:test\nRUN --mount=type=cache,target=/cache echo run >/ran && rm -r /home\n"
        "COPY --chown=7:7 file /file\nRUN rm /etc/os-release && cat /file /ran\n"
    )
    user.give(directory)
    user.run("builder", "build", "-t", "built:test", "context")
    shown = user.run(
        "container", "run", "--rm", "built:test", "sh", "-c", "cat /file /ran; test ! -e /home -a ! -e /etc/os-release"
    )
    assert shown.stdout == "x\nrun\n"
    user.run("image", "save", "-o", "built.tar", "built:test")
    assert owner_in_layers(user.home / "built.tar", "file") == (7, 7)  # with one id as well
    user.run("image", "rm", "built:test")


def owner_in_layers(archive: Path, name: str) -> tuple[int, int]:
    """Who a file of an image belongs to, in the layer that has it."""
    with tarfile.open(archive) as saved:
        (entry,) = json.loads(saved.extractfile("manifest.json").read())  # type: ignore[union-attr]
        for path in entry["Layers"]:
            with tarfile.open(fileobj=saved.extractfile(path)) as layer:
                for member in layer:
                    if member.name.removeprefix("./") == name:
                        return member.uid, member.gid
    raise AssertionError(f"{name} is in no layer of {archive}")


def test_a_container_that_ends_while_it_is_committed(user: OrdinaryUser) -> None:
    """Without control groups it is paused by signals, and may have ended before it is to go on."""
    user.run("container", "ls")
    with closing(docker.APIClient(f"unix://{user.runtime}/engine.sock", version="1.45")) as client:
        for _ in range(20):
            made = client.create_container("busybox:test", ["touch", "/made"])["Id"]
            client.start(made)
            image = client.commit(made)["Id"]
            client.wait(made)
            client.remove_container(made)
            client.remove_image(image)


def test_what_is_killed_comes_back_and_containers_go_on(user: OrdinaryUser, port: int) -> None:
    user.run(
        *("container", "run", "-d", "--name", "site", "-p", f"{port}:80"),
        *("busybox:test", "sh", "-c", "echo hello >/index.html; exec httpd -f -p 80 -h /"),
    )
    try:
        wait_for(lambda: _answers(port), lambda: "the site does not answer")
        before = first_process(user, "site")
        (uplink,) = user.processes("pycompose-uplink")
        os.kill(uplink, signal.SIGKILL)
        wait_for(lambda: user.processes("pycompose-uplink") not in ([], [uplink]), lambda: "no other uplink")
        for title in ("keeper.py", "pycompose.engine"):
            for pid in user.processes(title):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not user.processes("keeper.py"), lambda: "the keeper lives")
        assert fetch("127.0.0.1", port).endswith(b"hello\n")  # with nobody but the shim
        assert way_out(before) == b"out"  # and the uplink, which outlives the keeper
        (uplink,) = user.processes("pycompose-uplink")
        assert first_process(user, "site") == before
        assert fetch("127.0.0.1", port).endswith(b"hello\n")
        (keeper,) = user.processes("keeper.py")
        assert os.stat(f"/proc/{keeper}/ns/user").st_ino == os.stat(f"/proc/{before}/ns/user").st_ino
        assert user.processes("pycompose-uplink") == [uplink]  # the next keeper has found it
        assert user.run("container", "exec", "site", "cat", "/index.html").stdout == "hello\n"
        os.kill(uplink, signal.SIGKILL)
        wait_for(lambda: user.processes("pycompose-uplink") not in ([], [uplink]), lambda: "no uplink follows")
        wait_for(lambda: way_out(before) == b"out", lambda: "no way out")
    finally:
        user.run("container", "rm", "-f", "site")


def test_an_engine_that_is_ended_in_order_leaves_containers_their_network(user: OrdinaryUser, port: int) -> None:
    """SIGTERM: containers go on, with the way out, and the next engine's containers are in the same network."""
    web = ("-p", f"{port}:80", "busybox:test", "sh", "-c", "echo hello >/index.html; exec httpd -f -p 80 -h /")
    user.run("container", "run", "-d", "--name", "site", *web)
    try:
        wait_for(lambda: _answers(port), lambda: "the site does not answer")
        site = first_process(user, "site")
        (keeper,) = user.processes("keeper.py")
        os.kill(keeper, signal.SIGTERM)
        wait_for(lambda: not user.processes("keeper.py"), lambda: "the keeper lives")
        assert fetch("127.0.0.1", port).endswith(b"hello\n")
        assert way_out(site) == b"out"
        address = user.run("container", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", "site").stdout.strip()
        seen = user.run("container", "run", "--rm", "busybox:test", "wget", "-qO-", f"http://{address}/")
        assert seen.stdout == "hello\n"
    finally:
        user.run("container", "rm", "-f", "site")


def test_all_killed_leaves_nothing(user: OrdinaryUser) -> None:
    """Keeper, engine, uplink and shims at once: the container goes with its shim, and the uplink with the last one."""
    user.run("container", "run", "-d", "--name", "gone", "busybox:test", "sleep", "1000")
    for title in ("keeper.py", "pycompose.engine", "pycompose-shim"):
        for pid in user.processes(title):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not user.processes(), lambda: user.processes())
    user.run("container", "rm", "-f", "gone")


@pytest.mark.parametrize("account", ["root", "user"])
def test_who_has_become_somebody_else_does_not_outlive_its_successor(user: OrdinaryUser, account: str) -> None:
    """A change of user takes the program's death signal away, so it is there after its shim: the next engine ends it, from within
    its user namespace, before the container is started again."""
    program = "exec su -s /bin/sh user -c 'exec sleep 1004'" if account == "root" else "exec sleep 1004"
    options = ("--restart", "always", "-u", account, "-v", "data:/data", "--name", "again")
    user.run("container", "run", "-d", *options, "busybox:test", "sh", "-c", program)
    try:
        for _ in range(2):
            before = first_process(user, "again")
            handle = os.pidfd_open(before)
            for title in ("keeper.py", "pycompose.engine", "pycompose-uplink", "pycompose-shim"):
                for pid in user.processes(title):
                    os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not user.processes("pycompose"), lambda: user.processes())
            wait_for(lambda: first_process(user, "again") not in (0, before), lambda: "it is not started again")  # noqa: B023
            assert select.select([handle], [], [], 0)[0], "the program of before goes on beside its successor"
            os.close(handle)
    finally:
        user.run("container", "rm", "-f", "again")
        user.run("volume", "rm", "data")


def way_out(container: int) -> bytes:
    """What a server at the host's own address gets from a container, and answers; empty where it cannot be reached."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        host = probe.getsockname()[0]
    with socket.create_server((host, 0)) as server, within(container, socket.SOCK_STREAM) as client:
        for one in (server, client):
            one.settimeout(5)
        try:
            client.connect(server.getsockname())
            client.sendall(b"out")
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(3))
            return client.recv(3)
        except OSError:
            return b""


def _answers(port: int) -> bool:
    try:
        return fetch("127.0.0.1", port).endswith(b"hello\n")
    except OSError:
        return False


@pytest.mark.parametrize("user", ["range"], indirect=True)
def test_an_engine_of_another_map_is_not_started(user: OrdinaryUser) -> None:
    """What belongs to subordinate ids cannot be read without them."""
    user.run("engine", "stop", "--force")
    without = OrdinaryUser(user.name, user.uid, user.home, user.python, "one")
    refused = without.run("container", "ls", check=False)
    assert refused.returncode != 0
    assert "install the package uidmap" in refused.stderr
    assert "Traceback" not in refused.stderr
    user.run("container", "ls")


def test_user_namespaces_that_are_withheld_are_told_of(user: OrdinaryUser) -> None:
    """A process in a chroot may make none; so the kernel withholds them without a setting of the machine."""
    user.run("engine", "stop", "--force")
    script = (
        "import os, sys\n"
        "from pycompose.engine.linux import namespace\n"
        "namespace.unshare(namespace.CLONE_NEWUSER)\n"
        "open('/proc/self/setgroups', 'w').write('deny')\n"
        f"open('/proc/self/uid_map', 'w').write('{user.uid} {user.uid} 1')\n"
        f"open('/proc/self/gid_map', 'w').write('{user.uid} {user.uid} 1')\n"
        "open('/proc/sys/user/max_user_namespaces', 'w').write('0')\n"
        "os.execv(sys.executable, [sys.executable, '-I', '-S', '-E', sys.argv[1], '--root', sys.argv[2]])\n"
    )
    keeper = Path(namespace.__file__).parents[1] / "runtime/keeper.py"
    refused = subprocess.run(
        [user.python, "-c", script, str(keeper), str(user.home / "other")],
        env=user.environment, user=user.uid, group=user.uid, extra_groups=[], capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "user.max_user_namespaces" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    user.run("container", "ls")


def test_owners_are_matched_where_nothing_is_to_be_done_and_refused_elsewhere(user: OrdinaryUser) -> None:
    """The container's root is the user already; another one's ids cannot be put in the place of the user's."""
    mine = user.home / "mine"
    mine.mkdir(exist_ok=True)
    user.give(mine)
    bind = f"{mine}:/s:idmap"
    seen = user.run("container", "run", "--rm", "-v", bind, "busybox:test", "sh", "-c", "touch /s/x; stat -c %u /s/x")
    assert seen.stdout == "0\n" and (mine / "x").stat().st_uid == user.uid
    refused = user.run("container", "run", "--rm", "-u", "5:5", "-v", bind, "busybox:test", "true", check=False)
    assert refused.returncode and "mapping owners takes an engine that runs as root" in refused.stderr
    refused = user.run("container", "run", "--rm", "--userns", "auto", "busybox:test", "true", check=False)
    assert refused.returncode and "an engine that runs as root offers it" in refused.stderr


def test_what_cannot_run_with_one_id_is_told_before_it_is_started(user: OrdinaryUser) -> None:
    made = user.run("container", "create", "--name", "db", "busybox:test", "sh", "-c", "gosu postgres initdb")
    try:
        assert ("user: postgres" in made.stderr) == (user.kind == "one")
    finally:
        user.run("container", "rm", "db")


def test_who_can_write_a_directory_of_the_users(user: OrdinaryUser) -> None:
    """With one id everybody is the user; with more others than root are nobody the directory knows, which `up` says."""
    text = "services: {a: {image: 'busybox:test', user: '33', command: touch /s/x, volumes: ['./src:/s']}}"
    directory = project(user, "written", text)
    (directory / "src").mkdir()
    user.give(directory)
    up = user.run("up", cwd=directory, check=False)
    try:
        assert ("user 33 cannot write src" in up.stdout + up.stderr) == (user.kind == "range")
        assert (directory / "src/x").exists() == (user.kind == "one")
        assert "x-idmap" not in up.stdout + up.stderr
    finally:
        user.run("down", cwd=directory)
