"""Attributes that go to the engine under another name and are otherwise as they were loaded.

A test holds that both sides of each row have the same type, so nothing here converts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.service import Service
    from .bodies import ContainerConfig, HostConfig, Resources

CONFIG = {
    "command": "Cmd",
    "domainname": "Domainname",
    "entrypoint": "Entrypoint",
    "hostname": "Hostname",
    "stdin_open": "OpenStdin",
    "stop_signal": "StopSignal",
    "tty": "Tty",
    "user": "User",
    "working_dir": "WorkingDir",
}

HOST = {
    "annotations": "Annotations",
    "cap_add": "CapAdd",
    "cap_drop": "CapDrop",
    "cgroup": "CgroupnsMode",
    "dns": "Dns",
    "dns_opt": "DnsOptions",
    "dns_search": "DnsSearch",
    "group_add": "GroupAdd",
    "init": "Init",
    "oom_score_adj": "OomScoreAdj",
    "privileged": "Privileged",
    "read_only": "ReadonlyRootfs",
    "runtime": "Runtime",
    "shm_size": "ShmSize",
    "storage_opt": "StorageOpt",
    "sysctls": "Sysctls",
    "userns_mode": "UsernsMode",
    "uts": "UTSMode",
}

RESOURCES = {
    "cgroup_parent": "CgroupParent",
    "cpu_period": "CpuPeriod",
    "cpu_quota": "CpuQuota",
    "cpu_shares": "CpuShares",
    "cpuset": "CpusetCpus",
    "device_cgroup_rules": "DeviceCgroupRules",
    "mem_limit": "Memory",
    "mem_reservation": "MemoryReservation",
    "mem_swappiness": "MemorySwappiness",
    "memswap_limit": "MemorySwap",
    "oom_kill_disable": "OomKillDisable",
    "pids_limit": "PidsLimit",
}
"""Limits; those with structure of their own are in resources.py. Those without effect on Linux (cpu_count, cpu_percent,
cpu_rt_period, cpu_rt_runtime) are warned of and not sent, for engines refuse them."""


def config(service: Service) -> ContainerConfig:
    return cast("ContainerConfig", _renamed(service, CONFIG))


def host(service: Service) -> HostConfig:
    return cast("HostConfig", _renamed(service, HOST))


def limits(service: Service) -> Resources:
    return cast("Resources", _renamed(service, RESOURCES))


def _renamed(service: Service, names: Mapping[str, str]) -> dict[str, object]:
    """What is given; a switch that is off is as good as missing."""
    found: dict[str, object] = {}
    for key, name in names.items():
        value = service.get(key)
        if value is not None and value is not False:
            found[name] = value
    return found
