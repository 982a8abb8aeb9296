"""Services as request bodies: every run attribute of the specification, compared as JSON text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.composing import make_project

from pycompose.compose.convert.container import Facts, OneOff, create_request
from pycompose.compose.convert.network import network_body
from pycompose.compose.convert.volume import volume_body
from pycompose.compose.errors import PlanError

DATA = Path(__file__).parent / "data" / "bodies"

EVERYTHING: dict[str, Any] = {
    "annotations": {"a": "b"},
    "blkio_config": {
        "weight": 300,
        "weight_device": [{"path": "/dev/sda", "weight": 400}],
        "device_read_bps": [{"path": "/dev/sda", "rate": "1048576"}],
        "device_write_iops": [{"path": "/dev/sdb", "rate": 30}],
    },
    "cap_add": ["NET_ADMIN"],
    "cap_drop": ["ALL"],
    "cgroup": "private",
    "cgroup_parent": "parent",
    "command": ["serve", "--x"],
    "cpu_count": 2,
    "cpu_period": "100000",
    "cpu_quota": "50000",
    "cpu_rt_period": 400,
    "cpu_rt_runtime": 95000,
    "cpu_shares": "512",
    "cpus": 0.5,
    "cpuset": "0,1",
    "device_cgroup_rules": ["c 1:3 mr"],
    "devices": [
        {"source": "/dev/null", "target": "/dev/x", "permissions": "r"},
        "/dev/zero:/dev/y:rw",
        "vendor.com/class=name",
    ],
    "dns": ["1.1.1.1"],
    "dns_opt": ["use-vc"],
    "dns_search": ["example.com"],
    "domainname": "example.com",
    "entrypoint": ["/entry"],
    "environment": {"A": "1", "BARE": None, "N": 3, "T": True},
    "expose": ["99", "100-101/udp"],
    "external_links": ["other:alias"],
    "extra_hosts": ["a=1.2.3.4", "h=host-gateway", "six=::1"],
    "gpus": [{"count": 1}],
    "group_add": ["audio", 44],
    "healthcheck": {
        "test": ["CMD", "check"],
        "interval": "1m30s",
        "timeout": "5s",
        "retries": 4,
        "start_period": "10s",
        "start_interval": "1s",
    },
    "hostname": "host",
    "init": True,
    "ipc": "shareable",
    "labels": {"l": "1"},
    "logging": {"driver": "local", "options": {"max-size": "1m"}},
    "mac_address": "02:00:00:00:00:01",
    "mem_limit": "52428800",
    "mem_reservation": "1048576",
    "mem_swappiness": 10,
    "memswap_limit": -1,
    "networks": {
        "default": {"aliases": ["nick"], "priority": 10, "ipv4_address": "10.0.0.9", "driver_opts": {"o": 1}},
        "back": {"interface_name": "eth7", "link_local_ips": ["169.254.1.1"]},
    },
    "oom_kill_disable": True,
    "oom_score_adj": -500,
    "pid": "host",
    "pids_limit": 100,
    "platform": "linux/amd64",
    "ports": [
        {"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"},
        {"mode": "host", "target": 80, "published": "8081", "protocol": "tcp", "host_ip": "127.0.0.1"},
        {"target": 53, "protocol": "udp"},
        {"target": 90, "published": "9000-9005", "protocol": "tcp"},
    ],
    "privileged": True,
    "read_only": True,
    "restart": "on-failure:3",
    "runtime": "runc",
    "security_opt": ["no-new-privileges:true", "seccomp:unconfined", "systempaths=unconfined", "label:disable"],
    "shm_size": "67108864",
    "stdin_open": True,
    "stop_grace_period": "1m30s",
    "stop_signal": "SIGQUIT",
    "storage_opt": {"size": "1G"},
    "sysctls": {"net.core.somaxconn": 1024},
    "tmpfs": ["/run", "/tmp:size=1m"],
    "tty": True,
    "ulimits": {"nofile": {"soft": 1, "hard": 2}, "nproc": 5},
    "user": "1000:1000",
    "userns_mode": "host",
    "uts": "host",
    "volumes": [
        {"type": "bind", "source": "/src", "target": "/dst", "bind": {"create_host_path": True, "selinux": "z"}},
        {"type": "bind", "source": "/ro", "target": "/ro", "read_only": True, "bind": {"propagation": "rslave"}},
        {"type": "bind", "source": "/rec", "target": "/rec", "bind": {"recursive": "readonly"}},
        {"type": "volume", "source": "data", "target": "/data", "volume": {"nocopy": True, "subpath": "x"}},
        {"type": "volume", "target": "/anon", "volume": {}},
        {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1048576", "mode": 448}},
        {"type": "image", "source": "busybox", "target": "/img", "image": {"subpath": "bin"}},
    ],
    "volumes_from": ["donor:ro", "container:raw"],
    "working_dir": "/work",
}


def everything(api: tuple[int, int]) -> Any:
    project = make_project(
        {"web": EVERYTHING, "donor": {}},
        networks={"back": {"name": "shared-back"}},
        volumes={"data": {}},
    )
    facts = Facts(
        api=api,
        image_id="sha256:1",
        config_hash="hash",
        fields="{}",
        containers={"donor": "d" * 64},
        kept_volumes={"/anon": "v" * 64, "/image-volume": "w" * 64},
    )
    request = create_request(project, "web", 2, facts)
    return {"name": request.name, "platform": request.platform, "body": request.body, "connect": request.connect}


def old_engine() -> Any:
    return everything((1, 41))


def new_engine() -> Any:
    return everything((1, 48))


def plain() -> Any:
    project = make_project({"web": {"image": "busybox", "depends_on": ["db"]}, "db": {}})
    return create_request(project, "web", 1, Facts(replaces="a" * 64)).body


def deploy() -> Any:
    tree = {
        "replicas": 2,
        "resources": {
            "limits": {"cpus": 0.25, "memory": "67108864", "pids": 50},
            "reservations": {
                "memory": "33554432",
                "devices": [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"], "device_ids": []}],
            },
        },
        "restart_policy": {"condition": "on-failure", "max_attempts": 2, "delay": "5s"},
    }
    project = make_project({"web": {"deploy": tree, "network_mode": "none"}})
    return create_request(project, "web", 1, Facts()).body["HostConfig"]


def one_off() -> Any:
    project = make_project({"web": {"restart": "always", "networks": {"default": {"aliases": ["nick"]}}}})
    oneoff = OneOff("demo-web-run-1", "1", ["sh"], auto_remove=True, tty=True, stdin=True)
    return create_request(project, "web", 1, Facts(), oneoff).body


def files() -> Any:
    project = make_project(
        {
            "web": {
                "configs": [
                    {"source": "plain"},
                    {"source": "inline", "target": "/etc/inline"},
                    {"source": "plain", "target": "/etc/mine", "uid": "7", "gid": "8", "mode": 256},
                ],
                "secrets": [{"source": "token"}, {"source": "key", "target": "renamed", "mode": 0o400}],
            }
        },
        configs={"plain": {"file": "/src/plain"}, "inline": {"content": "text"}},
        secrets={"token": {"environment": "TOKEN"}, "key": {"file": "/src/key"}},
        environment={"TOKEN": "hidden"},
    )
    request = create_request(project, "web", 1, Facts())
    return {"mounts": request.body["HostConfig"]["Mounts"], "files": [str(one) for one in request.files]}


def networks_and_volumes() -> Any:
    project = make_project(
        {},
        networks={
            "back": {
                "name": "demo_back",
                "driver": "bridge",
                "driver_opts": {"mtu": 1400},
                "internal": True,
                "attachable": True,
                "enable_ipv4": True,
                "enable_ipv6": True,
                "labels": {"a": "b"},
                "ipam": {
                    "driver": "default",
                    "config": [{"subnet": "10.0.0.0/24", "gateway": "10.0.0.1", "aux_addresses": {"x": "10.0.0.5"}}],
                },
            }
        },
        volumes={"data": {"driver": "local", "driver_opts": {"type": "tmpfs"}, "labels": {"a": "b"}}},
    )
    return [network_body(project, "back"), network_body(project, "default"), volume_body(project, "data")]


CASES = (old_engine, new_engine, plain, deploy, one_off, files, networks_and_volumes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_body(case: Any, update_golden: bool) -> None:
    text = json.dumps(case(), indent=2) + "\n"
    path = DATA / f"{case.__name__}.json"
    if update_golden:
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(
    ("service", "parts", "words"),
    [
        ({"secrets": [{"source": "s"}]}, {"secrets": {"s": {"external": True}}}, "external secret"),
        ({"configs": [{"source": "c"}]}, {"configs": {"c": {"environment": "NO"}}}, '"NO" is not set'),
        ({"volumes": [{"type": "npipe", "target": "/x"}]}, {}, "npipe"),
        ({"use_api_socket": True}, {}, "unix socket"),
        ({"network_mode": "service:no"}, {}, "no container to share"),
    ],
)
def test_refused(service: dict[str, Any], parts: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        create_request(make_project({"web": service}, **parts), "web", 1, Facts())
