"""A service's volumes as Swarm's mounts, and the constraints that keep its tasks where their data is.

A volume of the local driver is on one node. Whoever uses it must run there, so each is pinned: a label on the node names the
volume, and the service asks for that label. A volume whose options say where its data is (``type: nfs``, a ``device``) is not pinned,
nor is an external one: where that is, only its owner knows, who says so by placement constraints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...convert.values import byte_count, file_mode
from ...dataclass import dataclass
from ...labels import volume_name
from ...model.values import Size
from ..jobs import mode
from .labels import STACK, pin
from .text import literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...client.bodies import swarm as bodies
    from ...errors import Path
    from ...model import Project
    from ...model.service import Mount, TmpfsOptions
    from ..findings import Findings
    from .facts import Facts


@dataclass(frozen=True, slots=True)
class Mounts:
    mounts: tuple[bodies.Mount, ...]
    constraints: tuple[str, ...]
    """One for each volume that is on one node only."""


def is_local(project: Project, key: str) -> bool:
    """Whether the volume's data is on the node where it was made."""
    tree = project.volumes.get(key) or {}
    return str(tree.get("driver") or "local") == "local" and not (tree.get("driver_opts") or tree.get("external"))


def pinned_volumes(project: Project, name: str) -> list[str]:
    """The names of the volumes that decide where service ``name`` runs. A global service has a volume on each node."""
    tree = project.services[name]
    if mode(tree).startswith("global"):
        return []
    keys = [str(item["source"]) for item in tree.get("volumes") or () if _is_named(project, item)]
    return sorted({volume_name(project, key) for key in keys if is_local(project, key)})


def _is_named(project: Project, item: Mount) -> bool:
    return (item.get("type") or "volume") == "volume" and item.get("source") in project.volumes


def plan_mounts(project: Project, name: str, facts: Facts, findings: Findings) -> Mounts:
    tree = project.services[name]
    found: list[bodies.Mount] = []
    for index, item in enumerate(tree.get("volumes") or ()):
        path = ("services", name, "volumes", index)
        kind = str(item.get("type") or "volume")
        if kind == "bind":
            found.append(_bind(item, path, facts, findings))
        elif kind == "volume":
            found.append(_volume(project, item))
        elif kind == "tmpfs":
            found.append(_tmpfs(str(item["target"]), item.get("tmpfs") or {}, bool(item.get("read_only"))))
        else:
            findings.refuse(path, f"Swarm mounts no volumes of type {kind}")
    for index, text in enumerate(tree.get("tmpfs") or ()):
        found.append(_tmpfs_text(text, ("services", name, "tmpfs", index), findings))
    if tree.get("shm_size"):
        found.append(_tmpfs("/dev/shm", {"size": tree["shm_size"], "mode": 0o1777}, False))
    _check_global(project, name, findings)
    return Mounts(
        tuple(found), tuple(f"node.labels.{pin(one)} == {project.name}" for one in pinned_volumes(project, name))
    )


def _check_global(project: Project, name: str, findings: Findings) -> None:
    """A global service has a volume on each node. Other global services share it there; one that is on some node cannot."""
    tree = project.services[name]
    if not mode(tree).startswith("global"):
        return
    for index, item in enumerate(tree.get("volumes") or ()):
        if not _is_named(project, item) or not is_local(project, str(item["source"])):
            continue
        others = [
            other
            for other, one in project.services.items()
            if not mode(one).startswith("global")
            and any(volume.get("source") == item["source"] for volume in one.get("volumes") or ())
        ]
        if others:
            words = f"volume {item['source']} is another on each node here, and {', '.join(others)} has but one of it"
            hint = "give the volume driver_opts that say where its data is, or run the service with mode: replicated"
            findings.refuse(("services", name, "volumes", index), words, hint)


def _common(kind: str, item: Mount) -> bodies.Mount:
    body: bodies.Mount = {"Type": kind, "Target": literal(item["target"])}
    if item.get("source"):
        body["Source"] = literal(item["source"])
    if item.get("read_only"):
        body["ReadOnly"] = True
    return body


def _bind(item: Mount, path: Path, facts: Facts, findings: Findings) -> bodies.Mount:
    if not facts.allow_binds:
        words = f"{item['source']} is a path of one machine, and a task may run on any node"
        findings.refuse(
            path, words, "use a config or a volume; where every node has the path, allow it with --allow-binds"
        )
    body = _common("bind", item)
    options = item.get("bind") or {}
    detail: bodies.BindOptions = {}
    if options.get("propagation"):
        detail["Propagation"] = options["propagation"]
    if options.get("create_host_path"):
        detail["CreateMountpoint"] = True
    recursive = options.get("recursive")
    if recursive == "disabled":
        detail["NonRecursive"] = True
    elif recursive == "writable":
        detail["ReadOnlyNonRecursive"] = True
    elif recursive == "readonly":
        detail["ReadOnlyForceRecursive"] = True
    if detail:
        body["BindOptions"] = detail
    return body


def _volume(project: Project, item: Mount) -> bodies.Mount:
    body = _common("volume", item)
    options = item.get("volume") or {}
    detail: bodies.VolumeOptions = {}
    source = item.get("source") or ""
    labels = _literal(options.get("labels"))
    if source in project.volumes:
        tree = project.volumes[source] or {}
        body["Source"] = literal(volume_name(project, source))
        if not tree.get("external"):
            labels = {**_literal(tree.get("labels")), **labels, STACK: project.name}
            driver_options = _literal(tree.get("driver_opts"))
            if tree.get("driver") or driver_options:
                detail["DriverConfig"] = {"Name": tree.get("driver") or "local", "Options": driver_options}
    if labels:
        detail["Labels"] = labels
    if options.get("nocopy"):
        detail["NoCopy"] = True
    if options.get("subpath"):
        detail["Subpath"] = options["subpath"]
    if detail:
        body["VolumeOptions"] = detail
    return body


def _literal(values: Mapping[str, str] | None) -> dict[str, str]:
    return {key: literal(value) for key, value in (values or {}).items()}


def _tmpfs(target: str, options: TmpfsOptions, read_only: bool) -> bodies.Mount:
    body: bodies.Mount = {"Type": "tmpfs", "Target": literal(target)}
    if read_only:
        body["ReadOnly"] = True
    detail: bodies.TmpfsOptions = {}
    if options.get("size"):
        detail["SizeBytes"] = int(options["size"])
    if options.get("mode") is not None:
        detail["Mode"] = options["mode"]
    if detail:
        body["TmpfsOptions"] = detail
    return body


def _tmpfs_text(text: str, path: Path, findings: Findings) -> bodies.Mount:
    """``/path:size=64m,mode=1777``; other options are the mount call's, and Swarm has no place for them."""
    target, _, words = text.partition(":")
    options: TmpfsOptions = {}
    read_only = False
    for word in filter(None, words.split(",")):
        key, _, value = word.partition("=")
        if key in ("size", "mode"):
            try:
                if key == "size":
                    options["size"] = Size(byte_count(value))
                else:
                    options["mode"] = file_mode(value, 0)
            except ValueError:
                findings.refuse(path, f"invalid {key}: {value!r}")
        elif key in ("ro", "rw"):
            read_only = key == "ro"
        elif key not in ("noexec", "nosuid", "nodev"):  # every tmpfs of a task has these
            findings.refuse(path, f"Swarm's tmpfs mounts take size, mode and ro, not {word}")
    return _tmpfs(target, options, read_only)
