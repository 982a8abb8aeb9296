"""What the engine keeps of a container: the wish (configuration, intent), never the facts, which are the shim's.

A ContainerRecord is one row of the store. It is replaced whole; nothing in it changes behind anybody's back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ... import documents
from ...shapes import members, objects, strings
from .container import ContainerSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypedDict

    from . import bodies

    class RecordChanges(TypedDict, total=False):
        """Members of a `ContainerRecord` that change."""

        name: str
        spec: ContainerSpec
        mounts: tuple[MountPoint, ...]
        files: tuple[MemoryFile, ...]
        ids: int
        intent: Intent
        manual: bool
        pending: bool
        removing: bool
        error: str
        exit_code: int


Intent = Literal["created", "running", "stopped"]

PENDING = "io.pycompose.pending"
"""A label that the engine shows: whoever has started the container has not done all that belongs to it, or was cut off."""


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One mount that was asked for, resolved at creation.

    ``source`` is a host path (bind), "" for volumes (their driver knows) and tmpfs. ``mode`` is the option text as the
    client wrote it. ``options`` are further OCI mount options. ``no_copy``: a volume is not seeded from the image.
    """

    type: Literal["bind", "volume", "tmpfs", "image"]
    destination: str
    source: str = ""
    name: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    no_copy: bool = False
    subpath: str = ""
    non_recursive: bool = False
    read_only_recursive: str = ""  # "", "off" (only the top mount) or "force"
    create_source: bool = False
    anonymous: bool = False
    from_mounts: bool = False  # HostConfig.Mounts rather than Binds: the source must exist
    options: tuple[str, ...] = ()
    matched: bool = False  # the owner of the source is the container's user inside

    def to_docker(self, source: str) -> bodies.MountPoint:
        """The MountPoint of a container's inspect; ``source`` is where the data lies on the host."""
        mode, rw, propagation = self.mode, self.rw, self.propagation
        if self.type == "volume":
            return {
                "Type": self.type,
                "Name": self.name,
                "Source": source,
                "Destination": self.destination,
                "Driver": "local",
                "Mode": mode,
                "RW": rw,
                "Propagation": propagation,
            }
        return {
            "Type": self.type,
            "Source": source,
            "Destination": self.destination,
            "Mode": mode,
            "RW": rw,
            "Propagation": propagation,
        }


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """A file whose content is in memory only (memory.py) and never here."""

    target: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """``created`` is in ns since the epoch. ``spec`` is what was asked for; it is stored as its ``config``, ``host`` and
    ``networks``. ``layers`` are the image's chain IDs, bottom first, so that the container outlives its image's record.

    ``intent`` is what the user last asked for; ``manual`` that the last end was by request (restart: unless-stopped).
    """

    id: str
    name: str
    created: int
    image: str
    spec: ContainerSpec
    mounts: tuple[MountPoint, ...] = ()
    layers: tuple[str, ...] = ()
    files: tuple[MemoryFile, ...] = ()
    platform: str = "linux"
    ids: int = 0  # the first of the host's ids that are the container's own; 0: it is in the host's user namespace
    intent: Intent = "created"
    manual: bool = False
    pending: bool = False  # its client has not done what belongs to its start (hooks)
    removing: bool = False
    error: str = ""  # why the last start failed
    exit_code: int = 0  # of a start that failed; the exit of a process that ran is the shim's to know

    @property
    def labels(self) -> Mapping[str, str]:
        """Those that it was made with, and ``PENDING`` where that is so."""
        return {**self.spec.labels, PENDING: "true"} if self.pending else self.spec.labels

    def attributes(self) -> dict[str, str]:
        """The attributes of the container's events: its labels, image and name."""
        return {**self.spec.labels, "image": self.spec.image, "name": self.name}

    def body(self) -> dict[str, object]:
        """For the store, which makes text of it at once: what is inside is not copied."""
        mounts, files = map(documents.members, self.mounts), map(documents.members, self.files)
        body = {**documents.members(self), **documents.members(self.spec), "mounts": [*mounts], "files": [*files]}
        del body["spec"]
        return body

    @staticmethod
    def from_body(body: Mapping[str, object]) -> ContainerRecord:
        """Raises Incomplete."""
        return documents.build(
            ContainerRecord,
            body,
            spec=documents.build(ContainerSpec, body, networks=members(body.get("networks"))),
            mounts=tuple(
                documents.build(MountPoint, mount, options=strings(mount.get("options")))
                for mount in objects(body.get("mounts"))
            ),
            layers=strings(body.get("layers")),
            files=tuple(documents.build(MemoryFile, file) for file in objects(body.get("files"))),
        )
