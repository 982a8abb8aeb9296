"""A RUN step compiled into an OCI runtime configuration. Pure: what it needs to know of the host comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..containers.spec.bundle import NETWORK_SYSCTLS
from ..runtime import defaults
from .steps import BindMount, CacheMount, SecretMount, SshMount, TmpfsMount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..linux import oci
    from .steps import RunStep, StepMount

_ALL_DEVICES: list[oci.DeviceRule] = [{"allow": True, "access": "rwm"}]


def step_bundle(
    step: RunStep,
    files: Mapping[str, Path],
    secrets: Mapping[str, Path],
    capabilities: Sequence[str],
    *,
    cgroup: str,
    profile: str = "",
) -> oci.Configuration:
    """config.json. ``files`` stand for /etc/hosts and its like, ``secrets`` hold the secrets' content by target, ``profile`` is AppArmor's
    ("" for none)."""
    privileged = step.security == "insecure"
    resources: oci.Resources = {
        **(step.resources or {}),
        "devices": _ALL_DEVICES if privileged else defaults.device_rules(),
    }
    namespaces = [entry for entry in defaults.namespaces() if entry["type"] != "network" or step.network != "host"]
    return {
        "ociVersion": "1.1.0",
        "hostname": step.hostname,
        "root": {"path": "rootfs", "readonly": False},
        "process": {
            "terminal": False,
            "args": list(step.args),
            "env": [f"{name}={value}" for name, value in step.env.items() if name not in step.secret_names],
            "cwd": step.cwd,
            "capabilities": defaults.capabilities(tuple(capabilities)),
            "rlimits": [
                {"type": f"RLIMIT_{name.upper()}", "soft": soft, "hard": hard}
                for name, (soft, hard) in step.ulimits.items()
            ],
            "noNewPrivileges": False,
            "apparmorProfile": profile,
        },
        "mounts": _mounts(step, files, secrets, privileged=privileged),
        "linux": {
            "namespaces": namespaces,
            "resources": resources,
            "maskedPaths": [] if privileged else list(defaults.masked_paths()),
            "readonlyPaths": [] if privileged else list(defaults.READONLY_PATHS),
            "sysctl": {} if step.network == "host" else dict(NETWORK_SYSCTLS),
            "cgroupsPath": cgroup,
        },
    }


def _mounts(
    step: RunStep, files: Mapping[str, Path], secrets: Mapping[str, Path], *, privileged: bool
) -> list[oci.Mount]:
    own = {entry.target for entry in step.mounts}
    result: list[oci.Mount] = []
    for entry in defaults.mounts(step.shm_size or defaults.SHM_SIZE):
        if entry["destination"] in own:
            continue
        if privileged and entry["destination"] in ("/sys", "/sys/fs/cgroup"):
            entry["options"] = [word for word in entry["options"] if word != "ro"]
        if entry["destination"] == "/sys" and step.network == "host":
            # A new sysfs shows the network namespace of its maker, which a container on the host's network has not made.
            entry.update({"type": "bind", "source": "/sys", "options": ["rbind", *entry["options"]]})
        result.append(entry)
    result += [_bind(target, path) for target, path in files.items() if target not in own]
    result += [_mount(entry, secrets) for entry in step.mounts]
    return result


def _bind(target: str, source: Path, *options: str) -> oci.Mount:
    return {"destination": target, "type": "bind", "source": str(source), "options": ["rbind", "rprivate", *options]}


def _mount(entry: StepMount, secrets: Mapping[str, Path]) -> oci.Mount:
    match entry:
        case TmpfsMount():
            options = ["nosuid", "nodev", "mode=1777", *([f"size={entry.size}"] if entry.size else [])]
            return {"destination": entry.target, "type": "tmpfs", "source": "tmpfs", "options": options}
        case SecretMount():
            return _bind(entry.target, secrets[entry.target], "ro", "nosuid", "nodev")
        case SshMount():
            return _bind(entry.target, entry.source)
        case CacheMount():
            return _bind(entry.target, entry.source, *(["ro"] if entry.read_only else []))
        case BindMount():
            return _bind(entry.target, entry.source, *([] if entry.writable else ["ro"]))
