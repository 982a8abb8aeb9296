"""A real dockerd with everything of its own, to compare with: whichever is first in PATH, with its containerd and runc.

with dockerd(tmp_path / "d") as request:
    load(request)
    status, body = request("POST", "/containers/create", {...})
"""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from shutil import which
from typing import TYPE_CHECKING, Any

from pycompose.engine.linux import mount

from .busybox_image import busybox_rootfs
from .engine_root import UnixConnection, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DOCKERD = which("dockerd")


@contextmanager
def dockerd(directory: Path) -> Iterator[Callable[..., tuple[int, bytes]]]:
    """A daemon with everything of its own below ``directory``, which is gone afterwards."""
    directory.mkdir()
    socket = directory / "s"
    command = [
        *(
            str(DOCKERD),
            "--host",
            f"unix://{socket}",
            "--data-root",
            f"{directory}/data",
            "--exec-root",
            f"{directory}/x",
        ),
        *("--pidfile", f"{directory}/pid", "--bridge", "none", "--iptables=false", "--ip6tables=false"),
        *("--config-file", f"{directory}/none.json", "--storage-driver", "vfs"),
    ]
    (directory / "none.json").write_text("{}")
    with open(directory / "log", "w") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)

    def request(method: str, path: str, body: Any = None, *, timeout: float = 60) -> tuple[int, bytes]:
        connection = UnixConnection(str(socket), timeout)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        try:
            connection.request(method, path, data, {"Content-Type": kind})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def answers() -> bool:
        assert daemon.poll() is None, (directory / "log").read_text()[-2000:]
        try:
            return request("GET", "/_ping", timeout=5)[0] == 200
        except OSError:
            return False

    try:
        wait_for(answers, lambda: (directory / "log").read_text()[-2000:], 60)
        yield request
    finally:
        daemon.terminate()
        daemon.wait(30)
        # With the host's network it leaves a namespace mounted.
        with open("/proc/self/mountinfo") as file:
            points = [line.split()[4] for line in file]
        for point in reversed(points):
            if point.startswith(f"{directory}/"):
                mount.umount(point, mount.MNT_DETACH)


def load(request: Callable[..., tuple[int, bytes]]) -> None:
    rootfs = busybox_rootfs()
    data = rootfs if isinstance(rootfs, bytes) else rootfs.read()
    status, body = request("POST", "/images/create?fromSrc=-&repo=busybox&tag=latest", data)
    assert status == 200 and b"errorDetail" not in body, body
