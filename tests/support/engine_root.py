"""A whole engine on a root of its own, for tests: keeper and engine are started, and at the end nothing may be left.

    with EngineRoot(tmp_path) as engine:
        client = docker.DockerClient(base_url=engine.url)

``leftovers`` names what an instance has in the kernel and on disk apart from its state: processes, mounts, network
namespaces, links, nftables tables, control groups, run files. It is empty before a start and after an orderly stop.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pycompose.engine.layout import Layout
from pycompose.engine.linux import cgroups

from .busybox_image import busybox_rootfs

if TYPE_CHECKING:
    from types import TracebackType

KEEPER = Path(__file__).resolve().parents[2] / "pycompose" / "engine" / "runtime" / "keeper.py"
_PATIENCE = 20.0


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        # A path below tmp_path may be longer than an address can be.
        directory = os.open(os.path.dirname(self._path), os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{directory}/{os.path.basename(self._path)}")
        finally:
            os.close(directory)


class EngineRoot:
    """``environment`` is added to that of keeper and engine. The instance does not exit when idle unless told to.

    ``command`` is an interpreter and its keeper's script, of another pycompose than this one.
    """

    def __init__(
        self,
        directory: Path,
        environment: dict[str, str] | None = None,
        command: tuple[str, str] = (sys.executable, str(KEEPER)),
    ) -> None:
        self.layout = Layout.for_root(directory)
        self._command = command
        self._environment = {**os.environ, "PYCOMPOSE_IDLE_TIMEOUT": "0", **(environment or {})}

    # life ------------------------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        assert leftovers(self.layout) == []
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(check=kind is None)

    def start(self) -> None:
        """Start keeper and engine; returns when the API answers."""
        python, keeper = self._command
        command = [python, "-I", "-S", "-E", keeper, "--root", str(self.layout.root)]
        subprocess.run(command, check=True, env=self._environment, stdin=subprocess.DEVNULL, timeout=_PATIENCE)
        status, _ = self.request("GET", "/_ping", timeout=_PATIENCE)
        assert status == 200

    def stop(self, *, force: bool = True) -> None:
        """Ask for an orderly end and wait until keeper and engine are gone."""
        pids = [pid for pid in (self.pid, self.keeper_pid) if pid]
        if force:
            # Programs that are pid 1 and handle no signal would take the whole grace period each.
            for row in self.json("GET", "/containers/json"):
                self.request("POST", f"/containers/{row['Id']}/stop?t=0")
        status, body = self.request("POST", f"/pycompose/engine/stop?force={int(force)}", timeout=60)
        assert status == 204, body
        self.await_gone(*pids)

    def close(self, *, check: bool = True) -> None:
        """End everything, whatever state it is in; with ``check`` assert that nothing is left and nothing was logged."""
        try:
            if not self.is_up():
                self.start()
            self.stop()
        except (OSError, AssertionError, subprocess.SubprocessError):
            self.kill_all()
            if check:
                raise
        if check:
            wait_for(lambda: not leftovers(self.layout), lambda: f"left behind: {leftovers(self.layout)}")

    def is_up(self) -> bool:
        try:
            return self.request("GET", "/_ping", timeout=5)[0] == 200
        except OSError:
            return False

    def kill_all(self) -> None:
        """SIGKILL whatever names this root: the last resort of a failing test."""
        for pid in processes(self.layout):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def await_gone(self, *pids: int) -> None:
        wait_for(lambda: not any(_alive(pid) for pid in pids), lambda: f"still there: {pids}")

    # facts -----------------------------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        """For docker-py and DOCKER_HOST."""
        return f"unix://{self.layout.socket}"

    @property
    def pid(self) -> int:
        return int(self.json("GET", "/pycompose/engine")["pid"])

    @property
    def keeper_pid(self) -> int:
        return int(self.layout.lock.read_text())

    def log(self) -> str:
        """What keeper and engine have written on stderr."""
        try:
            return self.layout.engine_log.read_text()
        except FileNotFoundError:
            return ""

    def connect(self, timeout: float = 30) -> socket.socket:
        """A raw connection to the API socket."""
        connection = UnixConnection(str(self.layout.socket), timeout)
        connection.connect()
        assert connection.sock is not None
        raw: socket.socket = connection.sock
        return raw

    def run(self, container: str, *command: str) -> str:
        """What a command that is executed in a container prints; asserts that it ends with 0."""
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, "Tty": True}
        id = self.json("POST", f"/containers/{container}/exec", body)["Id"]
        _, output = self.request("POST", f"/exec/{id}/start", {"Tty": True})
        text = output.decode().replace("\r\n", "\n")
        assert self.json("GET", f"/exec/{id}/json")["ExitCode"] == 0, (command, text)
        return text

    # requests --------------------------------------------------------------------------------------------------------
    def request(self, method: str, path: str, body: Any = None, *, timeout: float = 30) -> tuple[int, bytes]:
        """One request: status and body. ``body`` is JSON, or bytes as they are."""
        connection = UnixConnection(str(self.layout.socket), timeout)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        try:
            # An engine that refuses does not read all of a large body.
            with contextlib.suppress(BrokenPipeError):
                connection.request(method, path, data, {"Content-Type": kind})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None, *, timeout: float = 30) -> Any:
        """The answer as JSON; asserts success."""
        status, answer = self.request(method, path, body, timeout=timeout)
        assert status < 300, (method, path, status, answer)
        return json.loads(answer) if answer else None

    def docker(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the docker CLI against this engine."""
        options.setdefault("timeout", 60)
        return subprocess.run(
            [docker_cli() or "docker", "-H", self.url, *arguments], text=True, capture_output=True, **options
        )

    def import_busybox(self, name: str = "busybox:latest") -> None:
        """An image made of the static busybox: /bin/sh is its command."""
        repository, _, tag = name.partition(":")
        rootfs = busybox_rootfs()
        data = rootfs.read() if isinstance(rootfs, io.BytesIO) else rootfs
        path = f"/images/create?fromSrc=-&repo={repository}&tag={tag or 'latest'}&changes=CMD%20%5B%22%2Fbin%2Fsh%22%5D"
        status, body = self.request("POST", path, data, timeout=60)
        assert status == 200 and b"errorDetail" not in body, body


def docker_cli() -> str | None:
    """A docker command line client, if this machine has one."""
    from shutil import which

    return which("docker")


def wait_for(condition: Any, message: Any, patience: float = _PATIENCE) -> None:
    """Poll: what is waited for here has no event a test could have."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, message()
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second when it ends between opening and reading
        return False


def processes(layout: Layout) -> list[int]:
    """Keeper, engine and shims of this root, and whatever runs in its control groups."""
    found = {pid for pid in cgroups.at(f"/pycompose-{layout.instance}").procs()}
    root = str(layout.root)
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                command = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "--root" in command and root in command and any(_is_ours(word) for word in command):
                found.add(int(entry))
    found.discard(os.getpid())
    return sorted(found)


def _is_ours(word: str) -> bool:
    # An older pycompose called its engine by the shorter name.
    return word in ("pycompose.engine", "engine") or word.endswith("/engine/runtime/keeper.py")


def leftovers(layout: Layout) -> list[str]:
    """What is there of an instance beyond its state; empty when it is properly stopped."""
    found = [f"process {pid}" for pid in processes(layout)]
    with open("/proc/self/mountinfo") as file:
        found += [f"mount {line.split()[4]}" for line in file if f"{layout.root}/" in line.split()[4] + "/"]
    prefixes = (f"pc{layout.instance}", f"pv{layout.instance}")
    found += [f"link {name}" for name in os.listdir("/sys/class/net") if name.startswith(prefixes)]
    found += [f"nftables table {name}" for name in _tables() if layout.instance in name]
    group = cgroups.at(f"/pycompose-{layout.instance}")
    found += [f"control group {directory}" for directory in group.directories if os.path.isdir(directory)]
    if layout.run.is_dir():
        found += [
            f"run file {path.relative_to(layout.run)}" for path in sorted(layout.run.rglob("*")) if not path.is_dir()
        ]
    return found


def assert_nothing_left(root: Path) -> None:
    """Wait until the instance at ``root`` has nothing left; AssertionError naming what stays."""
    layout = Layout.for_root(root)
    wait_for(lambda: not leftovers(layout), lambda: f"left behind: {leftovers(layout)}")


def _tables() -> list[str]:
    from pyroute2.nftables.main import NFTables

    with NFTables() as nft:  # type: ignore[no-untyped-call]
        return [table.get_attr("NFTA_TABLE_NAME") for table in nft.get_tables()]
