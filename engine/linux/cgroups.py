"""The control group of a name, by the layout that this machine has."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from .cgroup import Hierarchies
from .cgroup_v1 import CgroupV1
from .cgroup_v2 import CgroupV2

if TYPE_CHECKING:
    from .cgroup import Cgroup


def for_container(
    instance: str, container_id: str, parent: str | None = None, hierarchies: Hierarchies | None = None
) -> Cgroup:
    """The group of a container; nothing is created yet. ``parent`` (``cgroup_parent``) replaces the instance's
    directory. Raises ValueError when ``parent`` leaves the hierarchy."""
    base = parent.strip("/") if parent else f"pycompose-{instance}"
    if not base or any(part in ("", ".", "..") for part in base.split("/")) or "\0" in base:
        raise ValueError(f"invalid cgroup parent {parent!r}")
    return at(f"/{base}/{container_id}", hierarchies)


def at(path: str, hierarchies: Hierarchies | None = None) -> Cgroup:
    """The group with this name, in the layout this machine has."""
    found = hierarchies or Hierarchies.discover()
    return (CgroupV2 if found.pure_v2 else CgroupV1)(found, path)


def remove_instance(instance: str, hierarchies: Hierarchies | None = None) -> None:
    """Remove the empty directories of an instance; where containers are left they stay."""
    group = at(f"/pycompose-{instance}", hierarchies)
    for directory in group.directories:
        try:
            os.rmdir(directory)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
                raise
