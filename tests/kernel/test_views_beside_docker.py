"""What a container sees and may do, beside the same container of a real dockerd, option by option: nowhere laxer."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.engine_root import EngineRoot, UnixConnection, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DOCKERD = which("dockerd")
pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(DOCKERD is None, reason="dockerd is not installed"),
]

VIEW = r"""
grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid)' /proc/self/status | sed 's/^/status /'
find /proc /sys -xdev -maxdepth 3 -type f ! -path '/proc/[0-9]*' ! -path '/proc/self/*' ! -path '/proc/thread-self/*' 2>/dev/null |
while read -r path; do
  [ -r $path ] && head -c 1 $path 2>/dev/null | grep -q . && echo "readable $path"
done
cut -d' ' -f2-4 /proc/mounts | while read -r point kind options; do
  case ,$options, in *,rw,*) echo "writable $point" ;; esac
  for word in nosuid nodev noexec; do case ,$options, in *,$word,*) ;; *) echo "lacks-$word $point" ;; esac; done
done
find /dev -type c -o -type b | sed 's/^/device /'
sed 's/  */ /g; s/^/limit /' /proc/self/limits | grep -E 'core|stack|memlock|locked'
for path in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq /sys/kernel /sys/fs/cgroup; do
  [ -w $path ] && echo "w $path"
done
unshare -U true 2>/dev/null && echo "can unshare user"
unshare -m true 2>/dev/null && echo "can unshare mount"
mknod /tmp/node b 8 0 2>/dev/null && head -c 1 /tmp/node 2>/dev/null | grep -q . && echo "can read disks"
true
"""

OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "capabilities": {"CapAdd": ["NET_ADMIN", "SYS_PTRACE"], "CapDrop": ["CHOWN"]},
    "no capabilities": {"CapDrop": ["ALL"]},
    "no new privileges": {"SecurityOpt": ["no-new-privileges"]},
    "unconfined": {"SecurityOpt": ["seccomp=unconfined"]},
    "system paths": {"MaskedPaths": [], "ReadonlyPaths": []},
    "read-only": {"ReadonlyRootfs": True},
    "host namespaces": {"PidMode": "host", "IpcMode": "host", "UTSMode": "host", "CgroupnsMode": "host"},
    "init": {"Init": True},
    "tmpfs": {"Tmpfs": {"/t": ""}},
    "limits": {"Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}], "PidsLimit": 100},
}
# Where a line of ours has none of Docker's beside it, and is no laxer for it.
_OURS = ("writable /etc/resolv.conf", "writable /etc/hostname", "writable /etc/hosts")


def test_nowhere_laxer(tmp_path: Path) -> None:
    with dockerd(tmp_path / "d") as docker, EngineRoot(tmp_path / "root") as engine:
        load(docker)
        load(engine.request)
        laxer = {}
        for name, host in OPTIONS.items():
            theirs, ours = view(docker, host), view(engine.request, host)
            assert any(line.startswith("status CapEff") for line in theirs & ours | ours), (name, ours)
            found = sorted(line for line in ours - theirs - set(_OURS) if not harmless(line, theirs))
            if found:
                laxer[name] = found
        assert laxer == {}


def harmless(line: str, theirs: set[str]) -> bool:
    """Whether a line that Docker's container lacks gives ours nothing: fewer capabilities, a stricter mode."""
    kind, _, rest = line.partition(" ")
    key, _, value = rest.partition(":")
    if kind == "status":
        other = next((entry.partition(":")[2].strip() for entry in theirs if entry.startswith(f"status {key}:")), "")
        if key.startswith("Cap"):
            return int(value, 16) & ~int(other or "0", 16) == 0
        return key in ("NoNewPrivs", "Seccomp") and int(value) >= int(other or 0)
    if kind.startswith("lacks-"):
        # A mask is a null device, which has to be one; newer Docker masks more than older.
        if line in ("lacks-nodev /proc/interrupts", "lacks-nodev /proc/keys", "lacks-nodev /proc/timer_list"):
            return True
        # A mount that Docker's container does not have at all.
        return not any(entry.partition(" ")[2] == rest for entry in theirs)
    return False


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


def load(request: Callable[..., tuple[int, bytes]]) -> None:
    rootfs = busybox_rootfs()
    data = rootfs if isinstance(rootfs, bytes) else rootfs.read()
    status, body = request("POST", "/images/create?fromSrc=-&repo=busybox&tag=latest", data)
    assert status == 200 and b"errorDetail" not in body, body


def view(request: Callable[..., tuple[int, bytes]], host: dict[str, Any]) -> set[str]:
    """The lines that the script prints in a container with these options."""
    body = {"Image": "busybox", "Cmd": ["/bin/sh", "-c", VIEW], "Tty": True}
    status, answer = request("POST", "/containers/create", {**body, "HostConfig": {"NetworkMode": "none", **host}})
    assert status == 201, answer
    id = json.loads(answer)["Id"]
    try:
        status, answer = request("POST", f"/containers/{id}/start")
        assert status == 204, answer
        request("POST", f"/containers/{id}/wait", timeout=120)
        _, output = request("GET", f"/containers/{id}/logs?stdout=1")
    finally:
        request("DELETE", f"/containers/{id}?force=1")
    return set(output.decode(errors="replace").split("\r\n")) - {""}
