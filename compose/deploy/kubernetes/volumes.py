"""A service's volumes, tmpfs, secrets and configs as a pod's volumes and their mounts; named volumes as claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...contents import uses
from ...convert.values import byte_count, file_mode, pairs
from ...dataclass import dataclass, field
from ...labels import volume_name
from ..extensions import extension
from ..objects import Wanted
from .files import bind_object
from .names import checked_name, dns_name, own_labels
from .text import plain, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...errors import Path
    from ...model import Project
    from ..findings import Findings
    from .facts import Facts
    from .files import Source

SECTION = "x-kubernetes"
_WISHES = ("class", "mode", "size")
SIZE, MODE = "1Gi", "ReadWriteOnce"
MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_PROPAGATION = {
    "rshared": "Bidirectional",
    "shared": "Bidirectional",
    "rslave": "HostToContainer",
    "slave": "HostToContainer",
}


@dataclass(slots=True)
class Mounted:
    """What a pod gets: volumes, mounts of its containers, and the objects that were made for bind mounts."""

    volumes: list[dict[str, Any]] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)
    objects: list[Wanted] = field(default_factory=list)

    def add(self, mount: Mapping[str, Any], source: Mapping[str, Any]) -> None:
        """One volume a source: two mounts of the same claim share it."""
        known = next((one["name"] for one in self.volumes if {**one, "name": ""} == {"name": "", **source}), None)
        name = known or f"v{len(self.volumes)}"
        if known is None:
            self.volumes.append({"name": name, **source})
        self.mounts.append({"name": name, **mount})


def claim(project: Project, facts: Facts, key: str, findings: Findings) -> Wanted | None:
    """The claim for a volume of the project; None for an external one, whose claim is there."""
    tree = project.volumes.get(key) or {}
    path = ("volumes", key)
    if tree.get("external"):
        return None
    if str(tree.get("driver") or "local") != "local":
        findings.refuse(
            (*path, "driver"), "volume drivers are Docker's", f"say a storage class: {SECTION}: {{class: NAME}}"
        )
    wishes = extension(tree, SECTION) or {}
    for word in wishes if isinstance(wishes, dict) else ():
        if word not in _WISHES:
            findings.refuse((*path, SECTION, word), f"unknown key; {', '.join(_WISHES)} are known")
    mode = str(wishes.get("mode") or MODE)
    if mode not in MODES:
        findings.refuse((*path, SECTION, "mode"), f"must be one of {', '.join(MODES)}")
    metadata: dict[str, Any] = {
        "name": claim_name(project, key, findings),
        "namespace": facts.namespace,
        "labels": own_labels(project.name, facts.namespace),
    }
    annotations = {name: plain(value) for name, value in pairs(tree.get("labels")).items()}
    if annotations:
        metadata["annotations"] = annotations
    spec: dict[str, Any] = {
        "accessModes": [mode],
        "resources": {"requests": {"storage": str(wishes.get("size") or SIZE)}},
    }
    if wishes.get("class") is not None:
        spec["storageClassName"] = str(wishes["class"])
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    return Wanted("PersistentVolumeClaim", metadata["name"], body, path)


def claim_name(project: Project, key: str, findings: Findings | None = None) -> str:
    """The name that the file gives, else the volume's key: the namespace is the project's already."""
    named = volume_name(project, key)
    if (project.volumes.get(key) or {}).get("external"):
        return named
    text = key if named == f"{project.name}_{key}" else named
    return checked_name(text, ("volumes", key), findings) if findings is not None else dns_name(text)


def has_own_data(project: Project, service: Mapping[str, Any]) -> bool:
    """Whether two pods at once would write to one claim that is meant for one writer."""
    for item in service.get("volumes") or ():
        source = item.get("source")
        if (item.get("type") or "volume") == "volume" and source in project.volumes and not item.get("read_only"):
            wishes = extension(project.volumes[source], SECTION) or {}
            if "Many" not in str(wishes.get("mode") or MODE):
                return True
    return False


def mounted(
    project: Project,
    name: str,
    facts: Facts,
    sources: Mapping[str, Mapping[str, Source]],
    findings: Findings,
) -> Mounted:
    tree = project.services[name]
    found = Mounted()
    for index, item in enumerate(tree.get("volumes") or ()):
        _volume(project, item, ("services", name, "volumes", index), facts, found, findings)
    for index, text in enumerate(tree.get("tmpfs") or ()):
        _tmpfs(text, ("services", name, "tmpfs", index), found, findings)
    if tree.get("shm_size"):
        found.add(
            {"mountPath": "/dev/shm"},
            {"emptyDir": {"medium": "Memory", "sizeLimit": quantity(byte_count(tree["shm_size"]))}},
        )
    # Secrets first: the order of volumes is part of a pod.
    for use in sorted(uses(tree), key=lambda use: use.noun, reverse=True):
        where = "/{}" if use.noun == "configs" else "/run/secrets/{}"
        path = ("services", name, use.noun, use.position)
        _file(use.noun, use.reference, where, path, sources[use.noun], found, findings)
    return found


def _volume(
    project: Project, item: Mapping[str, Any], path: Path, facts: Facts, found: Mounted, findings: Findings
) -> None:
    kind = str(item.get("type") or "volume")
    mount: dict[str, Any] = {"mountPath": str(item["target"])}
    if item.get("read_only"):
        mount["readOnly"] = True
    options = item.get(kind) or {}
    if kind == "volume":
        if options.get("subpath"):
            mount["subPath"] = str(options["subpath"])
        if item.get("source"):
            found.add(mount, {"persistentVolumeClaim": {"claimName": claim_name(project, str(item["source"]))}})
        else:
            found.add(mount, {"emptyDir": {}})
    elif kind == "tmpfs":
        body = {"medium": "Memory"}
        if options.get("size"):
            body["sizeLimit"] = quantity(byte_count(options["size"]))
        found.add(mount, {"emptyDir": body})
    elif kind == "bind":
        _bind(project, item, path, facts, found, findings)
    else:
        findings.refuse(path, f"volumes of type {kind} are not mounted on Kubernetes")


def _bind(
    project: Project, item: Mapping[str, Any], path: Path, facts: Facts, found: Mounted, findings: Findings
) -> None:
    mount: dict[str, Any] = {"mountPath": str(item["target"])}
    source = str(item["source"])
    options = item.get("bind") or {}
    if facts.allow_binds:
        if item.get("read_only"):
            mount["readOnly"] = True
        if options.get("propagation") in _PROPAGATION:
            mount["mountPropagation"] = _PROPAGATION[options["propagation"]]
        body = {"path": source}
        if options.get("create_host_path"):
            body["type"] = "DirectoryOrCreate"
        found.add(mount, {"hostPath": body})
        return
    if not item.get("read_only"):
        words = f"{source} is a path of one machine, and a pod may run on any node"
        findings.refuse(
            path,
            words,
            "what is small and read_only goes along as a ConfigMap; --allow-binds where every node has the path",
        )
        return
    made = bind_object(project, facts, path, source, findings)
    if made is None:
        return
    wanted, target = made
    found.objects.append(wanted)
    items = [{"key": key, "path": name, "mode": mode} for key, name, mode in target.items]
    if target.key:
        mount["subPath"] = target.key
    found.add({**mount, "readOnly": True}, {"configMap": {"name": target.name, "items": items}})


def _tmpfs(text: str, path: Path, found: Mounted, findings: Findings) -> None:
    """``/path:size=64m``; who may use it is not a setting of an emptyDir, and other options are the mount call's."""
    target, _, words = text.partition(":")
    body: dict[str, Any] = {"medium": "Memory"}
    mount: dict[str, Any] = {"mountPath": target}
    for word in filter(None, words.split(",")):
        key, _, value = word.partition("=")
        if key == "size":
            body["sizeLimit"] = quantity(byte_count(value))
        elif key == "ro":
            mount["readOnly"] = True
        elif key == "mode":
            findings.ignore(path, f"{word} has no effect: an emptyDir is open to all of its pod")
        elif key not in ("rw", "noexec", "nosuid", "nodev"):
            findings.refuse(path, f"an emptyDir takes a size, not {word}")
    found.add(mount, {"emptyDir": body})


def _file(
    noun: str,
    use: Mapping[str, Any],
    where: str,
    path: Path,
    sources: Mapping[str, Source],
    found: Mounted,
    findings: Findings,
) -> None:
    """A secret or config as one file. Its volume is mounted by sub-path, which never updates: a new content is a new object."""
    for key in ("uid", "gid"):
        if str(use.get(key) or "0") != "0":
            findings.refuse((*path, key), "files of secrets and configs belong to root")
    source = sources[str(use["source"])]
    target = str(use.get("target") or where.format(use["source"]))
    if not target.startswith("/"):
        target = where.format(target)
    item = {"key": source.key, "path": source.key, "mode": file_mode(use.get("mode"), 0o444)}
    body = (
        {"secret": {"secretName": source.name, "items": [item]}}
        if noun == "secrets"
        else {"configMap": {"name": source.name, "items": [item]}}
    )
    found.add({"mountPath": target, "subPath": source.key, "readOnly": True}, body)
