"""A real dockerd in mount, network and process namespaces of its own: its bridge, rules, mounts and children end with it.

It is found in ``PYCOMPOSE_PEER_DOCKERD`` (a directory into which Debian's packages docker.io, containerd and docker-cli were
unpacked) or on the path. ``runc`` comes from the same directory if it runs on this machine, else from the path.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Self

from support.engine_root import UnixConnection, wait_for

if TYPE_CHECKING:
    from types import TracebackType

_SCRIPT = """
ip link set lo up
mount -t tmpfs tmpfs /run
containerd -c containerd.toml >containerd.log 2>&1 &
while [ ! -S containerd.sock ]; do
  kill -0 $! || exit 1
  read -t 0.05 _ <>pause
done
exec dockerd --data-root "$PWD/data" --exec-root "$PWD/exec" -H "unix://$PWD/docker.sock" --pidfile "$PWD/docker.pid" \
  --containerd "$PWD/containerd.sock" --userland-proxy=false --exec-opt native.cgroupdriver=cgroupfs
"""
_CONTAINERD = """version = 2
root = "{here}/containerd"
state = "{here}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{here}/containerd.sock"
"""


def search_path() -> str:
    """``PATH`` with the directories in front that dockerd and its companions were unpacked into."""
    unpacked = os.environ.get("PYCOMPOSE_PEER_DOCKERD")
    own = [str(Path(unpacked) / part) for part in ("usr/bin", "usr/sbin")] if unpacked else []
    return os.pathsep.join([*own, os.environ.get("PATH", os.defpath)])


def missing() -> str | None:
    """What keeps dockerd from being started here; None when nothing does."""
    path = search_path()
    absent = [name for name in ("dockerd", "containerd", "unshare", "ip") if which(name, path=path) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if _runc(path) else "no runc that runs here"


def _runc(path: str) -> str | None:
    for directory in path.split(os.pathsep):
        candidate = which("runc", path=directory)
        if candidate and subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


class Dockerd:
    """``directory`` holds everything of it. The socket answers from ``start`` on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start containerd and dockerd; AssertionError with the end of the log when dockerd does not answer."""
        self.directory.mkdir(parents=True, exist_ok=True)
        runc, first = _runc(search_path()), self.directory / "bin"
        assert runc is not None
        first.mkdir(exist_ok=True)
        (first / "runc").symlink_to(runc)
        (self.directory / "containerd.toml").write_text(_CONTAINERD.format(here=self.directory))
        os.mkfifo(self.directory / "pause")
        command = ["unshare", "-n", "-m", "-p", "--fork", "--kill-child", "--mount-proc", "bash", "-c", _SCRIPT]
        with open(self.directory / "dockerd.log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                env={**os.environ, "PATH": f"{first}{os.pathsep}{search_path()}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, lambda: (self.directory / "dockerd.log").read_text()[-3000:], patience=60)

    def stop(self) -> None:
        """End it; the kernel ends what it has started, with its process namespace."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=60)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "dockerd.log").read_text()[-3000:]
        connection = UnixConnection(str(self.socket), 5)
        try:
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
