"""Capabilities and security options of a create body, in the terms of the OCI runtime specification. Pure.

The default capability set and path masks are engine/runtime/defaults.py's; seccomp profiles are compiled by seccomp.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InvalidParameter
from ...runtime import defaults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .bodies import HostConfig

CAPABILITIES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
    "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip


def capabilities(add: Sequence[str] | None, drop: Sequence[str] | None, *, privileged: bool) -> tuple[str, ...]:
    """The names a container's process gets. ``ALL`` in either list means every capability. Raises InvalidParameter."""
    added, dropped = _names(add or (), "CapAdd"), _names(drop or (), "CapDrop")
    if privileged:
        return CAPABILITIES
    if "ALL" in added:
        chosen = set(CAPABILITIES) - dropped
    elif "ALL" in dropped:
        chosen = added
    else:
        chosen = (set(defaults.CAPABILITIES) | added) - dropped
    return tuple(name for name in CAPABILITIES if name in chosen)


def _names(words: Sequence[str], member: str) -> set[str]:
    result = set()
    for word in words:
        name = word.upper()
        if name != "ALL" and not name.startswith("CAP_"):
            name = f"CAP_{name}"
        if name != "ALL" and name not in CAPABILITIES:
            raise InvalidParameter(f'invalid {member}: unknown capability: "{name}"')
        result.add(name)
    return result


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """``seccomp`` is "default", "unconfined" or the text of a profile; ``apparmor`` a profile name or ""; ``label`` words
    of SELinux; ``masked`` is False where system paths are left unconfined."""

    seccomp: str = "default"
    no_new_privileges: bool = False
    apparmor: str = ""
    label: tuple[str, ...] = ()
    masked: bool = True


def security_options(entries: Sequence[str] | None) -> SecurityOptions:
    """Reads SecurityOpt; ``key=value`` and the older ``key:value``. Raises InvalidParameter."""
    seccomp, no_new, apparmor, masked = "default", False, "", True
    label: list[str] = []
    for entry in entries or ():
        if entry == "no-new-privileges":
            no_new = True
            continue
        if entry == "disable":
            label.append(entry)
            continue
        separator = "=" if "=" in entry else ":"
        key, found, value = entry.partition(separator)
        if not found:
            raise InvalidParameter(f'invalid --security-opt 1: "{entry}"')
        if key == "seccomp":
            seccomp = {"builtin": "default", "": "default"}.get(value, value)
        elif key == "no-new-privileges":
            if value not in ("true", "false"):
                raise InvalidParameter(f'invalid --security-opt 2: "{entry}"')
            no_new = value == "true"
        elif key == "apparmor":
            apparmor = value
        elif key == "label":
            label.append(value)
        elif key == "systempaths":
            if value != "unconfined":
                raise InvalidParameter(f'invalid --security-opt 2: "{entry}"')
            masked = False
        else:
            raise InvalidParameter(f'invalid --security-opt 2: "{entry}"')
    return SecurityOptions(seccomp, no_new, apparmor, tuple(label), masked)


def shown_paths(host: HostConfig, options: SecurityOptions) -> tuple[list[str], list[str]]:
    """(masked, read-only) paths: the client's own lists, nothing when privileged or unconfined, else the defaults."""
    if host["Privileged"] or not options.masked:
        masked: list[str] = []
        readonly: list[str] = []
    else:
        masked, readonly = list(defaults.masked_paths()), list(defaults.READONLY_PATHS)
    if host["MaskedPaths"] is not None:
        masked = list(host["MaskedPaths"])
    if host["ReadonlyPaths"] is not None:
        readonly = list(host["ReadonlyPaths"])
    return masked, readonly
