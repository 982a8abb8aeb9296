"""System routes: ping, version, info, events, disk usage, registry login."""

from __future__ import annotations

import os
import platform
import re
import time
from typing import TYPE_CHECKING

import anyio

from ....version import __version__ as VERSION
from ... import shapes
from ...containers.spec import apparmor, cdi
from ...errors import InvalidParameter
from ...events import OWN_TYPES, matches
from ...images.types import Platform
from ...linux import userns
from ...linux.cgroup import Hierarchies
from ...shapes import Field
from ...timestamps import parse_time, rfc3339
from ..http import Response, encode
from ..router import API_VERSION, MIN_API_VERSION, Route
from ..versions import fitted
from .images import auth_from

if TYPE_CHECKING:
    from ...events import Event
    from ..bodies import Info
    from ..daemon import Daemon
    from ..http import Request


_WEIGHT = re.compile(r"[01](?:\.[0-9]{0,3})?")


async def ping(daemon: Daemon, request: Request) -> Response:
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Builder-Version", "2"),
        ("Swarm", "inactive"),
        ("Cache-Control", "no-cache, no-store, must-revalidate"),
        ("Pragma", "no-cache"),
    ]
    return Response(200, b"OK", headers)


async def version(daemon: Daemon, request: Request) -> Response:
    host = os.uname()
    details = {
        "ApiVersion": _text(API_VERSION),
        "Arch": Platform.host().architecture,
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": f"python{platform.python_version()}",
        "KernelVersion": host.release,
        "MinAPIVersion": _text(MIN_API_VERSION),
        "Os": "linux",
    }
    body = {
        "Platform": {"Name": "pycompose"},
        "Components": [{"Name": "Engine", "Version": VERSION, "Details": details}],
        "Version": VERSION,
        "ApiVersion": details["ApiVersion"],
        "MinAPIVersion": details["MinAPIVersion"],
        "GitCommit": "",
        "GoVersion": details["GoVersion"],
        "Os": "linux",
        "Arch": details["Arch"],
        "KernelVersion": host.release,
        "BuildTime": "",
    }
    return Response.json(body)


def _text(value: tuple[int, int]) -> str:
    return f"{value[0]}.{value[1]}"


async def info(daemon: Daemon, request: Request) -> Response:
    images = await daemon.containers.blocking(daemon.images.list)
    devices = await daemon.containers.blocking(cdi.devices)
    body = _info(daemon, len(images))
    body["DiscoveredDevices"] = [{"Source": "cdi", "ID": name} for name in devices]
    return Response.json(fitted("info", body, request.version))


def _info(daemon: Daemon, images: int) -> Info:
    counts = daemon.containers.counts()
    host = os.uname()
    hierarchies = Hierarchies.discover()
    controllers = set(hierarchies.v1)
    if hierarchies.pure_v2 and hierarchies.unified:
        with open(f"{hierarchies.unified}/cgroup.controllers") as file:
            controllers = {*file.read().split(), "freezer", "devices"}
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) * 1024
    return {
        "ID": daemon.layout.instance,
        "Containers": sum(counts.values()),
        "ContainersRunning": counts["running"],
        "ContainersPaused": counts["paused"],
        "ContainersStopped": counts["stopped"],
        "Images": images,
        "Driver": "overlay2",
        "DriverStatus": [
            ["Backing Filesystem", "unknown"],
            ["Supports d_type", "true"],
            ["Native Overlay Diff", "true"],
        ],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "ipvlan", "macvlan", "null"],
            "Authorization": None,
            "Log": ["json-file", "local", "none", "syslog"],
        },
        "MemoryLimit": "memory" in controllers,
        "SwapLimit": "memory" in controllers,
        "KernelMemory": False,
        "CpuCfsPeriod": "cpu" in controllers,
        "CpuCfsQuota": "cpu" in controllers,
        "CPUShares": "cpu" in controllers,
        "CPUSet": "cpuset" in controllers,
        "PidsLimit": "pids" in controllers,
        "IPv4Forwarding": _flag("/proc/sys/net/ipv4/ip_forward"),
        "BridgeNfIptables": False,
        "BridgeNfIp6tables": False,
        "Debug": False,
        "NFd": len(os.listdir("/proc/self/fd")),
        "OomKillDisable": "memory" in hierarchies.v1,
        "NGoroutines": 1,
        "SystemTime": rfc3339(time.time_ns()),
        "LoggingDriver": daemon.containers.log_config.get("Type", ""),
        "CgroupDriver": "cgroupfs" if hierarchies.any else "none",
        "CgroupVersion": "2" if hierarchies.pure_v2 else "1",
        "NEventsListener": 0,
        "KernelVersion": host.release,
        "OperatingSystem": _os_name(),
        "OSVersion": "",
        "OSType": "linux",
        "Architecture": host.machine,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "IndexConfigs": {"docker.io": {"Mirrors": [], "Name": "docker.io", "Official": True, "Secure": True}},
            "InsecureRegistryCIDRs": ["127.0.0.0/8"],
            "Mirrors": [],
            "AllowNondistributableArtifactsCIDRs": None,
            "AllowNondistributableArtifactsHostnames": None,
        },
        "NCPU": os.cpu_count(),
        "MemTotal": memory,
        "GenericResources": None,
        "DockerRootDir": str(daemon.layout.state),
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": host.nodename,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": VERSION,
        "Runtimes": {"pycompose": {"path": "pycompose"}},
        "DefaultRuntime": "pycompose",
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "pycompose-init",
        "ContainerdCommit": {"ID": "", "Expected": ""},
        "RuncCommit": {"ID": "", "Expected": ""},
        "InitCommit": {"ID": "", "Expected": ""},
        "SecurityOptions": _security_options(),
        "Warnings": _withheld(),
        "CDISpecDirs": [str(directory) for directory in cdi.DIRECTORIES],
        "FirewallBackend": {"Driver": "nftables", "Info": []},
    }


def _security_options() -> list[str]:
    """In dockerd's order, what every container is held to: SELinux leaves those without labels alone."""
    named = {
        "name=apparmor": apparmor.lately().available,
        "name=seccomp,profile=builtin": True,
        "name=rootless": not userns.is_initial(),
        "name=cgroupns": os.path.exists("/proc/self/ns/cgroup"),
    }
    return [name for name, there in named.items() if there]


def _withheld() -> list[str]:
    """What this engine lacks, in the way in which dockerd says so."""
    warnings = []
    if not userns.is_initial():
        warnings.append("WARNING: No limits of resources: without root there are no control groups")
    if userns.has_one_id():
        warnings.append(
            "WARNING: One user id: install uidmap, and give the user a range in /etc/subuid and /etc/subgid"
        )
    return warnings


def _flag(path: str) -> bool:
    try:
        with open(path) as file:
            return file.read().strip() == "1"
    except OSError:
        return False


def _os_name() -> str:
    try:
        with open("/etc/os-release") as file:
            values = dict(line.strip().split("=", 1) for line in file if "=" in line)
    except OSError:
        return "Linux"
    return values.get("PRETTY_NAME", "Linux").strip('"')


async def events(daemon: Daemon, request: Request) -> Response | None:
    """Docker's events alone; with ``/pycompose`` before it also those of builds, jobs, leases and snapshots."""
    hidden = () if request.path.endswith("/pycompose/events") else OWN_TYPES
    filters = request.filters()  # as in Docker, filters that do not exist let everything pass
    now = time.time_ns()
    since = parse_time(text, now) if (text := request.text("since")) else None
    until = parse_time(text, now) if (text := request.text("until")) else None
    if since is None and until is not None:
        since = 0  # all that is remembered, as in Docker
    if since is not None and until is not None and until < since:
        raise InvalidParameter(
            f"`since` time ({request.text('since')}) cannot be after `until` time ({request.text('until')})"
        )
    media_type, prefix = _media_type(request)

    async def tell(event: Event) -> None:
        if event.type not in hidden and matches(event, filters):
            await write(prefix + encode(fitted("event", event.to_docker(), request.version)) + b"\n")

    with daemon.events.subscribe(since) as (past, subscription):
        async with request.stream(media_type) as write:
            for earlier in past:
                if until is None or earlier.time <= until:
                    await tell(earlier)
            patience = None if until is None else max(0.0, (until - time.time_ns()) / 1e9)
            with anyio.move_on_after(patience):
                while (event := await subscription.next()) is not None:
                    if until is not None and event.time > until:
                        break
                    await tell(event)
    return None


_STREAMS = ("application/json", "application/x-ndjson", "application/jsonl", _SEQUENCE := "application/json-seq")


def _media_type(request: Request) -> tuple[str, bytes]:
    """The form of a stream of objects that the client would rather have (RFC 9110, 12.5.1), and what comes before each."""
    best, weight = _STREAMS[0], 0.0
    for accepted in request.headers.get("accept", "").split(","):
        name, *parameters = (part.strip().lower() for part in accepted.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        found = _WEIGHT.fullmatch(quality)
        if name in _STREAMS and found and float(quality) > weight:
            best, weight = name, float(quality)
    return best, b"\x1e" if best == _SEQUENCE else b""


_AUTH = {
    name: Field("string", "") for name in ("username", "password", "serveraddress", "identitytoken", "registrytoken")
}


async def auth(daemon: Daemon, request: Request) -> Response:
    body = shapes.checked(_AUTH, await request.json(), "")
    token = await daemon.containers.blocking(daemon.images.login, auth_from(body), str(body.get("serveraddress") or ""))
    return Response.json({"Status": "Login Succeeded", "IdentityToken": token})


ROUTES = (
    Route("GET", "/_ping", ping),
    Route("HEAD", "/_ping", ping),
    Route("GET", "/version", version),
    Route("GET", "/info", info),
    Route("GET", "/events", events),
    Route("GET", "/pycompose/events", events),
    Route("POST", "/auth", auth),
)
