"""Which key of the Compose file stands behind which part of a spec: what a change is told with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...errors import Path

_CONTAINER = {
    "Args": ("command",),
    "CapabilityAdd": ("cap_add",),
    "CapabilityDrop": ("cap_drop",),
    "Command": ("entrypoint",),
    "Configs": ("configs",),
    "DNSConfig": ("dns",),
    "Dir": ("working_dir",),
    "Env": ("environment",),
    "Groups": ("group_add",),
    "Healthcheck": ("healthcheck",),
    "Hostname": ("hostname",),
    "Hosts": ("extra_hosts",),
    "Image": ("image",),
    "Init": ("init",),
    "Labels": ("labels",),
    "Mounts": ("volumes",),
    "OpenStdin": ("stdin_open",),
    "Privileges": ("security_opt",),
    "ReadOnly": ("read_only",),
    "Secrets": ("secrets",),
    "StopGracePeriod": ("stop_grace_period",),
    "StopSignal": ("stop_signal",),
    "Sysctls": ("sysctls",),
    "TTY": ("tty",),
    "Ulimits": ("ulimits",),
    "User": ("user",),
}
_SERVICE: dict[tuple[str, ...], tuple[str, ...]] = {
    ("EndpointSpec",): ("ports",),
    ("EndpointSpec", "Mode"): ("deploy", "endpoint_mode"),
    ("Labels",): ("deploy", "labels"),
    ("Mode",): ("deploy", "mode"),
    ("Mode", "Replicated"): ("deploy", "replicas"),
    ("RollbackConfig",): ("deploy", "rollback_config"),
    ("TaskTemplate", "LogDriver"): ("logging",),
    ("TaskTemplate", "Networks"): ("networks",),
    ("TaskTemplate", "Placement"): ("deploy", "placement"),
    ("TaskTemplate", "Resources"): ("deploy", "resources"),
    ("TaskTemplate", "RestartPolicy"): ("deploy", "restart_policy"),
    ("UpdateConfig",): ("deploy", "update_config"),
    **{("TaskTemplate", "ContainerSpec", name): path for name, path in _CONTAINER.items()},
}

PLACES: Mapping[str, Mapping[Path, Path]] = {"service": {path: key for path, key in _SERVICE.items()}}
FIXED: Mapping[str, tuple[Path, ...]] = {
    "network": ((),),
    "service": (
        ("Mode", "Global"),
        ("Mode", "GlobalJob"),
        ("Mode", "ReplicatedJob", "MaxConcurrent", "never"),
    ),
}
