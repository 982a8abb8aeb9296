"""Every attribute that acts on a running container, set at once in one project, and its effect read row by row: inside the
container, from the host's control groups, or from inspect. A row names the attributes that it stands for."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command, free_port
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
COMPOSE = """
name: table
x-run: &run {image: busybox, command: [sleep, '1000'], stop_signal: SIGKILL}
services:
  limits:
    <<: *run
    blkio_config:
      weight: 300
      weight_device: [{path: DISK, weight: 400}]
      device_read_bps: [{path: DISK, rate: 1mb}]
      device_read_iops: [{path: DISK, rate: 120}]
      device_write_bps: [{path: DISK, rate: 2mb}]
      device_write_iops: [{path: DISK, rate: 30}]
    cgroup_parent: pycompose-PARENT
    cpu_period: 50000
    cpu_quota: 25000
    cpu_shares: 512
    cpuset: '0'
    mem_limit: 64m
    mem_reservation: 32m
    memswap_limit: 96m
    mem_swappiness: 10
    pids_limit: 77
    shm_size: 8mb
    oom_score_adj: 500
    oom_kill_disable: true
    ulimits: {nofile: {soft: 111, hard: 222}, nproc: 333}
    device_cgroup_rules: ['c 10:229 r']
    devices: ['/dev/null:/dev/nil:rw', {source: /dev/zero, target: /dev/nought, permissions: r}]
  deployed:
    <<: *run
    deploy:
      mode: replicated
      replicas: 1
      resources:
        limits: {cpus: '0.25', memory: 48M, pids: 55}
        reservations: {memory: 24M}
  halves: {<<: *run, cpus: 0.5, scale: 1, network_mode: none}
  identity:
    image: busybox
    entrypoint: [sh, -c, 'echo $$0 $$@ > /tmp/args; exec sleep 1000']
    command: [zero, one]
    container_name: the-identity
    annotations: {org.example.note: 'read me'}
    attach: false
    cap_add: [SYS_TIME]
    cap_drop: [NET_RAW, CHOWN]
    domainname: example.test
    hostname: ident
    dns: [192.0.2.53]
    dns_opt: [ndots:3]
    dns_search: [example.test]
    env_file:
      - {path: plain.env}
      - {path: raw.env, format: raw}
      - {path: missing.env, required: false}
    environment: {FROM_FILE: overridden, PLAIN: '1'}
    extra_hosts: ['other.test:192.0.2.7']
    group_add: [audio, '4242']
    init: true
    labels: {own: label}
    label_file: [labels.txt]
    logging: {driver: json-file, options: {max-size: 1m, max-file: '2', tag: mine}}
    platform: PLATFORM
    pull_policy: never
    read_only: true
    runtime: pycompose
    security_opt: [no-new-privileges:true, seccomp:unconfined]
    stop_grace_period: 3s
    stop_signal: SIGUSR1
    sysctls: {net.core.somaxconn: 321, net.ipv4.ip_forward: '0'}
    tmpfs: ['/tmp:size=1m,mode=1777', /plain]
    user: '1000:1000'
    working_dir: /var/tmp
    healthcheck: {test: [CMD, 'true'], interval: 31s, timeout: 7s, retries: 4, start_period: 9s, start_interval: 2s}
  open:
    <<: *run
    privileged: true
    cgroup: host
    ipc: shareable
    uts: host
    userns_mode: host
    stdin_open: true
    tty: true
    use_api_socket: true
    healthcheck: {disable: true}
  sharer:
    <<: *run
    cgroup: private
    ipc: service:open
    pid: service:open
    network_mode: service:open
  hostly: {<<: *run, pid: host, ipc: host, network_mode: host}
  net:
    <<: *run
    links: [donor:nickname]
    external_links: [table-donor-1:outside]
    ports: [{target: 80, published: 'PORT', protocol: udp, host_ip: 127.0.0.1, name: web, app_protocol: http}]
    networks:
      front:
        priority: 5
        aliases: [facade]
        ipv4_address: 10.213.7.77
        ipv6_address: 'fd00:213::77'
        link_local_ips: [169.254.77.1]
        mac_address: '02:42:aa:bb:cc:01'
        interface_name: outer0
        driver_opts: {com.docker.network.endpoint.sysctls: net.ipv4.conf.IFNAME.log_martians=1}
      back: {gw_priority: 9}
  oldmac: {<<: *run, mac_address: '02:42:aa:bb:cc:02', networks: [closed]}
  donor:
    <<: *run
    networks: [front]
    volumes: [{type: volume, source: data, target: /donated}, /unnamed]
  mounts:
    <<: *run
    networks: [front]
    depends_on: [donor]
    volumes_from: [donor:ro]
    volumes:
      - {type: bind, source: ./made/by/engine, target: /made, bind: {create_host_path: true, selinux: z}}
      - {type: bind, source: ./tree, target: /ro, read_only: true, bind: {propagation: rslave, recursive: enabled}}
      - {type: volume, source: data, target: /part, volume: {subpath: below/here, nocopy: true}}
      - {type: volume, source: data, target: /etc/skel, volume: {nocopy: true}}
      - {type: volume, source: seeded, target: /etc}
      - {type: volume, target: /anonymous, volume: {labels: {kind: anonymous}}}
      - {type: volume, source: optioned, target: /optioned}
      - {type: volume, source: outside, target: /outside}
      - {type: tmpfs, target: /scratch, tmpfs: {size: 65536, mode: 0711}}
      - {type: image, source: busybox, target: /image, image: {subpath: etc}, read_only: true}
      - {type: image, source: busybox, target: /whole}
    configs:
      - plain
      - {source: inline, target: /cfg/inline, uid: '7', gid: '8', mode: 0440}
    secrets:
      - {source: variable, target: named, uid: '9', gid: '10', mode: 0400}
  never: {<<: *run, profiles: [other]}
networks:
  default: {labels: {net: labelled}}
  front:
    name: table-front
    driver: bridge
    driver_opts: {com.docker.network.driver.mtu: '1334', com.docker.network.bridge.enable_ip_masquerade: 'false'}
    enable_ipv4: true
    enable_ipv6: true
    internal: false
    ipam:
      config:
        - {subnet: 10.213.7.0/24, gateway: 10.213.7.254, ip_range: 10.213.7.128/25, aux_addresses: {taken: 10.213.7.129}}
        - {subnet: 'fd00:213::/64'}
  back: {}
  closed: {internal: true}
volumes:
  data: {labels: {vol: labelled}}
  seeded: {name: table-seeded}
  optioned: {driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: size=2m}}
  outside: {external: true, name: table-outside}
configs:
  plain: {file: ./plain.env}
  inline: {content: 'value $${KEPT}'}
secrets:
  variable: {environment: TABLE_SECRET}
"""

FILES = {
    "plain.env": "FROM_FILE=file\nQUOTED='a b'\n",
    "raw.env": "RAW='kept $quotes'\n",
    "labels.txt": "from.file=yes\n",
    "tree/file": "content\n",
}

INSIDE: dict[str, list[tuple[str, str, str]]] = {
    "limits": [
        ("oom_score_adj", "cat /proc/1/oom_score_adj", "500"),
        ("ulimits.soft ulimits.hard", "ulimit -Sn; ulimit -Hn", "111\n222"),
        ("ulimits", "grep 'Max processes' /proc/1/limits | tr -s ' ' | cut -d' ' -f3,4", "333 333"),
        ("shm_size", "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2", "8192"),
        ("devices.source devices.target", "stat -c %t:%T /dev/nil /dev/nought", "1:3\n1:5"),
        (
            "device_cgroup_rules",
            "mknod /tmp/fuse c 10 229; : < /tmp/fuse && cat /dev/null 2>/dev/null > /tmp/fuse || echo refused",
            "refused",
        ),
    ],
    "identity": [
        ("entrypoint command", "cat /tmp/args", "zero one"),
        ("cap_add cap_drop", "grep CapBnd /proc/1/status | cut -f2", f"{0xA80425FB & ~(1 << 13) & ~1 | 1 << 25:016x}"),
        ("hostname domainname", "hostname; cat /proc/sys/kernel/domainname", "ident\nexample.test"),
        ("dns_opt dns_search", "grep -E '^(options|search)' /etc/resolv.conf | grep -oE 'ndots:3|example.test'", "*"),
        ("env_file.path env_file.required environment", "echo $FROM_FILE $PLAIN $QUOTED", "overridden 1 a b"),
        ("env_file.format", 'echo "$RAW"', "'kept $quotes'"),
        ("extra_hosts", "grep other.test /etc/hosts | tr -s '\\t ' ' '", "192.0.2.7 other.test"),
        ("group_add user", "id -u; id -G", "1000\n1000 29 4242"),
        ("init", "cat /proc/1/comm | grep -v sleep | wc -l", "1"),
        ("read_only", "touch /var/tmp/x 2>/dev/null || echo refused", "refused"),
        (
            "security_opt",
            "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr '\\t\\n' ' '",
            "NoNewPrivs: 1 Seccomp: 0",
        ),
        ("sysctls", "cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_forward", "321\n0"),
        ("tmpfs", "df -k /tmp | tail -1 | tr -s ' ' | cut -d' ' -f2; stat -f -c %T /plain", "1024\ntmpfs"),
        ("working_dir", "pwd", "/var/tmp"),
    ],
    "open": [
        ("privileged", "grep CapEff /proc/1/status | cut -f2", "{all_capabilities}"),
        ("cgroup", "readlink /proc/self/ns/cgroup", "{host_cgroup}"),
        ("uts", "readlink /proc/self/ns/uts", "{host_uts}"),
        ("userns_mode", "readlink /proc/self/ns/user", "{host_user}"),
        ("tty", "[ -t 0 ] < /proc/1/fd/0 && echo terminal", "terminal"),
        ("use_api_socket", "test -S /var/run/docker.sock && echo socket", "socket"),
    ],
    "sharer": [
        ("ipc", "readlink /proc/self/ns/ipc", "{open_ipc}"),
        ("pid", "ps | grep -c '[s]leep 1000'", "2"),
        ("network_mode", "readlink /proc/self/ns/net", "{open_net}"),
        ("cgroup", "[ $(readlink /proc/self/ns/cgroup) = {host_cgroup} ] || echo own", "own"),
    ],
    "hostly": [
        ("pid", "readlink /proc/self/ns/pid", "{host_pid}"),
        ("ipc", "readlink /proc/self/ns/ipc", "{host_ipc}"),
        ("network_mode", "readlink /proc/self/ns/net", "{host_net}"),
    ],
    "net": [
        ("networks.interface_name", "cat /sys/class/net/outer0/mtu", "1334"),
        ("networks.mac_address", "cat /sys/class/net/outer0/address", "02:42:aa:bb:cc:01"),
        ("networks.ipv4_address", "ip -4 -o addr show outer0 | grep -o '10.213.7.77/24'", "10.213.7.77/24"),
        ("networks.ipv6_address", "ip -6 -o addr show outer0 | grep -o 'fd00:213::77/64'", "fd00:213::77/64"),
        ("networks.link_local_ips", "ip -4 -o addr show outer0 | grep -o '169.254.77.1/'", "169.254.77.1/"),
        ("networks.driver_opts", "cat /proc/sys/net/ipv4/conf/outer0/log_martians", "1"),
        ("links", "ping -c1 -W2 nickname > /dev/null && echo reached", "reached"),
        ("external_links", "ping -c1 -W2 outside > /dev/null && echo reached", "reached"),
        ("gw_priority", "ip -4 route | grep ^default | grep -c outer0", "0"),
    ],
    "oldmac": [("mac_address", "cat /sys/class/net/eth0/address", "02:42:aa:bb:cc:02")],
    "donor": [
        ("networks.aliases", "ping -c1 -W2 facade > /dev/null && echo reached", "reached"),
        ("ipam.config.gateway", "ip -4 route show default | head -1 | cut -d' ' -f3", "10.213.7.254"),
        (
            "ipam.config.ip_range ipam.config.aux_addresses",
            "ip -4 -o addr show eth0 | grep -oE '10.213.7.[0-9]+/' | tr -d / | cut -d. -f4 | grep -vx 129 | awk '$1>=128' | wc -l",
            "1",
        ),
        ("ipam.config.subnet enable_ipv6", "ip -6 -o addr show eth0 | grep -c fd00:213", "1"),
    ],
    "mounts": [
        (
            "volumes_from",
            "touch /donated/x 2>/dev/null || echo refused; test -d /unnamed && echo there",
            "refused\nthere",
        ),
        ("bind.create_host_path", "touch /made/file && echo made", "made"),
        ("volumes.read_only", "cat /ro/file; touch /ro/x 2>/dev/null || echo refused", "content\nrefused"),
        ("volume.subpath", "cat /part/mark", "below"),
        ("volume.nocopy", "ls /etc/skel", "below"),
        ("volumes.seeded name", "grep -c root: /etc/passwd", "1"),
        ("driver_opts", "df -k /optioned | tail -1 | tr -s ' ' | cut -d' ' -f2", "2048"),
        ("external", "cat /outside/mark", "outside"),
        (
            "tmpfs.size tmpfs.mode",
            "df -k /scratch | tail -1 | tr -s ' ' | cut -d' ' -f2; stat -c %a /scratch",
            "64\n711",
        ),
        (
            "image.subpath",
            "cat /image/os-release | head -1; touch /image/x 2>/dev/null || echo refused",
            "ID=busybox\nrefused",
        ),
        ("volumes.image", "test -x /whole/bin/busybox && echo there", "there"),
        ("configs.file", "grep -c FROM_FILE /plain", "1"),
        (
            "configs.content target uid gid mode",
            "cat /cfg/inline; stat -c %u:%g:%a /cfg/inline",
            "value ${KEPT}7:8:440",
        ),
        (
            "secrets.environment target uid gid mode",
            "cat /run/secrets/named; echo; stat -c %u:%g:%a /run/secrets/named",
            "hush\n9:10:400",
        ),
    ],
}

INSPECT: list[tuple[str, str, str, Any]] = [
    ("annotations", "identity", "HostConfig.Annotations", {"org.example.note": "read me"}),
    ("container_name", "identity", "Name", "/the-identity"),
    ("labels", "identity", "Config.Labels.own", "label"),
    ("label_file", "identity", "Config.Labels", {"from.file": "yes"}),
    ("logging", "identity", "HostConfig.LogConfig.Config", {"max-size": "1m", "max-file": "2", "tag": "mine"}),
    ("stop_grace_period", "identity", "Config.StopTimeout", 3),
    ("stop_signal", "identity", "Config.StopSignal", "SIGUSR1"),
    ("runtime", "identity", "HostConfig.Runtime", "pycompose"),
    (
        "healthcheck",
        "identity",
        "Config.Healthcheck",
        {
            "Test": ["CMD", "true"],
            "Interval": 31 * 10**9,
            "Timeout": 7 * 10**9,
            "Retries": 4,
            "StartPeriod": 9 * 10**9,
            "StartInterval": 2 * 10**9,
        },
    ),
    ("dns", "identity", "HostConfig.Dns", ["192.0.2.53"]),
    ("healthcheck.disable", "open", "Config.Healthcheck.Test", ["NONE"]),
    ("stdin_open", "open", "Config.OpenStdin", True),
]

CGROUP: list[tuple[str, str, str, str, str, str, str]] = [
    # attribute, service, v1 controller, v1 file, v1 value, v2 file, v2 value
    ("cpu_period", "limits", "cpu", "cpu.cfs_period_us", "50000", "cpu.max", "25000 50000"),
    ("cpu_quota", "limits", "cpu", "cpu.cfs_quota_us", "25000", "cpu.max", "25000 50000"),
    ("cpu_shares", "limits", "cpu", "cpu.shares", "512", "cpu.weight", ""),
    ("cpuset", "limits", "cpuset", "cpuset.cpus", "0", "cpuset.cpus", "0"),
    ("mem_limit", "limits", "memory", "memory.limit_in_bytes", str(64 << 20), "memory.max", str(64 << 20)),
    ("mem_reservation", "limits", "memory", "memory.soft_limit_in_bytes", str(32 << 20), "memory.low", str(32 << 20)),
    ("mem_swappiness", "limits", "memory", "memory.swappiness", "10", "", ""),
    (
        "oom_kill_disable",
        "limits",
        "memory",
        "memory.oom_control",
        "oom_kill_disable 1\nunder_oom 0\noom_kill 0",
        "",
        "",
    ),
    ("pids_limit", "limits", "pids", "pids.max", "77", "pids.max", "77"),
    ("blkio.read_bps", "limits", "blkio", "blkio.throttle.read_bps_device", "{disk} 1048576", "io.max", ""),
    ("blkio.read_iops", "limits", "blkio", "blkio.throttle.read_iops_device", "{disk} 120", "io.max", ""),
    ("blkio.write_bps", "limits", "blkio", "blkio.throttle.write_bps_device", "{disk} 2097152", "io.max", ""),
    ("blkio.write_iops", "limits", "blkio", "blkio.throttle.write_iops_device", "{disk} 30", "io.max", ""),
    ("blkio.weight", "limits", "blkio", "blkio.bfq.weight", "300", "io.bfq.weight", "default 300\n{disk} 400"),
    ("blkio.weight_device", "limits", "blkio", "blkio.bfq.weight_device", "default 300\n{disk} 400", "", ""),
    ("cpus", "halves", "cpu", "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"),
    ("deploy.cpus", "deployed", "cpu", "cpu.cfs_quota_us", "25000", "cpu.max", "25000 100000"),
    ("deploy.memory", "deployed", "memory", "memory.limit_in_bytes", str(48 << 20), "memory.max", str(48 << 20)),
    ("deploy.reserved", "deployed", "memory", "memory.soft_limit_in_bytes", str(24 << 20), "memory.low", str(24 << 20)),
    ("deploy.pids", "deployed", "pids", "pids.max", "55", "pids.max", "55"),
]


def disk() -> tuple[str, str]:
    """A whole block device of this machine and its numbers."""
    for entry in sorted(Path("/sys/block").iterdir(), key=lambda entry: entry.name.startswith(("loop", "ram", "zram"))):
        if (Path("/dev") / entry.name).exists():
            return f"/dev/{entry.name}", (entry / "dev").read_text().strip()
    pytest.skip("no block device")


def weighs() -> bool:
    """Whether the disk's scheduler is the one that knows weights."""
    return "[bfq]" in (Path("/sys/block") / disk()[0].removeprefix("/dev/") / "queue/scheduler").read_text()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    root, directory = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("table")
    command = Command(root, directory)
    command("image", "import", "-c", 'CMD ["sh"]', "-", "busybox", stdin=busybox_rootfs().read())
    for name, content in FILES.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(content)
    arch = json.loads(command("image", "inspect", "busybox").stdout)[0]["Architecture"]
    text = COMPOSE.replace("DISK", disk()[0]).replace("PORT", str(free_port())).replace("PLATFORM", f"linux/{arch}")
    (directory / "compose.yaml").write_text(text.replace("PARENT", f"table{os.getpid()}"))
    for volume, path, content in (("table_data", "below/here/mark", "below"), ("table-outside", "mark", "outside")):
        command(
            "volume",
            "create",
            volume,
            "--label",
            "com.docker.compose.project=table",
            "--label",
            "com.docker.compose.volume=data",
        )
        script = f"mkdir -p $(dirname /v/{path}); echo {content} > /v/{path}"
        command("container", "run", "--rm", "-v", f"{volume}:/v", "busybox", "sh", "-c", script)
    command("up", "-d", TABLE_SECRET="hush")
    yield command
    command("down", "-v", "-t", "0", TABLE_SECRET="hush")
    command("volume", "rm", "table-outside")
    assert command("volume", "ls", "-q").stdout == ""
    command("engine", "stop", "--force")
    # The parent was asked for by name, so no container takes it away; nothing is left in it.
    for parent in Path("/sys/fs/cgroup").glob(f"**/pycompose-table{os.getpid()}"):
        parent.rmdir()
    assert_nothing_left(root)


def tree(command: Command, service: str) -> dict[str, Any]:
    identity = command("ps", "-aq", service, TABLE_SECRET="hush").stdout.strip()
    found: list[dict[str, Any]] = json.loads(command("container", "inspect", identity).stdout)
    return found[0]


def filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def host_values(table: Command) -> dict[str, str]:
    """What rows compare with that only this machine knows."""
    host = {
        f"host_{kind}": os.readlink(f"/proc/self/ns/{kind}") for kind in ("cgroup", "uts", "pid", "ipc", "net", "user")
    }
    status = Path("/proc/self/status").read_text()
    pid = tree(table, "open")["State"]["Pid"]
    host |= {f"open_{kind}": os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("ipc", "net")}
    host["all_capabilities"] = status.split("CapBnd:")[1].split()[0]
    return host


@pytest.mark.parametrize("service", INSIDE)
def test_inside(table: Command, service: str) -> None:
    rows = INSIDE[service]
    host = host_values(table)
    rows = [(names, filled(probe, host), filled(wanted, host)) for names, probe, wanted in rows]
    script = "".join(f"({probe}) 2>&1; echo '@@'\n" for _, probe, _ in rows)
    shown = table("exec", "-T", service, "sh", "-c", script, TABLE_SECRET="hush").stdout.split("@@\n")
    wrong = []
    for (attributes, _, wanted), got in zip(rows, shown, strict=False):
        if got.strip() != wanted and not (wanted == "*" and got.strip()):
            wrong.append(f"{attributes}: {got.strip()!r}, not {wanted!r}")
    assert wrong == []


def test_inspect(table: Command) -> None:
    trees: dict[str, Any] = {}
    wrong = []
    for attributes, service, path, wanted in INSPECT:
        if service not in trees:
            trees[service] = tree(table, service)
        found = trees[service]
        for word in path.split("."):
            found = found[word]
        good = wanted.items() <= found.items() if isinstance(wanted, dict) else found == wanted
        if not good:
            wrong.append(f"{attributes}: {found!r}, not {wanted!r}")
    assert wrong == []


def test_control_groups(table: Command) -> None:
    wrong = []
    for attributes, service, controller, old, old_value, new, new_value in CGROUP:
        pid = tree(table, service)["State"]["Pid"]
        lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
        path = next((where for _, names, where in lines if controller in names.split(",")), None)
        if path is None:
            file, wanted = Path("/sys/fs/cgroup") / lines[-1][2].lstrip("/") / new, new_value
        else:
            file, wanted = Path("/sys/fs/cgroup") / controller / path.lstrip("/") / old, old_value
        wanted = wanted.replace("{disk}", disk()[1])
        if service == "limits" and f"pycompose-table{os.getpid()}" not in str(file):
            wrong.append(f"cgroup_parent: {file}")
        if "bfq" in file.name and not (file.is_file() and weighs()):
            continue  # nothing weighs here: that is a warning, not an error
        if wanted and (not file.is_file() or file.read_text().strip() != wanted):
            wrong.append(
                f"{attributes}: {file}: {file.read_text().strip() if file.is_file() else 'absent'!r}, not {wanted!r}"
            )
    assert wrong == []


def test_the_rest(table: Command) -> None:
    """What is seen from outside of any one container."""
    secret = {"TABLE_SECRET": "hush"}
    assert "never" not in table("ps", "-a", "--services", **secret).stdout.split(), "profiles"
    network = json.loads(table("network", "inspect", "table-front").stdout)[0]
    assert network["Options"]["com.docker.network.driver.mtu"] == "1334" and network["EnableIPv6"]
    assert json.loads(table("network", "inspect", "table_closed").stdout)[0]["Internal"]
    assert json.loads(table("network", "inspect", "table_default").stdout)[0]["Labels"]["net"] == "labelled"
    mounts = {one["Destination"]: one for one in tree(table, "mounts")["Mounts"]}
    assert mounts["/ro"]["Propagation"] == "rslave", "volumes.bind.propagation"
    labels = json.loads(table("volume", "inspect", mounts["/anonymous"]["Name"]).stdout)[0]["Labels"]
    assert labels["kind"] == "anonymous", "volumes.volume.labels"
    assert (table.directory / "made/by/engine/file").exists()
    port = next(iter(tree(table, "net")["NetworkSettings"]["Ports"]["80/udp"]))
    assert port["HostIp"] == "127.0.0.1", "ports.host_ip, published, protocol"
    bound = subprocess.run(["ss", "-Hlun"], capture_output=True, text=True, check=False).stdout
    assert f"127.0.0.1:{port['HostPort']} " in bound or bound == ""
    assert table("plan", **secret).stdout == "table: nothing to do\n"
