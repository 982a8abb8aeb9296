#!/usr/bin/env python3
"""The network of an engine without root beside root's bridge, slirp4netns and pasta, in turn in one run; prints a Markdown table.

One TCP stream of Python sockets out of a container to this host's own address, and into it by a published port: the best of
--rounds, --seconds each, in Gbit/s; and what one connection that carries a byte there and back takes, the median of --connections.
Contenders that are not installed are left out.

    sudo python benchmarks/outward.py [--rounds 3] [--seconds 2] [--connections 200]

It makes an ordinary user for as long as it runs. slirp4netns and pasta get /dev/net/tun in a mount namespace of their own, so
its mode here does not matter.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parents[1])]

from support.busybox_image import busybox_rootfs  # noqa: E402
from support.command import Command, free_port  # noqa: E402
from support.ordinary_user import OrdinaryUser, ordinary_user  # noqa: E402

from pycompose.engine.linux import namespace  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK = bytes(1 << 18)
_TUN = "mount -t tmpfs tun /mnt && mknod -m 666 /mnt/tun c 10 200 && mount --bind /mnt/tun /dev/net/tun && "


class Contender(NamedTuple):
    """``inside`` is the network namespace of a process; ``host`` the host's address as it is called in there."""

    name: str
    inside: int | None
    host: str
    port: int
    """On the host, of what listens at ``target`` inside; 0 without a way in."""
    target: int


def host_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@contextlib.contextmanager
def engine_container(run: Callable[..., object], name: str) -> Iterator[Contender]:
    port, box = free_port(), "bench"
    run("container", "run", "-d", "--name", box, "-p", f"{port}:9000", "busybox:bench", "sleep", "100000")
    try:
        shown = run("container", "inspect", box)
        pid = json.loads(shown.stdout)[0]["State"]["Pid"]  # type: ignore[attr-defined]
        yield Contender(name, pid, host_address(), port, 9000)
    finally:
        run("container", "rm", "-f", box)


@contextlib.contextmanager
def rootful(folder: Path) -> Iterator[Contender]:
    run = Command(folder / "root", folder)
    run("image", "import", str(folder / "busybox.tar"), "busybox:bench")
    try:
        with engine_container(run, "engine of root, bridge") as made:
            yield made
    finally:
        run("engine", "stop", "--force")


@contextlib.contextmanager
def rootless(user: OrdinaryUser, folder: Path) -> Iterator[Contender]:
    user.run("image", "import", str(folder / "busybox.tar"), "busybox:bench")
    try:
        with engine_container(user.run, "without root") as made:
            yield made
    finally:
        user.run("engine", "stop", "--force")


def comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


@contextlib.contextmanager
def namespace_of(user: OrdinaryUser) -> Iterator[int]:
    """A process of the user's in a user and network namespace of its own."""
    with subprocess.Popen(
        ["unshare", "-Urn", "sleep", "100000"], user=user.uid, group=user.uid, extra_groups=[]
    ) as holder:
        own = os.readlink("/proc/self/ns/net")
        try:
            # unshare(1) maps the user last, and then becomes the program.
            while os.readlink(f"/proc/{holder.pid}/ns/net") == own or comm(holder.pid) != "sleep":
                time.sleep(0.01)
            yield holder.pid
        finally:
            holder.kill()


@contextlib.contextmanager
def beside(command: list[str], user: OrdinaryUser, ready: Callable[[], bool]) -> Iterator[None]:
    """The program of the user's, with a tun device that it may open."""
    text = f"{_TUN}exec setpriv --reuid={user.uid} --regid={user.uid} --clear-groups {' '.join(command)}"
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", text], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as program:
        try:
            for _ in range(200):
                if ready() or program.poll() is not None:
                    break
                time.sleep(0.05)
            if not ready():
                program.kill()
                print(f"{command[0]}: {program.stderr.read().decode() if program.stderr else ''}", file=sys.stderr)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)


def has_route(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\t00000000\t" in Path(f"/proc/{pid}/net/route").read_text()
    return False


@contextlib.contextmanager
def slirp4netns(user: OrdinaryUser) -> Iterator[Contender]:
    port, api = free_port(), user.home / "slirp.sock"
    with namespace_of(user) as pid:
        command = ["slirp4netns", "--configure", "--mtu=65520", "--api-socket", str(api), str(pid), "tap0"]
        with beside(command, user, lambda: has_route(pid)):
            with socket.socket(socket.AF_UNIX) as asked:
                asked.connect(str(api))
                arguments = {"proto": "tcp", "host_addr": "0.0.0.0", "host_port": port, "guest_port": 9000}
                asked.sendall(json.dumps({"execute": "add_hostfwd", "arguments": arguments}).encode())
                asked.shutdown(socket.SHUT_WR)
                asked.recv(1000)
            yield Contender("slirp4netns, MTU 65520", pid, "10.0.2.2", port, 9000)


@contextlib.contextmanager
def pasta(user: OrdinaryUser) -> Iterator[Contender]:
    port = free_port()
    with namespace_of(user) as pid:
        command = [
            "pasta", "--foreground", "--quiet", "--config-net", "-u", "none", "-T", "none", "-U", "none",
            "-t", f"{port}:9000", str(pid),
        ]  # fmt: skip
        with beside(command, user, lambda: has_route(pid)):
            yield Contender("pasta", pid, gateway_of(pid), port, 9000)


def gateway_of(pid: int) -> str:
    for line in Path(f"/proc/{pid}/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            return socket.inet_ntoa(int(fields[2], 16).to_bytes(4, "little"))
    return host_address()


def apart(where: int | None, work: Callable[[], float]) -> tuple[int, int]:
    """A process in that network namespace, and where its result is to be read."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(60)
            if where is not None:
                entered = os.open(f"/proc/{where}/ns/net", os.O_RDONLY)
                namespace.setns(entered, namespace.CLONE_NEWNET)
            os.write(writer, repr(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    return pid, reader


def result(one: tuple[int, int]) -> float:
    pid, reader = one
    with open(reader, "rb") as told:
        text = told.read()
    os.waitpid(pid, 0)
    return float(text) if text else 0.0


def listening(where: int | None, port: int, serve: Callable[[socket.socket], float]) -> tuple[tuple[int, int], int]:
    """A server in the namespace, and its port, once it listens."""
    reader, writer = os.pipe()

    def work() -> float:
        with socket.create_server(("0.0.0.0", port), backlog=64) as server:
            os.write(writer, repr(server.getsockname()[1]).encode())
            os.close(writer)
            return serve(server)

    made = apart(where, work)
    os.close(writer)
    with open(reader, "rb") as told:
        return made, int(told.read())


def drain(server: socket.socket) -> float:
    """Gbit/s of the one connection that comes."""
    connection, _ = server.accept()
    buffer, count, begin = bytearray(1 << 18), 0, time.monotonic()
    with connection:
        while got := connection.recv_into(buffer):
            count += got
    return count * 8 / (time.monotonic() - begin) / 1e9


def echo(server: socket.socket, times: int) -> float:
    for _ in range(times):
        connection, _ = server.accept()
        with connection:
            connection.sendall(connection.recv(1))
    return 0.0


def pour(address: str, port: int, seconds: float) -> float:
    with socket.create_connection((address, port), 10) as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            client.sendall(_BLOCK)
    return 0.0


def ask(address: str, port: int, times: int) -> float:
    """Milliseconds of one connection."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        with socket.create_connection((address, port), 10) as client:
            client.sendall(b"x")
            client.recv(1)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1000


def measured(one: Contender, options: argparse.Namespace, host: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for way in ("out", "in") if one.port else ("out",):
        server, client = (None, one.inside) if way == "out" else (one.inside, None)
        for kind, serve, work in (
            ("speed", drain, lambda a, p: pour(a, p, options.seconds)),
            ("connection", lambda s: echo(s, options.connections), lambda a, p: ask(a, p, options.connections)),
        ):
            serving, port = listening(server, 0 if way == "out" else one.target, serve)
            address = (one.host, port) if way == "out" else (host, one.port)
            asking = apart(client, lambda work=work, address=address: work(*address))  # type: ignore[misc]
            if kind == "speed":
                result(asking)
                found[f"{way} speed"] = result(serving)
            else:
                found[f"{way} connection"] = result(asking)
                result(serving)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--connections", type=int, default=200)
    options = parser.parse_args()
    host = host_address()
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="pycompose-outward-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        (folder / "busybox.tar").write_bytes(busybox_rootfs().read())
        user = stack.enter_context(ordinary_user("range" if shutil.which("newuidmap") else "one"))
        contenders = [Contender("the host alone", None, host, 0, 0)]
        contenders.append(stack.enter_context(rootful(folder)))
        contenders.append(stack.enter_context(rootless(user, folder)))
        for name, made in (("slirp4netns", slirp4netns), ("pasta", pasta)):
            if shutil.which(name):
                contenders.append(stack.enter_context(made(user)))
        times: dict[str, dict[str, list[float]]] = {}
        for _ in range(options.rounds):
            for one in contenders:
                for what, value in measured(one, options, host).items():
                    times.setdefault(one.name, {}).setdefault(what, []).append(value)
    print("| | out, Gbit/s | in, Gbit/s | a connection out, ms | in, ms |\n|---|---|---|---|---|")
    for name, found in times.items():
        best = [max(found.get(f"{way} speed", [0])) for way in ("out", "in")]
        least = [min(found.get(f"{way} connection", [0])) for way in ("out", "in")]
        print(f"| {name} | " + " | ".join(f"{value:.2f}" if value else "" for value in (*best, *least)) + " |")


if __name__ == "__main__":
    main()
