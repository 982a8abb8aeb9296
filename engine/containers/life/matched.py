"""Bind mounts whose owner is to be the container's user (x-idmap), for who looks into a container that does not run.

What runs has made the map itself (runtime/mapped.py); a stopped container is seen as it is on disk, where its ids begin at 0.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import Conflict
from ...linux import idmap, mount, userns
from ...linux.libc import KernelError

if TYPE_CHECKING:
    from ...runtime.users import Identity


def show(tree: int, path: str, identity: Identity, *, own_ids: bool) -> None:
    """Show a detached bind mount of ``path`` through its map. ``own_ids``: the container has a user namespace of its own, where
    everybody but the owner is nobody. Raises Conflict where it cannot be."""
    status = os.fstat(tree)
    owner, wanted = (status.st_uid, status.st_gid), (identity.uid, identity.gid)
    if not userns.is_initial() or (owner == wanted and not own_ids):
        return  # without root there is nothing to be changed, or the start is refused
    try:
        maps = [_map(*pair, own_ids=own_ids) for pair in zip(owner, wanted, strict=True)]
        user = idmap.make_from_threads(*maps)
    except (ValueError, OSError) as error:
        raise _refused(path, str(error)) from None
    try:
        idmap.apply(tree, user, recursive=True)
    except KernelError:
        raise _refused(path, f"its file system ({mount.filesystem_name(tree)}) cannot show other owners") from None
    finally:
        os.close(user)


def _map(owner: int, wanted: int, *, own_ids: bool) -> tuple[userns.Range, ...]:
    if not own_ids:
        return idmap.matching(owner, wanted)
    if owner == 0:
        raise ValueError("it belongs to root, whose files are nobody's to write through a map")
    return (userns.Range(owner, wanted, 1),)


def _refused(path: str, detail: str) -> Conflict:
    return Conflict(f"map the owners of {path}: {detail}")
