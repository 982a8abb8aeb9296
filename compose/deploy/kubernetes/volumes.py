"""A service's volumes, tmpfs, secrets and configs as a pod's volumes and their mounts; named volumes as claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....grammar.jsontree import mapping
from ...contents import uses
from ...convert.values import byte_count, file_mode
from ...dataclass import dataclass, field
from ...labels import volume_name
from ..extensions import extension
from ..objects import Wanted
from .files import bind_object
from .names import checked_annotations, checked_name, dns_name, own_labels
from .text import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...errors import Path
    from ...model import Project
    from ...model.parts import FileReference
    from ...model.service import Mount, Service
    from ..findings import Findings
    from .bodies import pods
    from .bodies.meta import Metadata
    from .bodies.storage import Claim, ClaimSpec
    from .facts import Facts
    from .files import Source

SECTION = "x-kubernetes"
_WISHES = ("class", "mode", "size")
SIZE, MODE = "1Gi", "ReadWriteOnce"
MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_RESTRICTIONS = ("noexec", "nosuid", "nodev")
_PROPAGATION = {
    "rshared": "Bidirectional",
    "shared": "Bidirectional",
    "rslave": "HostToContainer",
    "slave": "HostToContainer",
}


@dataclass(slots=True)
class Mounted:
    """What a pod gets: volumes, mounts of its containers, and the objects that were made for bind mounts."""

    volumes: list[pods.Volume] = field(default_factory=list)
    mounts: list[pods.Mount] = field(default_factory=list)
    objects: list[Wanted] = field(default_factory=list)

    def add(self, mount: pods.Mount, source: pods.Source) -> None:
        """One volume a source: two mounts of the same claim share it."""
        known = next((one["name"] for one in self.volumes if {**one, "name": ""} == {"name": "", **source}), None)
        name = known or f"v{len(self.volumes)}"
        if known is None:
            volume: pods.Volume = {"name": name, **source}
            self.volumes.append(volume)
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
    wishes = mapping(extension(tree, SECTION))
    for word in wishes:
        if word not in _WISHES:
            findings.refuse((*path, SECTION, word), f"unknown key; {', '.join(_WISHES)} are known")
    mode = str(wishes.get("mode") or MODE)
    if mode not in MODES:
        findings.refuse((*path, SECTION, "mode"), f"must be one of {', '.join(MODES)}")
    metadata: Metadata = {
        "name": claim_name(project, key, findings),
        "namespace": facts.namespace,
        "labels": own_labels(project.name, facts.namespace),
    }
    if notes := checked_annotations(tree.get("labels"), (*path, "labels"), findings):
        metadata["annotations"] = notes
    spec: ClaimSpec = {
        "accessModes": [mode],
        "resources": {"requests": {"storage": str(wishes.get("size") or SIZE)}},
    }
    if wishes.get("class") is not None:
        spec["storageClassName"] = str(wishes["class"])
    body: Claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    return Wanted("PersistentVolumeClaim", metadata["name"], body, path)


def claim_name(project: Project, key: str, findings: Findings | None = None) -> str:
    """The name that the file gives, else the volume's key: the namespace is the project's already."""
    named = volume_name(project, key)
    if (project.volumes.get(key) or {}).get("external"):
        return named
    text = key if named == f"{project.name}_{key}" else named
    return checked_name(text, ("volumes", key), findings) if findings is not None else dns_name(text)


def has_own_data(project: Project, service: Service) -> bool:
    """Whether two pods at once would write to one claim that is meant for one writer."""
    for item in service.get("volumes") or ():
        source = item.get("source", "")
        if (item.get("type") or "volume") == "volume" and source in project.volumes and not item.get("read_only"):
            wishes = mapping(extension(project.volumes[source], SECTION))
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
            {"emptyDir": {"medium": "Memory", "sizeLimit": quantity(tree["shm_size"])}},
        )
    # Secrets first: the order of volumes is part of a pod.
    for use in sorted(uses(tree), key=lambda use: use.noun, reverse=True):
        where = "/{}" if use.noun == "configs" else "/run/secrets/{}"
        path = ("services", name, use.noun, use.position)
        _file(use.noun, use.reference, where, path, sources[use.noun], found, findings)
    return found


def _volume(project: Project, item: Mount, path: Path, facts: Facts, found: Mounted, findings: Findings) -> None:
    kind = item.get("type") or "volume"
    mount: pods.Mount = {"mountPath": item["target"]}
    if item.get("read_only"):
        mount["readOnly"] = True
    if kind == "volume":
        if subpath := (item.get("volume") or {}).get("subpath"):
            mount["subPath"] = subpath
        if item.get("source"):
            found.add(mount, {"persistentVolumeClaim": {"claimName": claim_name(project, item["source"])}})
        else:
            found.add(mount, {"emptyDir": {}})
    elif kind == "tmpfs":
        body: pods.EmptyDir = {"medium": "Memory"}
        if size := (item.get("tmpfs") or {}).get("size"):
            body["sizeLimit"] = quantity(size)
        found.add(mount, {"emptyDir": body})
    elif kind == "bind":
        _bind(project, item, path, facts, found, findings)
    else:
        findings.refuse(path, f"volumes of type {kind} are not mounted on Kubernetes")


def _bind(project: Project, item: Mount, path: Path, facts: Facts, found: Mounted, findings: Findings) -> None:
    mount: pods.Mount = {"mountPath": item["target"]}
    source = item["source"]
    options = item.get("bind") or {}
    if facts.allow_binds:
        if item.get("read_only"):
            mount["readOnly"] = True
        propagation = options.get("propagation") or ""
        if propagation in _PROPAGATION:
            mount["mountPropagation"] = _PROPAGATION[propagation]
        body: pods.HostPath = {"path": source}
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
    if options.get("propagation"):
        findings.ignore((*path, "bind", "propagation"), "what goes along as a ConfigMap has no mounts below it")
    made = bind_object(project, facts, path, source, findings)
    if made is None:
        return
    wanted, target = made
    found.objects.append(wanted)
    items: list[pods.KeyToPath] = [{"key": key, "path": name, "mode": mode} for key, name, mode in target.items]
    if target.key:
        mount["subPath"] = target.key
    found.add({**mount, "readOnly": True}, {"configMap": {"name": target.name, "items": items}})


def _tmpfs(text: str, path: Path, found: Mounted, findings: Findings) -> None:
    """``/path:size=64m``; who may use it is not a setting of an emptyDir, and other options are the mount call's."""
    target, _, words = text.partition(":")
    body: pods.EmptyDir = {"medium": "Memory"}
    mount: pods.Mount = {"mountPath": target}
    for word in filter(None, words.split(",")):
        key, _, value = word.partition("=")
        if key == "size":
            try:
                body["sizeLimit"] = quantity(byte_count(value))
            except ValueError:
                findings.refuse(path, f"invalid {key}: {value!r}")
        elif key == "ro":
            mount["readOnly"] = True
        elif key == "mode":
            findings.ignore(path, f"{word} has no effect: an emptyDir is open to all of its pod")
        elif word in _RESTRICTIONS:
            findings.ignore(path, f"{word} has no effect: an emptyDir is mounted as the node mounts all of them")
        elif word != "rw":
            findings.refuse(path, f"an emptyDir takes a size, not {word}")
    found.add(mount, {"emptyDir": body})


def _file(
    noun: str,
    use: FileReference,
    where: str,
    path: Path,
    sources: Mapping[str, Source],
    found: Mounted,
    findings: Findings,
) -> None:
    """A secret or config as one file. Its volume is mounted by sub-path, which never updates: a new content is a new object."""
    for key, owner in (("uid", use.get("uid")), ("gid", use.get("gid"))):
        if (owner or "0") != "0":
            findings.refuse((*path, key), "files of secrets and configs belong to root")
    source = sources[use["source"]]
    target = use.get("target") or where.format(use["source"])
    if not target.startswith("/"):
        target = where.format(target)
    item: pods.KeyToPath = {"key": source.key, "path": source.key, "mode": file_mode(use.get("mode"), 0o444)}
    body: pods.Source = (
        {"secret": {"secretName": source.name, "items": [item]}}
        if noun == "secrets"
        else {"configMap": {"name": source.name, "items": [item]}}
    )
    found.add({"mountPath": target, "subPath": source.key, "readOnly": True}, body)
