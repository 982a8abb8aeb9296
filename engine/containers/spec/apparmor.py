"""The default AppArmor profile of containers, and loading it where the kernel has AppArmor (apparmor.d(5)).

It is the second wall behind capabilities, seccomp and masks: a container may do what it likes with its own files, network and
processes; it mounts nothing, and writes to no file of /proc and /sys that is the whole machine's.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from functools import lru_cache
from pathlib import Path

from ...errors import EngineError
from ...linux import lsm, userns
from .confinement import DEFAULT_PROFILE, Modules

_PATIENCE = 60.0
_FRESH = 10.0
_CONTEXTS = "contexts/lxc_contexts"

_RULES = f"""
  #include <abstractions/base>

  file,
  network,
  capability,
  unix,
  deny mount,
  umount,

  # Whoever runs the engine stops containers; among each other their processes are free.
  signal (receive) peer=unconfined,
  signal (send,receive) peer={DEFAULT_PROFILE},
  ptrace (read,readby,trace,tracedby) peer={DEFAULT_PROFILE},

  # Of /proc only the directories of processes are the container's own, and "sys" has rules of its own.
  deny @{{PROC}}/* w,
  deny @{{PROC}}/[^0-9s]*/** wklx,
  deny @{{PROC}}/s[^y]*/** wklx,
  deny @{{PROC}}/sy[^s]*/** wklx,
  deny @{{PROC}}/sys[^/]*/** wklx,
  deny @{{PROC}}/{{kcore,kmem,mem,sysrq-trigger,timer_stats}} rwklx,
  # Of the kernel's parameters only those of shared memory, which an IPC namespace keeps apart.
  deny @{{PROC}}/sys/[^k]** wklx,
  deny @{{PROC}}/sys/k[^e]** wklx,
  deny @{{PROC}}/sys/kernel/[^s]** wklx,
  deny @{{PROC}}/sys/kernel/s[^h]** wklx,
  deny @{{PROC}}/sys/kernel/sh[^m]** wklx,

  # Of /sys only control groups, and those are mounted read-only.
  deny /sys/[^f]** wklx,
  deny /sys/f[^s]** wklx,
  deny /sys/fs/[^c]** wklx,
  deny /sys/fs/c[^g]** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
"""

_VERSION = f"{DEFAULT_PROFILE}//{hashlib.sha256(_RULES.encode()).hexdigest()[:16]}"
"""An empty profile inside the profile, whose name tells in the kernel's list that this text was loaded, which after an upgrade it was not.
The kernel keeps those of earlier texts beside it, so an older release leaves a newer one's text alone."""

PROFILE = f"""#include <tunables/global>

profile {DEFAULT_PROFILE} flags=(attach_disconnected,mediate_deleted) {{{_RULES}
  profile {_VERSION.rpartition("/")[2]} {{
  }}
}}
"""


def modules(root: str = "/") -> Modules:
    """What the host enforces. ``root`` is where /sys and /etc are looked for."""
    active = lsm.apparmor_is_active(root)
    return Modules(
        apparmor=active,
        selinux=lsm.selinux_is_active(root),
        available=active and (_can_load() or DEFAULT_PROFILE in lsm.apparmor_profiles(root)),
        contexts=_contexts(root),
    )


def lately() -> Modules:
    """The same of this host, as it was some seconds ago at most: for who asks often. Profiles are many files."""
    return _at(int(time.monotonic() / _FRESH))


@lru_cache(1)
def _at(moment: int) -> Modules:
    return modules()


def _can_load() -> bool:
    """Only root of the machine loads profiles. An ordinary user's containers run under one that is there already."""
    return userns.is_initial() and bool(lsm.apparmor_parser())


def _contexts(root: str) -> str:
    try:
        settings = (Path(root) / "etc/selinux/config").read_text().splitlines()
        policy = next(line.partition("=")[2].strip() for line in settings if line.startswith("SELINUXTYPE="))
        return (Path(root) / "etc/selinux" / policy / _CONTEXTS).read_text()
    except (OSError, StopIteration):
        return ""


def ensure_loaded(profile: str, root: str = "/") -> None:
    """Load the default profile where it is missing, or another release's. Raises EngineError when a profile is not to be had."""
    loaded = lsm.apparmor_profiles(root)
    if profile in loaded and (profile != DEFAULT_PROFILE or _VERSION in loaded or not _can_load()):
        return
    if profile != DEFAULT_PROFILE:
        raise EngineError(f"AppArmor profile {profile} is not loaded")
    try:
        command = [lsm.apparmor_parser(), "--skip-cache", "--replace"]
        subprocess.run(command, input=PROFILE, text=True, capture_output=True, check=True, timeout=_PATIENCE)
    except subprocess.CalledProcessError as error:
        raise EngineError(f"cannot load AppArmor profile {profile}: {error.stderr.strip()}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"cannot load AppArmor profile {profile}: {error}") from None
