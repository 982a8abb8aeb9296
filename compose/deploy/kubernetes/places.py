"""Which key of the Compose file stands behind which part of a manifest: what a change is told with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...errors import Path

_CONTAINER = {
    "args": ("command",),
    "command": ("entrypoint",),
    "env": ("environment",),
    "image": ("image",),
    "lifecycle": ("pre_stop",),
    "ports": ("ports",),
    "readinessProbe": ("healthcheck",),
    "resources": ("deploy", "resources"),
    "securityContext": ("user",),
    "startupProbe": ("healthcheck",),
    "volumeMounts": ("volumes",),
    "workingDir": ("working_dir",),
}
_POD: dict[tuple[str, ...], tuple[str, ...]] = {
    ("spec", "affinity"): ("deploy", "placement"),
    ("spec", "dnsConfig"): ("dns",),
    ("spec", "hostAliases"): ("extra_hosts",),
    ("spec", "hostname"): ("hostname",),
    ("spec", "imagePullSecrets"): ("image",),
    ("spec", "initContainers"): ("pre_start",),
    ("spec", "terminationGracePeriodSeconds"): ("stop_grace_period",),
    ("spec", "volumes"): ("volumes",),
    ("metadata", "annotations"): ("labels",),
    ("metadata", "labels"): ("networks",),
    **{("spec", "containers", name): path for name, path in _CONTAINER.items()},
}
_WORKLOAD: dict[tuple[str, ...], tuple[str, ...]] = {
    ("metadata", "annotations"): ("deploy", "labels"),
    ("spec", "replicas"): ("deploy", "replicas"),
    ("spec", "strategy"): ("deploy", "update_config"),
    ("spec", "minReadySeconds"): ("deploy", "update_config", "monitor"),
    **{("spec", "template", *path): key for path, key in _POD.items()},
}

PLACES: Mapping[str, Mapping[Path, Path]] = {
    kind: {path: key for path, key in _WORKLOAD.items()} for kind in ("Deployment", "DaemonSet", "CronJob")
}
FIXED: Mapping[str, tuple[Path, ...]] = {
    "PersistentVolumeClaim": (("immutable",), ("spec", "accessModes"), ("spec", "storageClassName")),
    "Deployment": (("immutable",),),
    "DaemonSet": (("immutable",),),
    "Job": ((),),
}
