"""Bodies of creations: sensible fields, most of the time, and among them values that an engine has to refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

WAITS = ["sh", "-c", "trap 'exit 7' TERM; echo out; echo err >&2; sleep 1000 & wait"]
"""Says something on both streams, ends with 7 on SIGTERM."""

CONFIG: dict[str, list[Any]] = {
    "Entrypoint": [["sh", "-c"], "sh", [], None, ["nosuch-program"], 5],
    "Env": [["A=1", "B"], ["=x"], [""], "A=1", None, ["A=1", "A=2"]],
    "Labels": [{"k": "v"}, {"k": ""}, {"": "x"}, None, ["k"], {"k": 1}],
    "Hostname": ["host", "a.b", "", "bad_name", "x" * 70, "-x"],
    "Domainname": ["example.org", ""],
    "User": ["1000", "nobody", "nosuch", "0:0", "1:nosuch", "99999999999", "root:0"],
    "WorkingDir": ["/tmp", "relative", "/made/here", "/etc/passwd", ""],
    "Tty": [True, False, "yes"],
    "OpenStdin": [True],
    "StdinOnce": [True],
    "AttachStdout": [True, False],
    "StopSignal": ["SIGTERM", "TERM", "9", "BOGUS", "SIGRTMIN+3", ""],
    "StopTimeout": [0, 1, -1, "1", None],
    "ExposedPorts": [{"80/tcp": {}}, {"53/udp": {}, "90": {}}, {"x": {}}, {"99999/tcp": {}}, {"80-82/tcp": {}}, {"80/bogus": {}}, {}],
    "Volumes": [{"/data": {}}, {"relative": {}}, {"/": {}}, {"/a/../b": {}}, {}],
    "Healthcheck": [
        {"Test": ["NONE"]}, {"Test": ["CMD", "true"], "Interval": 3600000000000}, {"Test": ["CMD-SHELL", "true"], "Interval": 1000},
        {"Test": ["BOGUS"]}, {"Test": []}, {"Test": ["CMD", "true"], "Interval": 3600000000000, "Retries": -1}, {"Test": ["CMD", "true"], "Timeout": 5},
        {"Interval": 3600000000000}, {"Test": ["CMD", "true"], "Interval": 3600000000000, "StartPeriod": -5}, {},
    ],
    "MacAddress": ["02:42:ac:11:00:99", "bogus"],
    "NetworkDisabled": [True],
    "ArgsEscaped": [True],
    "Shell": [["sh"]],
    "OnBuild": [["RUN true"]],
    "Image": ["nosuch", "", "busybox:nosuch", "UPPER", "busybox:latest", None],
    "Bogus": [1],
}  # fmt: skip
HOST: dict[str, list[Any]] = {
    "Binds": [
        ["v1:/data"], ["/tmp:/x:ro"], ["v1:/data:bogus"], ["relative/path:/x"], ["/tmp/pycompose-no-source:/x:rw,z"], ["v1:/a", "v2:/a"], ["v1"], [""],
        ["/tmp:/x:ro,rw"], ["v2:/data:nocopy"], ["v1:relative"], ["/tmp:/"], ["/tmp:/x:rshared"], ["v1:/x:rshared"], ["a:b:c:d"], ["v1:/data:ro,nocopy"], ["!:/x"],
    ],
    "Mounts": [
        [{"Type": "volume", "Source": "v1", "Target": "/m"}], [{"Type": "bind", "Source": "/tmp/pycompose-no-source", "Target": "/m"}],
        [{"Type": "bind", "Source": "/tmp", "Target": "/m", "ReadOnly": True}], [{"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"SizeBytes": 65536, "Mode": 448}}],
        [{"Type": "bogus", "Target": "/m"}], [{"Type": "volume", "Target": "/m"}], [{"Type": "volume", "Source": "v1"}], [{"Type": "tmpfs", "Source": "x", "Target": "/m"}],
        [{"Type": "bind", "Source": "relative", "Target": "/m"}], [{"Type": "bind", "Source": "/tmp", "Target": "/m", "VolumeOptions": {}}],
        [{"Type": "volume", "Source": "v1", "Target": "/m", "BindOptions": {}}], [{"Type": "volume", "Source": "v2", "Target": "/m", "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}}}],
        [{"Type": "volume", "Source": "v1", "Target": "/m"}, {"Type": "volume", "Source": "v2", "Target": "/m"}], [{"Type": "bind", "Source": "", "Target": "/m"}],
        [{"Type": "image", "Source": "busybox", "Target": "/m"}], [{"Type": "image", "Source": "nosuch", "Target": "/m"}], [{}], [{"Type": "volume", "Source": "v1", "Target": "/"}],
        [{"Type": "volume", "Source": "v1", "Target": "/m", "VolumeOptions": {"Subpath": "nosuch"}}], [{"Type": "volume", "Source": "v1", "Target": "/m", "VolumeOptions": {"Subpath": "../x"}}],
        [{"Type": "bind", "Source": "/tmp", "Target": "/m", "BindOptions": {"Propagation": "bogus"}}], [{"Type": "bind", "Source": "/tmp", "Target": "/m", "BindOptions": {"Propagation": "rslave", "NonRecursive": True}}],
        [{"Type": "npipe", "Source": "x", "Target": "/m"}], [{"Type": "cluster", "Source": "v1", "Target": "/m"}],
        [{"Type": "volume", "Source": "v1", "Target": "/m", "Consistency": "cached"}],
        [{"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"Options": [["noexec"]]}}], [{"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"SizeBytes": -1}}],
    ],
    "Tmpfs": [{"/t": ""}, {"/t": "size=64k,mode=700"}, {"/t": "bogus"}, {"relative": ""}, {"/": ""}],
    "PortBindings": [
        {"80/tcp": [{"HostPort": ""}]}, {"80/tcp": [{"HostPort": "99999"}]}, {"x": [{}]}, {"80/tcp": None}, {"80/tcp": [{"HostIp": "bogus", "HostPort": ""}]},
        {"80/tcp": []}, {"80/bogus": [{"HostPort": "0"}]}, {"80": [{"HostPort": "0"}]}, {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}, {"80/udp": [{"HostPort": "x"}]},
        {"80/tcp": [{"HostPort": "41000-41010"}]}, {"80/tcp": [{"HostPort": "41011"}]},
    ],
    "PublishAllPorts": [True],
    "RestartPolicy": [
        {"Name": "no"}, {"Name": ""}, {"Name": "always"}, {"Name": "unless-stopped"}, {"Name": "on-failure", "MaximumRetryCount": 1}, {"Name": "bogus"},
        {"Name": "always", "MaximumRetryCount": 3}, {"Name": "on-failure", "MaximumRetryCount": -1}, {"Name": "no", "MaximumRetryCount": 1},
    ],
    "AutoRemove": [True],
    "NetworkMode": ["default", "none", "host", "bridge", "n1", "n2", "container:w1", "container:nosuch", "nosuch", "", "container:", "{id:w1}", "service:x"],
    "Memory": [67108864, 1, 0, -1, 6291456, "64m"],
    "MemorySwap": [67108864, -1, 134217728, 1],
    "MemoryReservation": [33554432, 1, 671088640],
    "MemorySwappiness": [0, 60, 101, -1, -2],
    "KernelMemory": [67108864],
    "NanoCpus": [500000000, -1, 900000000000, 0],
    "CpuShares": [512, 1, -1, 0],
    "CpuQuota": [50000, 500, -1],
    "CpuPeriod": [100000, 5, -1],
    "CpusetCpus": ["0", "0-1", "99", "x", "0,", ""],
    "CpusetMems": ["0", "9"],
    "PidsLimit": [50, 0, -1, -5, None],
    "CapAdd": [["NET_ADMIN"], ["CAP_SYS_TIME"], ["BOGUS"], ["ALL"], ["all"], [], "NET_ADMIN", ["net_admin"]],
    "CapDrop": [["CHOWN"], ["ALL"], ["BOGUS"]],
    "SecurityOpt": [["no-new-privileges"], ["seccomp=unconfined"], ["bogus"], ["label=disable"], ["no-new-privileges:false"], ["apparmor=unconfined"], ["x=y"], ["seccomp=/nosuch.json"], ["no-new-privileges=maybe"], ["systempaths=unconfined"]],
    "Privileged": [True],
    "ReadonlyRootfs": [True],
    "ShmSize": [1048576, 0, -1],
    "Ulimits": [[{"Name": "nofile", "Soft": 100, "Hard": 200}], [{"Name": "bogus", "Soft": 1, "Hard": 1}], [{"Name": "nofile", "Soft": 300, "Hard": 200}], [{"Name": "", "Soft": 1, "Hard": 1}], []],
    "Sysctls": [{"net.ipv4.ip_forward": "0"}, {"bogus.key": "1"}, {"kernel.shmmax": "1000000"}, {"": ""}],
    "ExtraHosts": [["a:1.2.3.4"], ["a=1.2.3.4"], ["bogus"], ["a:host-gateway"], ["a:x"], [""]],
    "Dns": [["1.1.1.1"], ["bogus"], []],
    "DnsSearch": [["example.org"], ["."], ["bad domain"]],
    "DnsOptions": [["ndots:2"], ["bogus"], [""]],
    "Links": [["w1:alias"], ["nosuch"], ["w1"], ["w1:a:b"], [""]],
    "VolumesFrom": [["w1"], ["nosuch"], ["w2:ro"], ["w1:bogus"], [""], ["w1:ro,z"]],
    "IpcMode": ["private", "shareable", "none", "host", "bogus", "container:w1", "container:nosuch", ""],
    "PidMode": ["host", "container:w1", "container:nosuch", "bogus", "", "private"],
    "UTSMode": ["host", "bogus", ""],
    "UsernsMode": ["host", "bogus", ""],
    "CgroupnsMode": ["private", "host", "bogus"],
    "LogConfig": [{"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}, {"Type": "none"}, {"Type": "local"}, {"Type": "bogus"}, {"Type": "json-file", "Config": {"bogus": "1"}}, {"Type": ""}, {"Type": "json-file", "Config": {"max-size": "x"}}, {"Type": "json-file", "Config": {"max-file": "0"}}, {"Type": "json-file", "Config": {"mode": "non-blocking", "max-buffer-size": "1m"}}, {"Type": "json-file", "Config": {"mode": "bogus"}}],
    "OomScoreAdj": [100, 1001, -1001],
    "OomKillDisable": [True],
    "GroupAdd": [["audio"], ["29"], ["nosuch"]],
    "Devices": [[{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}], [{"PathOnHost": "/dev/nosuch", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}], [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "bogus"}], [{}]],
    "DeviceCgroupRules": [["c 1:3 r"], ["bogus"]],
    "StorageOpt": [{}, {"bogus": "1"}],
    "Isolation": ["default", "bogus", ""],
    "MaskedPaths": [[], ["/proc/kcore"]],
    "ReadonlyPaths": [[], ["/proc/sys"]],
    "BlkioWeight": [500, 5, 1001, 0],
    "BlkioDeviceReadBps": [[{"Path": "/dev/nosuch", "Rate": 1}], []],
    "Runtime": ["runc", "bogus", ""],
    "CgroupParent": ["", "relative/x", "/absolute"],
    "VolumeDriver": ["local", "bogus", ""],
    "ConsoleSize": [[10, 20], [1]],
    "Annotations": [{"a": "b"}, {"": "x"}, {}],
    "DeviceRequests": [[{"Driver": "bogus", "Count": 1}], [], [{"Capabilities": [["gpu"]], "Count": 1}]],
    "CpuRealtimePeriod": [1000],
    "IOMaximumIOps": [5],
    "CpuCount": [1],
    "ContainerIDFile": ["/x"],
}  # fmt: skip
ENDPOINTS: list[Any] = [
    {"n1": {"Aliases": ["one", "two"]}}, {"n1": {}}, {"n2": {"IPAMConfig": {"IPv4Address": "10.251.0.77"}}}, {"n1": {"IPAMConfig": {"IPv4Address": "bogus"}}},
    {"n1": {"IPAMConfig": {"IPv4Address": "10.9.9.9"}}}, {"nosuch": {}}, {"n1": {"MacAddress": "02:42:00:00:00:07"}}, {"n1": {"MacAddress": "bogus"}},
    {"n1": {}, "n2": {}}, {"n1": None}, {"bridge": {"Aliases": ["a"]}}, {"n1": {"Links": ["w1:x"]}}, {"n1": {"GwPriority": 5}}, {"n1": {"DriverOpts": {"a": "b"}}}, {"n2": {"IPAMConfig": {"IPv6Address": "fd00::7"}}},
    {"n2": {"IPAMConfig": {"LinkLocalIPs": ["169.254.1.1"]}}},
]  # fmt: skip
NETWORK: dict[str, list[Any]] = {
    "Driver": ["bridge", "host", "none", "bogus", "null", "", "overlay"],
    "Internal": [True],
    "Attachable": [True],
    "Ingress": [True],
    "Scope": ["local", "swarm", "bogus"],
    "EnableIPv6": [False],
    "EnableIPv4": [True, False],
    "ConfigOnly": [True],
    "Labels": [{"k": "v"}, {}, None, {"k": 1}],
    "Options": [{"com.docker.network.bridge.enable_icc": "false"}, {"com.docker.network.driver.mtu": "1400"}, {"com.docker.network.bridge.enable_icc": "bogus"}, {"x": "y"}, {"com.docker.network.driver.mtu": "x"}, {"com.docker.network.bridge.gateway_mode_ipv4": "bogus"}],
    "IPAM": [
        {"Config": [{"Subnet": "10.250.{n}.0/24"}]}, {"Config": [{"Subnet": "10.250.{n}.0/24", "Gateway": "10.250.{n}.9"}]}, {"Config": [{"Subnet": "10.250.{n}.0/24", "IPRange": "10.250.{n}.128/25"}]},
        {"Config": [{"Subnet": "bogus"}]}, {"Config": [{"Subnet": "10.250.{n}.0/24", "Gateway": "10.9.9.9"}]}, {"Config": [{"Subnet": "10.250.{n}.0/24", "Gateway": "bogus"}]},
        {"Config": [{"Subnet": "10.250.{n}.5/24"}]}, {"Config": [{"Gateway": "10.250.{n}.1"}]}, {"Config": [{"Subnet": "10.250.{n}.0/24", "IPRange": "10.9.0.0/24"}]}, {"Driver": "bogus"},
        {"Driver": "default", "Options": {"a": "b"}}, {"Config": [{"Subnet": "10.250.{n}.0/24"}, {"Subnet": "10.251.{n}.0/24"}]}, {"Config": [{"Subnet": "10.250.{n}.0/24", "AuxiliaryAddresses": {"a": "10.250.{n}.3"}}]},
        {"Config": []}, {"Config": [{"Subnet": "10.250.{n}.0/33"}]}, {"Config": [{}]}, {"Driver": "null"}, {"Config": [{"Subnet": "10.250.{n}.0/24"}, {"Subnet": "fd00:{n}::/64"}]},
        {"Config": [{"Subnet": "10.250.{n}.0/24", "AuxiliaryAddresses": {"a": "10.9.9.3"}}]}, {"Config": [{"Subnet": "10.250.{n}.0/32"}]}, {"Config": [{"Subnet": "10.250.{n}.0/24", "IPRange": "bogus"}]},
        {"Config": [{"Subnet": "10.250.{n}.0/31"}]},
    ],
}  # fmt: skip
VOLUME: dict[str, list[Any]] = {
    "Driver": ["local", "bogus", "", None],
    "Labels": [{"k": "v"}, None, {"k": 1}, {}],
    "DriverOpts": [{"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}, {"bogus": "1"}, {"type": "tmpfs"}, {"type": "none", "o": "bind"}, {"o": "size=1m"}, {}, {"device": "/tmp", "type": "none", "o": "bind"}],
    "ClusterVolumeSpec": [{}],
    "Bogus": [1],
}  # fmt: skip
UPDATE: dict[str, list[Any]] = {
    **{key: HOST[key] for key in ("RestartPolicy", "Memory", "MemorySwap", "MemoryReservation", "NanoCpus", "CpuShares", "CpuQuota", "CpuPeriod", "CpusetCpus", "CpusetMems", "PidsLimit", "BlkioWeight")},
    "Bogus": [1],
}  # fmt: skip
EXEC: dict[str, list[Any]] = {
    "Cmd": [["sh", "-c", "exit 3"], ["echo", "hello"], ["nosuch-program"], [], None, "echo x", [""], ["cat", "/etc/hostname"], ["pwd"], ["id"], ["env"], ["/etc/passwd"]],
    "Tty": [True],
    "AttachStdout": [True, False],
    "AttachStderr": [True],
    "User": ["1000", "nosuch", "nobody", "1:2"],
    "WorkingDir": ["/tmp", "/nosuch", "relative"],
    "Env": [["A=1"], "x", ["BAD"], ["=y"]],
    "Privileged": [True],
    "DetachKeys": ["ctrl-x", "bogus", "ctrl-p,ctrl-q"],
    "ConsoleSize": [[10, 20]],
}  # fmt: skip


def drawn(random: Random, table: dict[str, list[Any]], most: int) -> dict[str, Any]:
    """Up to ``most`` fields of a table. Sensible values stand in front and are drawn more often."""
    found: dict[str, Any] = {}
    for key in random.sample(sorted(table), random.randint(0, most)):
        values = table[key]
        found[key] = values[0] if random.random() < 0.35 else random.choice(values)
    return found


def container(random: Random) -> Any:
    """A body of ``POST /containers/create``."""
    if random.random() < 0.02:
        return random.choice([None, [], "x", {}, {"HostConfig": []}, {"HostConfig": "x"}, {"Cmd": ["true"]}])
    body: dict[str, Any] = {"Image": "busybox", "Cmd": WAITS}
    chance = random.random()
    if chance < 0.2:
        body["Cmd"] = random.choice(
            [
                ["sh", "-c", "exit 3"],
                ["true"],
                "true",
                [],
                None,
                ["nosuch-program"],
                ["sh", "-c", "kill -9 $$"],
                ["ls", "/nosuch"],
                ["echo", "x"],
                ["/etc"],
            ]
        )
    if random.random() < 0.6:
        body.update(drawn(random, CONFIG, 2))
    if random.random() < 0.7:
        body["HostConfig"] = drawn(random, HOST, 2)
    policy = body.get("HostConfig", {}).get("RestartPolicy", {}).get("Name")
    if policy in ("always", "unless-stopped") and (body["Cmd"] != WAITS or "Entrypoint" in body):
        # Where the count of restarts is a matter of time there is nothing to compare.
        del body["HostConfig"]["RestartPolicy"]
    if random.random() < 0.15:
        body["NetworkingConfig"] = {"EndpointsConfig": random.choice(ENDPOINTS)}
    return body
