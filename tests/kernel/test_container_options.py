"""Every container option of the Engine API, read back from the kernel: /proc, control group files, the namespaces.

What inspect says is not asked here. Options that this machine's kernel cannot have (AppArmor, SELinux) are not tested.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import EngineRoot, wait_for

from pycompose.engine.linux import cgroups
from pycompose.engine.linux.cgroup import Hierarchies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

V1 = not Hierarchies.discover().pure_v2
SLEEP = ["sh", "-c", "trap exit TERM; sleep 1000 & wait"]


class Running:
    """A container that runs, and what the kernel knows of it."""

    def __init__(self, engine: EngineRoot, id: str) -> None:
        self.engine, self.id = engine, id
        self.pid = int(engine.json("GET", f"/containers/{id}/json")["State"]["Pid"])

    def proc(self, name: str) -> str:
        with open(f"/proc/{self.pid}/{name}") as file:
            return file.read()

    def status(self, name: str) -> str:
        match = re.search(rf"^{name}:\s*(.*)$", self.proc("status"), re.MULTILINE)
        assert match, name
        return match[1]

    def mount(self, destination: str) -> list[str]:
        """The fields of the top-most mount at a destination: options, file system, source, super options."""
        lines = [line.split() for line in self.proc("mountinfo").splitlines()]
        found = [line for line in lines if line[4] == destination]
        assert found, f"nothing is mounted at {destination}"
        dash = found[-1].index("-")
        return [found[-1][5], *found[-1][dash + 1 :], " ".join(found[-1][6:dash])]

    def mounts_below(self, prefix: str) -> list[str]:
        places = [line.split()[4] for line in self.proc("mountinfo").splitlines()]
        return sorted(place for place in places if place.startswith(prefix))

    def has_mount(self, destination: str) -> bool:
        return any(line.split()[4] == destination for line in self.proc("mountinfo").splitlines())

    def cgroup(self, controller: str, name: str) -> str:
        group = cgroups.at(f"/pycompose-{self.engine.layout.instance}/{self.id}")
        for directory in group.directories:
            if os.path.exists(f"{directory}/{name}"):
                with open(f"{directory}/{name}") as file:
                    return file.read().strip()
        raise AssertionError(f"no {name} in {group.directories}")

    def exec(self, *command: str, **body: Any) -> str:
        created = self.engine.json(
            "POST",
            f"/containers/{self.id}/exec",
            {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **body},
        )
        return plain(self.engine.request("POST", f"/exec/{created['Id']}/start", {})[1])

    def namespace(self, name: str) -> str:
        return os.readlink(f"/proc/{self.pid}/ns/{name}")


def plain(framed: bytes) -> str:
    """The payload of Docker's multiplexed frames."""
    out, position = b"", 0
    while position + 8 <= len(framed):
        size = int.from_bytes(framed[position + 4 : position + 8], "big")
        out += framed[position + 8 : position + 8 + size]
        position += 8 + size
    return out.decode()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("options")) as running:
        running.import_busybox()
        yield running


@pytest.fixture
def run(engine: EngineRoot) -> Iterator[Callable[..., Running]]:
    """Start a container with these members of HostConfig (and ``config`` for the rest of the body)."""
    made: list[str] = []

    def start(config: dict[str, Any] | None = None, name: str = "", **host: Any) -> Running:
        body = {"Image": "busybox", "Cmd": SLEEP, "HostConfig": host, **(config or {})}
        made.append(engine.json("POST", f"/containers/create?name={name}", body)["Id"])
        engine.json("POST", f"/containers/{made[-1]}/start")
        return Running(engine, made[-1])

    yield start
    for id in reversed(made):
        engine.json("DELETE", f"/containers/{id}?force=1&v=1")


def refused(engine: EngineRoot, config: dict[str, Any] | None = None, **host: Any) -> tuple[int, str]:
    status, body = engine.request(
        "POST", "/containers/create", {"Image": "busybox", "HostConfig": host, **(config or {})}
    )
    if status == 201:
        import json

        id = json.loads(body)["Id"]
        status, body = engine.request("POST", f"/containers/{id}/start")
        engine.request("DELETE", f"/containers/{id}?force=1")
    return status, body.decode()


DEFAULT_CAPABILITIES = 0xA80425FB


# privileges ------------------------------------------------------------------------------------------------------------
def test_defaults_are_dockers_or_stricter(run: Callable[..., Running]) -> None:
    container = run()
    for name in ("CapBnd", "CapEff", "CapPrm"):
        assert int(container.status(name), 16) & ~DEFAULT_CAPABILITIES == 0, name
    assert int(container.status("CapInh"), 16) == int(container.status("CapAmb"), 16) == 0
    assert container.status("Seccomp") == "2"
    own = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "pid", "net", "ipc", "uts", "cgroup")}
    assert all(container.namespace(name) != value for name, value in own.items())
    devices = set(container.exec("ls", "/dev").split())
    assert container.status("Umask") == "0022" and container.exec("sh", "-c", "umask") == "0022\n"
    assert devices == {
        "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom",
        "zero",
    } - ({"core"} if "core" not in devices else set())  # fmt: skip
    assert "ro" in container.mount("/sys")[0].split(",")
    assert "ro" in container.mount("/proc/sys")[0].split(",")
    assert container.exec("sh", "-c", "echo 1 > /proc/sys/kernel/panic 2>&1; true").strip() != ""
    assert container.exec("sh", "-c", "cat /proc/kcore 2>&1 | head -c 1").strip("\0") in ("", "c")


def test_cap_add_and_drop(run: Callable[..., Running]) -> None:
    container = run(CapAdd=["NET_ADMIN", "sys_ptrace"], CapDrop=["CAP_CHOWN", "MKNOD"])
    effective = int(container.status("CapEff"), 16)
    assert effective & (1 << 12) and effective & (1 << 19)
    assert not effective & (1 << 0) and not effective & (1 << 27)
    assert int(run(CapDrop=["ALL"]).status("CapBnd"), 16) == 0
    only = run(CapDrop=["ALL"], CapAdd=["NET_RAW"])
    assert int(only.status("CapEff"), 16) == 1 << 13


def test_user_without_capabilities(run: Callable[..., Running]) -> None:
    container = run({"User": "1000:1000"}, GroupAdd=["audio", "4242"])
    assert container.status("Uid").split() == ["1000"] * 4 and container.status("Gid").split() == ["1000"] * 4
    assert int(container.status("CapEff"), 16) == 0
    assert {"29", "4242"} <= set(container.status("Groups").split())


def test_user_by_name(run: Callable[..., Running]) -> None:
    container = run({"User": "user"})
    assert container.status("Uid").split()[0] == "1000"
    assert "HOME=/home" in container.proc("environ").split("\0")


def test_privileged(run: Callable[..., Running]) -> None:
    container = run(Privileged=True)
    assert container.status("Seccomp") == "0"
    with open("/proc/self/status") as file:
        own = re.search(r"CapBnd:\s*(\S+)", file.read())
    assert own and int(container.status("CapEff"), 16) == int(own[1], 16)
    assert "rw" in container.mount("/sys")[0].split(",")
    assert not container.has_mount("/proc/kcore")
    assert os.path.exists(f"/proc/{container.pid}/root/dev/kmsg") == os.path.exists("/dev/kmsg")
    # The host's multiplexer is among its devices; terminals are the container's own all the same.
    assert os.readlink(f"/proc/{container.pid}/root/dev/ptmx") == "pts/ptmx"


def test_no_new_privileges_and_seccomp(run: Callable[..., Running]) -> None:
    assert run(SecurityOpt=["no-new-privileges"]).status("NoNewPrivs") == "1"
    assert run(SecurityOpt=["no-new-privileges:true"]).status("NoNewPrivs") == "1"
    assert run().status("NoNewPrivs") == "0"
    assert run(SecurityOpt=["seccomp=unconfined"]).status("Seccomp") == "0"
    profile = '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}'
    container = run(SecurityOpt=[f"seccomp={profile}"])
    assert container.status("Seccomp") == "2"
    assert "not permitted" in container.exec("mkdir", "/tmp/x")


def test_masked_and_readonly_paths(run: Callable[..., Running]) -> None:
    container = run(MaskedPaths=["/etc/passwd"], ReadonlyPaths=["/tmp"])
    assert container.exec("cat", "/etc/passwd") == ""
    assert "Read-only" in container.exec("touch", "/tmp/x")
    assert not container.has_mount("/proc/kcore")
    assert not run(SecurityOpt=["systempaths=unconfined"]).has_mount("/proc/sys")


# files -----------------------------------------------------------------------------------------------------------------
def test_read_only_root_and_tmpfs(run: Callable[..., Running]) -> None:
    container = run(ReadonlyRootfs=True, Tmpfs={"/run": "size=1m,mode=700", "/exec": "exec"})
    assert "Read-only" in container.exec("touch", "/x")
    assert container.exec("touch", "/run/x") == ""
    options, kind, _, extra, _ = container.mount("/run")
    assert kind == "tmpfs" and "size=1024k" in extra and "mode=700" in extra
    assert {"nosuid", "nodev", "noexec"} <= set(options.split(","))
    assert "noexec" not in container.mount("/exec")[0].split(",")


def test_shm_size(run: Callable[..., Running]) -> None:
    assert "size=65536k" in run().mount("/dev/shm")[3]
    assert "size=2048k" in run(ShmSize=2 << 20).mount("/dev/shm")[3]


def test_binds(run: Callable[..., Running], tmp_path: Any) -> None:
    (tmp_path / "file").write_text("text")
    container = run(
        Binds=[f"{tmp_path}:/rw", f"{tmp_path}:/ro:ro", f"{tmp_path}/made:/made", f"{tmp_path}/file:/etc/one:ro"]
    )
    assert container.exec("cat", "/etc/one") == "text"
    assert "Read-only" in container.exec("touch", "/ro/x")
    assert container.exec("touch", "/rw/x") == "" and (tmp_path / "x").exists()
    assert (tmp_path / "made").is_dir()
    shared = run(Binds=[f"{tmp_path}:/slave:rslave"])
    assert "/slave" in [line.split()[4] for line in shared.proc("mountinfo").splitlines()]


def test_mounts(run: Callable[..., Running], engine: EngineRoot, tmp_path: Any) -> None:
    container = run(
        Mounts=[
            {"Type": "bind", "Source": str(tmp_path), "Target": "/b", "ReadOnly": True},
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o711}},
            {"Type": "volume", "Source": "named", "Target": "/v"},
            {"Type": "volume", "Target": "/anonymous"},
        ]
    )
    assert "ro" in container.mount("/b")[0].split(",")
    assert "size=1024k" in container.mount("/t")[3] and "mode=711" in container.mount("/t")[3]
    assert container.exec("touch", "/v/x") == ""
    assert (engine.layout.volumes / "named" / "_data" / "x").exists()
    engine.json("POST", f"/containers/{container.id}/stop?t=0")
    status, body = refused(engine, Mounts=[{"Type": "bind", "Source": f"{tmp_path}/none", "Target": "/b"}])
    assert status == 400 and "bind source path does not exist" in body
    engine.request("DELETE", "/volumes/named?force=1")


def test_volume_is_seeded_from_the_image_once(run: Callable[..., Running], engine: EngineRoot) -> None:
    container = run(Binds=["seeded:/var"])
    data = engine.layout.volumes / "seeded" / "_data"
    assert (data / "tmp").is_dir() and (data / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert container.exec("rmdir", "/var/tmp") == ""
    run(Binds=["seeded:/etc"])
    assert (data / "passwd").exists() and not (data / "tmp").exists()
    run(Binds=["bare:/var:nocopy"])
    assert list((engine.layout.volumes / "bare" / "_data").iterdir()) == []


def test_volumes_from(run: Callable[..., Running], tmp_path: Any) -> None:
    donor = run({"Volumes": {"/shared": {}}}, name="donor", Binds=[f"{tmp_path}:/host"])
    heir = run(VolumesFrom=["donor:ro"])
    assert donor.exec("touch", "/shared/x") == ""
    assert heir.exec("ls", "/shared") == "x\n"
    assert "Read-only" in heir.exec("touch", "/shared/y") and "Read-only" in heir.exec("touch", "/host/y")


def test_driver_options_tmpfs_volume(run: Callable[..., Running], engine: EngineRoot) -> None:
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=0750"}
    engine.json("POST", "/volumes/create", {"Name": "memory", "DriverOpts": options})
    container = run(Binds=["memory:/m"])
    assert container.mount("/m")[1] == "tmpfs" and "size=1024k" in container.mount("/m")[3]


# processes -------------------------------------------------------------------------------------------------------------
def test_init(run: Callable[..., Running]) -> None:
    container = run(Init=True)
    children = container.proc(f"task/{container.pid}/children").split()
    assert len(children) == 1
    assert container.exec("sh", "-c", "(sleep 0.05 &) ; true") == ""
    time.sleep(0.2)
    assert "Z" not in container.exec("sh", "-c", "cat /proc/[0-9]*/stat | awk '{print $3}'")


def test_ulimits(run: Callable[..., Running]) -> None:
    container = run(Ulimits=[{"Name": "nofile", "Soft": 100, "Hard": 200}, {"Name": "core", "Soft": 0, "Hard": 0}])
    limits = container.proc("limits")
    assert re.search(r"Max open files\s+100\s+200", limits)
    assert re.search(r"Max core file size\s+0\s+0", limits)


def test_sysctls(run: Callable[..., Running], engine: EngineRoot) -> None:
    container = run(Sysctls={"net.core.somaxconn": "321", "kernel.shmmax": "123456"})
    assert container.exec("cat", "/proc/sys/net/core/somaxconn") == "321\n"
    assert container.exec("cat", "/proc/sys/kernel/shmmax") == "123456\n"
    assert run().exec("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start") == "0\n"
    status, body = refused(engine, Sysctls={"kernel.panic": "1"})
    assert status >= 400 and "sysctl" in body
    status, body = refused(engine, Sysctls={"net.core.somaxconn": "1"}, NetworkMode="host")
    assert status >= 400


def test_oom_score(run: Callable[..., Running]) -> None:
    assert run(OomScoreAdj=500).proc("oom_score_adj").strip() == "500"


def test_devices(run: Callable[..., Running], engine: EngineRoot) -> None:
    container = run(
        Devices=[{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "rwm"}]
    )
    info = os.stat(f"/proc/{container.pid}/root/dev/nothing")
    assert (os.major(info.st_rdev), os.minor(info.st_rdev)) == (1, 3)
    status, body = refused(engine, Devices=[{"PathOnHost": "/dev/none", "PathInContainer": "/dev/none"}])
    assert status >= 400 and "/dev/none" in body


@pytest.mark.skipif(not V1, reason="cgroup v2 has no list of device rules to read")
def test_device_rules(run: Callable[..., Running]) -> None:
    rules = run(DeviceCgroupRules=["c 42:* rmw"]).cgroup("devices", "devices.list")
    assert "c 42:* rwm" in rules.splitlines() and "a *:* rwm" not in rules.splitlines()


# namespaces ------------------------------------------------------------------------------------------------------------
def test_host_namespaces(run: Callable[..., Running]) -> None:
    container = run(NetworkMode="host", PidMode="host", IpcMode="host", UTSMode="host", CgroupnsMode="host")
    for name in ("net", "pid", "ipc", "uts", "cgroup"):
        assert container.namespace(name) == os.readlink(f"/proc/self/ns/{name}"), name
    # A sysfs of its own: a bind of the host's would bring debugfs and the like along, writable.
    assert container.mount("/sys")[0].startswith("ro,") and container.mount("/sys")[1] == "sysfs"
    assert container.mounts_below("/sys/") == run().mounts_below("/sys/")


def test_shared_namespaces(run: Callable[..., Running], engine: EngineRoot) -> None:
    donor = run(IpcMode="shareable")
    guest = run(NetworkMode=f"container:{donor.id}", PidMode=f"container:{donor.id}", IpcMode=f"container:{donor.id}")
    for name in ("net", "pid", "ipc"):
        assert guest.namespace(name) == donor.namespace(name), name
    assert guest.namespace("mnt") != donor.namespace("mnt")
    assert donor.exec("touch", "/dev/shm/x") == "" and guest.exec("ls", "/dev/shm") == "x\n"
    assert guest.exec("hostname").strip() != ""
    status, body = refused(engine, IpcMode=f"container:{run().id}")
    assert status >= 400 and "non-shareable" in body


@pytest.mark.parametrize("pid", ["host", "container"])
def test_restarts_in_a_pid_namespace_of_others(run: Callable[..., Running], engine: EngineRoot, pid: str) -> None:
    """What is left of the container is killed with its first process; what comes into its control group later is not."""
    mode = pid if pid == "host" else f"container:{run().id}"
    program = ["sh", "-c", "sleep 1000 & sleep 0.1; exit 3"]
    container = run({"Cmd": program}, PidMode=mode, RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 2})
    path = f"/containers/{container.id}/json"
    wait_for(lambda: engine.json("GET", path)["State"]["Status"] == "exited", lambda: f"{engine.json('GET', path)}")
    shown = engine.json("GET", path)
    assert (shown["RestartCount"], shown["State"]["ExitCode"], shown["State"]["Error"]) == (2, 3, "")
    for _ in range(2):
        engine.json("POST", f"/containers/{container.id}/restart?t=0")


def test_whom_a_container_joins_is_kept_by_id(run: Callable[..., Running], engine: EngineRoot) -> None:
    """The other one may be renamed, and its name given away; one that is not there yet is told of by the start."""
    donor = run(IpcMode="shareable")
    engine.json("POST", f"/containers/{donor.id}/rename?name=before")
    networking = {
        "EndpointsConfig": {"container:before": {"MacAddress": "02:42:ac:11:00:99"}}
    }  # as the docker command has it
    guest = run(
        {"NetworkingConfig": networking},
        NetworkMode="container:before", PidMode="container:before", IpcMode="container:before",
    )  # fmt: skip
    host = engine.json("GET", f"/containers/{guest.id}/json")["HostConfig"]
    assert [host[mode] for mode in ("NetworkMode", "PidMode", "IpcMode")] == [f"container:{donor.id}"] * 3
    engine.json("POST", f"/containers/{donor.id}/rename?name=after")
    engine.json("POST", f"/containers/{guest.id}/restart?t=0")
    pid = engine.json("GET", f"/containers/{guest.id}/json")["State"]["Pid"]
    assert os.readlink(f"/proc/{pid}/ns/net") == donor.namespace("net")
    body = {"Image": "busybox", "HostConfig": {"NetworkMode": "container:nosuch"}}
    early = engine.json("POST", "/containers/create", body)["Id"]
    assert engine.json("GET", f"/containers/{early}/json")["HostConfig"]["NetworkMode"] == "container:nosuch"
    status, told = engine.request("POST", f"/containers/{early}/start")
    assert (status, told) == (404, b'{"message":"No such container: nosuch"}\n')
    engine.json("DELETE", f"/containers/{early}")


def test_a_network_joined_by_way_of_another(run: Callable[..., Running], engine: EngineRoot) -> None:
    """Its hosts, hostname and resolv.conf are those of whom the network belongs to, if that one is still there."""
    owner = run({"Hostname": "owner"}, ExtraHosts=["one:10.0.0.1"])
    guest = run(NetworkMode=f"container:{owner.id}")
    second = run(NetworkMode=f"container:{guest.id}")
    assert second.namespace("net") == owner.namespace("net")
    assert second.exec("hostname") == "owner\n" and second.exec("cat", "/etc/hosts") == owner.exec("cat", "/etc/hosts")
    engine.json("POST", f"/containers/{owner.id}/stop?t=0")
    late = run(NetworkMode=f"container:{guest.id}")
    assert late.namespace("net") == guest.namespace("net") and late.exec("cat", "/proc/net/dev") != ""


def test_hostname_and_files(run: Callable[..., Running]) -> None:
    container = run(
        {"Hostname": "box", "Domainname": "example.org"},
        ExtraHosts=["one:10.0.0.1", "gate:host-gateway"],
        Dns=["10.9.9.9"],
        DnsSearch=["search.test"],
        DnsOptions=["ndots:3"],
    )
    assert container.exec("cat", "/proc/sys/kernel/hostname") == "box\n"
    assert container.exec("cat", "/proc/sys/kernel/domainname") == "example.org\n"
    hosts = container.exec("cat", "/etc/hosts")
    assert re.search(r"10\.0\.0\.1\s+one", hosts) and re.search(r"\d+\.\d+\.\d+\.\d+\s+gate", hosts)
    resolv = container.exec("cat", "/etc/resolv.conf")
    assert "nameserver 10.9.9.9" in resolv and "search search.test" in resolv and "ndots:3" in resolv


# control groups --------------------------------------------------------------------------------------------------------
def test_memory(run: Callable[..., Running]) -> None:
    container = run(Memory=64 << 20, MemoryReservation=32 << 20, MemorySwap=128 << 20, PidsLimit=77)
    if V1:
        assert container.cgroup("memory", "memory.limit_in_bytes") == str(64 << 20)
        assert container.cgroup("memory", "memory.soft_limit_in_bytes") == str(32 << 20)
    else:
        assert container.cgroup("memory", "memory.max") == str(64 << 20)
        assert container.cgroup("memory", "memory.low") == str(32 << 20)
    assert container.cgroup("pids", "pids.max") == "77"


def test_cpu(run: Callable[..., Running]) -> None:
    container = run(NanoCpus=500_000_000, CpuShares=512, CpusetCpus="0")
    if V1:
        assert container.cgroup("cpu", "cpu.cfs_quota_us") == "50000"
        assert container.cgroup("cpu", "cpu.shares") == "512"
        assert container.cgroup("cpuset", "cpuset.cpus") == "0"
    else:
        assert container.cgroup("cpu", "cpu.max") == "50000 100000"
    assert container.status("Cpus_allowed_list") == "0"
    other = run(CpuPeriod=50_000, CpuQuota=25_000)
    if V1:
        assert (
            other.cgroup("cpu", "cpu.cfs_period_us") == "50000" and other.cgroup("cpu", "cpu.cfs_quota_us") == "25000"
        )


def test_oom_kill_is_told(run: Callable[..., Running], engine: EngineRoot) -> None:
    container = run({"Cmd": ["sh", "-c", "sleep 0.2; tail /dev/zero"]}, Memory=16 << 20, MemorySwap=16 << 20)
    answer = engine.json("POST", f"/containers/{container.id}/wait", timeout=60)
    assert answer["StatusCode"] == 137
    assert engine.json("GET", f"/containers/{container.id}/json")["State"]["OOMKilled"] is True


def test_update_changes_the_kernel(run: Callable[..., Running], engine: EngineRoot) -> None:
    container = run(Memory=64 << 20, MemorySwap=64 << 20)
    engine.json("POST", f"/containers/{container.id}/update", {"Memory": 32 << 20, "CpuShares": 256, "PidsLimit": 55})
    assert container.cgroup("memory", "memory.limit_in_bytes" if V1 else "memory.max") == str(32 << 20)
    assert container.cgroup("pids", "pids.max") == "55"
    if V1:
        assert container.cgroup("cpu", "cpu.shares") == "256"


def test_cgroup_parent(run: Callable[..., Running], engine: EngineRoot) -> None:
    parent = f"/parent-{engine.layout.instance}"
    container = run(CgroupParent=parent)
    try:
        assert any(f"{parent}/{container.id}" in line for line in container.proc("cgroup").splitlines())
    finally:
        engine.json("POST", f"/containers/{container.id}/stop?t=0")
        for directory in cgroups.at(parent).directories:  # the user's own, so the engine leaves it
            os.rmdir(directory)


def test_pause_freezes(run: Callable[..., Running], engine: EngineRoot) -> None:
    container = run({"Cmd": ["sh", "-c", "while :; do :; done"]})
    engine.json("POST", f"/containers/{container.id}/pause")

    def cpu() -> int:
        return sum(int(value) for value in container.proc("stat").rpartition(")")[2].split()[11:13])

    before = cpu()
    time.sleep(0.2)
    assert cpu() - before <= 1
    engine.json("POST", f"/containers/{container.id}/unpause")
    wait_for(lambda: cpu() > before + 2, lambda: "it does not run again")


# life ------------------------------------------------------------------------------------------------------------------
def test_stop_signal(run: Callable[..., Running], engine: EngineRoot) -> None:
    container = run(
        {"Cmd": ["sh", "-c", "trap 'exit 5' USR1; sleep 1000 & wait"], "StopSignal": "SIGUSR1", "StopTimeout": 5}
    )
    time.sleep(0.2)
    engine.json("POST", f"/containers/{container.id}/stop")
    assert engine.json("GET", f"/containers/{container.id}/json")["State"]["ExitCode"] == 5


def test_working_directory_and_environment(run: Callable[..., Running]) -> None:
    container = run({"WorkingDir": "/made/here", "Env": ["A=b c", "PATH=/bin", "EMPTY="]})
    assert os.readlink(f"/proc/{container.pid}/cwd") == "/made/here"
    environment = container.proc("environ").split("\0")
    assert "A=b c" in environment and "PATH=/bin" in environment and "EMPTY=" in environment
    assert f"HOSTNAME={container.id[:12]}" in environment


def test_terminal(run: Callable[..., Running]) -> None:
    container = run({"Tty": True, "OpenStdin": True}, ConsoleSize=[40, 100])
    assert os.readlink(f"/proc/{container.pid}/fd/0").startswith("/dev/pts/")
    assert "TERM=xterm" in container.proc("environ").split("\0")
    assert container.exec("sh", "-c", "stty size < /proc/1/fd/0").strip() == "40 100"


def test_annotations_are_in_the_bundle(run: Callable[..., Running], engine: EngineRoot) -> None:
    import json

    container = run(Annotations={"org.example": "yes"})
    launch = json.loads((engine.layout.container_run(container.id) / "launch.json").read_text())
    assert launch["bundle"]["annotations"] == {"org.example": "yes"}


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"Memory": 1000}, "Minimum memory limit"),
        ({"CpusetCpus": "999"}, "not available"),
        ({"NanoCpus": 10**15}, "Range of CPUs"),
        ({"CapAdd": ["NOT_A_CAPABILITY"]}, "unknown capability"),
        ({"SecurityOpt": ["nonsense"]}, "invalid --security-opt"),
        ({"Ulimits": [{"Name": "nonsense", "Soft": 1, "Hard": 1}]}, "invalid ulimit type"),
        ({"RestartPolicy": {"Name": "sometimes"}}, "invalid restart policy"),
        ({"AutoRemove": True, "RestartPolicy": {"Name": "always"}}, "AutoRemove"),
        ({"Binds": ["a:b:c:d"]}, "invalid volume specification"),
        ({"Binds": ["/a:relative"]}, "must be absolute"),
        ({"Tmpfs": {"/t": "nonsense"}}, "invalid tmpfs option"),
        ({"Runtime": "no-such-runtime"}, "Unknown runtime specified"),
        ({"LogConfig": {"Type": "nonsense"}}, "error looking up logging plugin"),
        ({"CgroupParent": "../../x"}, "invalid cgroup parent"),
        ({"Memory": "much"}, "invalid JSON"),
        ({"UsernsMode": "nonsense"}, "user namespace"),
        ({"PidMode": "nonsense"}, "invalid PID mode"),
        ({"NetworkMode": "container:"}, "Invalid network mode"),
    ],
)
def test_bad_options_are_refused_with_words(engine: EngineRoot, host: dict[str, Any], words: str) -> None:
    status, body = refused(engine, **host)
    assert status == 400 and words in body and "Traceback" not in body


def test_propagation_reaches_the_container_and_the_host(run: Callable[..., Running], tmp_path: Any) -> None:
    """A mount made on the host under an rslave bind is seen inside; one made inside an rshared bind is seen outside."""
    import subprocess

    (tmp_path / "sub").mkdir()
    (tmp_path / "own").mkdir()
    subprocess.run(["mount", "--bind", str(tmp_path), str(tmp_path)], check=True)
    try:
        subprocess.run(["mount", "--make-shared", str(tmp_path)], check=True)
        slave, shared = (
            run(Binds=[f"{tmp_path}:/s:rslave"]),
            run(Binds=[f"{tmp_path}:/s:rshared"], CapAdd=["SYS_ADMIN"]),
        )
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(tmp_path / "sub")], check=True)
        assert slave.has_mount("/s/sub") and shared.has_mount("/s/sub")
        assert shared.exec("mount", "-t", "tmpfs", "tmpfs", "/s/own") == ""
        assert os.path.ismount(tmp_path / "own")
    finally:
        subprocess.run(["umount", "-R", str(tmp_path)], check=True)


def test_exec_is_as_strict_as_its_container(run: Callable[..., Running]) -> None:
    container = run(
        {"User": "1000:1000"},
        CapDrop=["ALL"],
        CapAdd=["CHOWN"],
        SecurityOpt=["no-new-privileges"],
        GroupAdd=["4242"],
        OomScoreAdj=300,
        Ulimits=[{"Name": "nofile", "Soft": 100, "Hard": 200}],
    )
    kinds = (
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Uid",
        "Gid",
        "Groups",
    )
    told = dict(line.split(":\t", 1) for line in container.exec("cat", "/proc/self/status").splitlines())
    for kind in (*kinds, "Umask"):
        assert told[kind].strip() == container.status(kind).strip(), kind
    assert int(told["SigIgn"], 16) == int(told["SigBlk"], 16) == 0
    assert container.exec("cat", "/proc/self/oom_score_adj") == "300\n"
    assert re.search(r"Max open files\s+100\s+200", container.exec("cat", "/proc/self/limits"))
    assert container.exec("sh", "-c", "ls /proc/self/fd | wc -l").strip() == "4"  # three, and that of the listing
    for name in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
        assert container.exec("readlink", f"/proc/self/ns/{name}").strip() == container.namespace(name), name
    root = container.exec("cat", "/proc/self/status", User="0")
    assert re.search(r"CapBnd:\s*0*1$", root, re.MULTILINE)


@pytest.mark.skipif(not V1, reason="files of control groups v1")
def test_memory_behaviour(run: Callable[..., Running]) -> None:
    container = run(Memory=64 << 20, MemorySwappiness=10, OomKillDisable=True)
    assert container.cgroup("memory", "memory.swappiness") == "10"
    assert "oom_kill_disable 1" in container.cgroup("memory", "memory.oom_control")


@pytest.mark.skipif(not V1 or not os.path.exists("/dev/vda"), reason="needs a disk to throttle, and control groups v1")
@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("BlkioDeviceReadBps", "read_bps_device"),
        ("BlkioDeviceWriteBps", "write_bps_device"),
        ("BlkioDeviceReadIOps", "read_iops_device"),
        ("BlkioDeviceWriteIOps", "write_iops_device"),
    ],
)
def test_throttled_disks(run: Callable[..., Running], option: str, name: str) -> None:
    info = os.stat("/dev/vda")
    container = run(**{option: [{"Path": "/dev/vda", "Rate": 1 << 20}]})
    wanted = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)} {1 << 20}"
    assert container.cgroup("blkio", f"blkio.throttle.{name}") == wanted
    update = f"/containers/{container.id}/update"
    container.engine.json("POST", f"/v1.54{update}", {option: []})
    assert container.cgroup("blkio", f"blkio.throttle.{name}") == wanted, "older versions ignored these"
    container.engine.json("POST", f"/v1.55{update}", {option: [{"Path": "/dev/vda", "Rate": 2 << 20}]})
    assert container.cgroup("blkio", f"blkio.throttle.{name}").endswith(f" {2 << 20}")
    container.engine.json("POST", f"/v1.55{update}", {"CpuShares": 100, option: None})
    assert container.cgroup("blkio", f"blkio.throttle.{name}").endswith(f" {2 << 20}")
    container.engine.json("POST", f"/v1.55{update}", {option: []})
    assert container.cgroup("blkio", f"blkio.throttle.{name}") == ""
