"""The default AppArmor profile of containers, and loading it where the kernel has AppArmor (apparmor.d(5)).

It is the second wall behind capabilities, seccomp and masks: a container may do what it likes with its own files, network and
processes; it mounts nothing, and writes to no file of /proc and /sys that is the whole machine's.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

from ...errors import EngineError
from ...linux import lsm
from .confinement import DEFAULT_PROFILE, Modules

_PARSER = "apparmor_parser"
_PATIENCE = 60.0
_CONTEXTS = "contexts/lxc_contexts"

PROFILE = f"""#include <tunables/global>

profile {DEFAULT_PROFILE} flags=(attach_disconnected,mediate_deleted) {{
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

  # Of /proc only the directories of processes are the container's own.
  deny @{{PROC}}/* w,
  deny @{{PROC}}/{{acpi,bus,fs,irq,scsi}}/** wklx,
  deny @{{PROC}}/{{kcore,kmem,mem,sysrq-trigger,timer_stats}} rwklx,
  # Parameters of the kernel that no namespace keeps apart.
  deny @{{PROC}}/sys/{{abi,debug,dev,sunrpc,user,vm}}/** wklx,
  deny @{{PROC}}/sys/fs/[^m]** wklx,
  deny @{{PROC}}/sys/kernel/[^ms]** wklx,

  # Of /sys only control groups, and those are mounted read-only.
  deny /sys/{{block,bus,class,dev,devices,hypervisor,module,power}}/** wklx,
  deny /sys/fs/[^c]** wklx,
  deny /sys/kernel/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}}
"""


def modules(root: str = "/") -> Modules:
    """What the host enforces. ``root`` is where /sys and /etc are looked for."""
    return Modules(lsm.apparmor_is_active(root), lsm.selinux_is_active(root), bool(which(_PARSER)), _contexts(root))


def _contexts(root: str) -> str:
    try:
        settings = (Path(root) / "etc/selinux/config").read_text().splitlines()
        policy = next(line.partition("=")[2].strip() for line in settings if line.startswith("SELINUXTYPE="))
        return (Path(root) / "etc/selinux" / policy / _CONTEXTS).read_text()
    except (OSError, StopIteration):
        return ""


def ensure_loaded(profile: str, root: str = "/") -> None:
    """Load the default profile where it is missing. Raises EngineError when a profile is not to be had."""
    if profile in lsm.apparmor_profiles(root):
        return
    if profile != DEFAULT_PROFILE:
        raise EngineError(f"AppArmor profile {profile} is not loaded")
    try:
        command = [which(_PARSER) or _PARSER, "--skip-cache", "--replace"]
        subprocess.run(command, input=PROFILE, text=True, capture_output=True, check=True, timeout=_PATIENCE)
    except subprocess.CalledProcessError as error:
        raise EngineError(f"cannot load AppArmor profile {profile}: {error.stderr.strip()}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"cannot load AppArmor profile {profile}: {error}") from None
