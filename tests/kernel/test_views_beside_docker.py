"""What a container sees and may do, beside the same container of a real dockerd, option by option: nowhere laxer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.docker_daemon import DOCKERD, dockerd, load
from support.engine_root import EngineRoot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
find /dev -type c -o -type b | grep -v zram | sed 's/^/device /'
sed 's/  */ /g; s/^/limit /' /proc/self/limits | grep -E 'core|stack|memlock|locked'
find /proc/sys/kernel /proc/sys/vm /proc/sys/fs /proc/irq /proc/bus /proc/fs /sys/kernel -maxdepth 1 -type f 2>/dev/null | while read -r path; do
  [ -w $path ] && echo "w $path"
done
sed 's/  */ /g; s/^/limit /' /proc/self/limits | grep -E 'nice|realtime|msgqueue|pending'
{ tr '\0' '\n' < /proc/1/environ; } 2>/dev/null | grep -v '^HOSTNAME=' | sed 's/^/environment /'
cat /proc/self/timerslack_ns 2>/dev/null | sed 's/^/slack /'; cat /proc/self/personality 2>/dev/null | sed 's/^/personality /'
for path in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq /sys/kernel /sys/fs/cgroup; do
  [ -w $path ] && echo "w $path"
done
grep -E '^(Groups|Speculation|SigIgn|SigBlk)' /proc/self/status | sed 's/^/process /'
cat /proc/self/oom_score_adj | sed 's/^/oom /'; cat /proc/self/coredump_filter | sed 's/^/dump /'; umask | sed 's/^/umask /'
ls -l /proc/self/fd | sed -n 's/.* \([0-9]*\) -> /descriptor \1 /p' | sed 's/pipe:.*/pipe/' | grep -v '/proc/'
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
    "privileged": {"Privileged": True},
    "privileged without capabilities": {"Privileged": True, "CapDrop": ["ALL"]},
    "privileged, confined": {"Privileged": True, "SecurityOpt": ["no-new-privileges"], "UsernsMode": "host"},
    "unconfined, no new privileges": {"SecurityOpt": ["seccomp=unconfined", "no-new-privileges"], "CapAdd": ["ALL"]},
    "shared memory": {"ShmSize": 1 << 20, "Tmpfs": {"/run": "rw,noexec,nosuid,size=64k"}},
    "realtime": {"Ulimits": [{"Name": "rtprio", "Soft": 0, "Hard": 0}], "CapAdd": ["SYS_NICE"]},
    "privileged, read-only": {"Privileged": True, "ReadonlyRootfs": True},
    "all capabilities": {"CapAdd": ["ALL"]},
    "all but one": {"CapAdd": ["ALL"], "CapDrop": ["SYS_ADMIN"]},
    "administrator": {"CapAdd": ["SYS_ADMIN"]},
    "modules": {"CapAdd": ["SYS_MODULE", "SYS_RAWIO", "SYS_TIME", "SYSLOG", "BPF", "PERFMON", "DAC_READ_SEARCH"]},
    "own profiles off": {"SecurityOpt": ["apparmor=unconfined", "label=disable"]},
    "host's users": {"UsernsMode": "host"},
    "host's processes": {"PidMode": "host"},
    "host's queues": {"IpcMode": "host"},
    "host's name": {"UTSMode": "host"},
    "own control group": {"CgroupnsMode": "private"},
    "no queues": {"IpcMode": "none"},
    "lent queues": {"IpcMode": "shareable", "ShmSize": 1 << 20},
    "host's network": {"NetworkMode": "host"},
    "device": {"Devices": [{"PathOnHost": "/dev/full", "PathInContainer": "/dev/mine", "CgroupPermissions": "r"}]},
    "device rules": {"DeviceCgroupRules": ["c 1:* rmw"]},
    "sysctls": {"Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0", "kernel.msgmax": "9000"}},
    "tmpfs with options": {"Tmpfs": {"/t": "size=1m,mode=700,exec"}},
    "tmpfs over a device": {"Tmpfs": {"/dev/shm": "size=1m"}},
    "tmpfs mount": {"Mounts": [{"Type": "tmpfs", "Target": "/t"}]},
    "bind": {"Binds": ["/tmp:/host:ro"]},
    "memory": {"Memory": 64 << 20, "OomScoreAdj": 100, "CpuShares": 10},
    "groups": {"GroupAdd": ["42"]},
}
# Where a line of ours has none of Docker's beside it, and is no laxer for it.
_OURS = ("writable /etc/resolv.conf", "writable /etc/hostname", "writable /etc/hosts")


class Beside(NamedTuple):
    """The two engines, and the options that have been compared so far."""

    ours: Callable[..., tuple[int, bytes]]
    theirs: Callable[..., tuple[int, bytes]]
    compared: set[str]


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    directory = tmp_path_factory.mktemp("views")
    with dockerd(directory / "d") as docker, EngineRoot(directory / "root") as engine:
        load(docker)
        load(engine.request)
        yield Beside(engine.request, docker, set())


@pytest.mark.parametrize("name", OPTIONS)
def test_nowhere_laxer(beside: Beside, name: str) -> None:
    host = OPTIONS[name]
    theirs = view(beside.theirs, host, may_fail=True)
    if not theirs:
        pytest.skip("this dockerd does not start it: capabilities that the machine lacks, or no docker-init")
    ours = view(beside.ours, host)
    for lines in (ours, theirs):
        assert any(line.startswith("status CapEff") for line in lines), lines
    beside.compared.add(name)
    laxer = sorted(line for line in ours - theirs - set(_OURS) if not harmless(line, theirs))
    assert not laxer


def test_most_options_were_compared(beside: Beside, request: pytest.FixtureRequest) -> None:
    names = (item.name for item in request.session.items)
    asked = {name.partition("[")[2].removesuffix("]") for name in names if name.startswith("test_nowhere_laxer[")}
    assert len(beside.compared) > len(asked) * 2 // 3, sorted(asked - beside.compared)


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


def view(request: Callable[..., tuple[int, bytes]], host: dict[str, Any], *, may_fail: bool = False) -> set[str]:
    """The lines that the script prints in a container with these options; none where it does not start and ``may_fail``."""
    body = {"Image": "busybox", "Cmd": ["/bin/sh", "-c", VIEW], "Tty": True}
    status, answer = request("POST", "/containers/create", {**body, "HostConfig": {"NetworkMode": "none", **host}})
    assert status == 201, answer
    id = json.loads(answer)["Id"]
    try:
        status, answer = request("POST", f"/containers/{id}/start")
        if may_fail and status == 500:
            return set()
        assert status == 204, answer
        request("POST", f"/containers/{id}/wait", timeout=120)
        _, output = request("GET", f"/containers/{id}/logs?stdout=1")
    finally:
        request("DELETE", f"/containers/{id}?force=1")
    return set(output.decode(errors="replace").split("\r\n")) - {""}
