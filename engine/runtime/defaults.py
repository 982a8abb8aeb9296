"""Docker's default parts of an OCI runtime configuration, as data: capabilities, mounts, paths, devices, environment.

engine/containers builds the configuration out of these; the launch adds only the devices, which the specification
asks of every runtime. Functions return fresh documents, the caller may change them.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..linux import oci

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)

_PROCESSORS = "/sys/devices/system/cpu"

READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

DEVICE_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)

NAMESPACES = ("mount", "uts", "ipc", "pid", "network", "cgroup")

SHM_SIZE = 64 << 20


@cache
def masked_paths(top: str = "") -> tuple[str, ...]:
    """`MASKED_PATHS`, and for each processor that tells how often it was too hot, its counters: what runs beside one can be
    told from them. ``top`` is where /sys is looked for."""
    try:
        names = sorted(os.listdir(f"{top}{_PROCESSORS}"))
    except OSError:
        names = []
    counters = (f"{_PROCESSORS}/{name}/thermal_throttle" for name in names if name[:3] == "cpu" and name[3:].isdigit())
    return (*MASKED_PATHS, *(path for path in counters if os.path.isdir(f"{top}{path}")))


def capabilities(names: tuple[str, ...] = CAPABILITIES, *, ambient: bool = False) -> oci.Capabilities:
    """``process.capabilities`` with these names. As Docker does: bounding, effective and permitted; none inheritable
    (CVE-2022-24769), so that a user other than root starts without any."""
    return {
        "bounding": list(names),
        "effective": list(names),
        "permitted": list(names),
        "inheritable": [],
        "ambient": list(names) if ambient else [],
    }


def mounts(shm_size: int = SHM_SIZE) -> list[oci.Mount]:
    """The mounts every container gets, in the order in which they are made."""
    return [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
        ),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev"),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", f"size={shm_size}"),
    ]


def _mount(destination: str, kind: str, source: str, *options: str) -> oci.Mount:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)


def devices() -> list[oci.Device]:
    """The device nodes of every container, in the form of ``linux.devices``."""
    return [
        {"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 0o666, "uid": 0, "gid": 0}
        for path, major, minor in _DEVICES
    ]


def device_rules() -> list[oci.DeviceRule]:
    """``linux.resources.devices`` of an unprivileged container: deny all; any node may be made, only these opened."""
    rules: list[oci.DeviceRule] = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "b", "access": "m"},
    ]
    opened: list[tuple[int, int | None]] = [(major, minor) for _, major, minor in _DEVICES]
    # The console, ptmx, and every terminal in the container's own devpts.
    opened += [(5, 1), (5, 2), (136, None)]
    for major, minor in opened:
        rule: oci.DeviceRule = {"allow": True, "type": "c", "major": major, "access": "rwm"}
        if minor is not None:
            rule["minor"] = minor
        rules.append(rule)
    return rules


def namespaces() -> list[oci.Namespace]:
    return [{"type": kind} for kind in NAMESPACES]
