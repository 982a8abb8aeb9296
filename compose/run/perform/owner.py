"""Who owns what is put into a container: its user, by the container's own /etc/passwd and /etc/group."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from ....grammar.numerals import natural
from ...client import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...client import Engine

_LARGEST = 1 << 20


def container_owner(engine: Engine, identity: str) -> tuple[int, int]:
    """(uid, gid) of the user that the container runs as."""
    user = str(engine.containers.inspect(identity)["Config"].get("User") or "")
    return resolve(user, lambda path: read_file(engine, identity, path))


def resolve(user: str, read: Callable[[str], str]) -> tuple[int, int]:
    """``user`` is ``name|uid[:name|gid]`` (OCI image specification, config.User). A number needs no entry; a name without one
    is told of by the engine when the container starts, and counts as root here."""
    name, _, group = user.partition(":")
    if name in ("", "0") and not group:
        return 0, 0
    entries = [line.split(":") for line in read("/etc/passwd").splitlines()]
    mine = next((one for one in entries if len(one) > 3 and name in (one[0], one[2])), None)
    uid = _number(name) if mine is None else _number(mine[2])
    if not group:
        return uid, 0 if mine is None else _number(mine[3])
    if (gid := natural(group)) is not None:
        return uid, gid
    groups = [line.split(":") for line in read("/etc/group").splitlines()]
    return uid, next((_number(one[2]) for one in groups if len(one) > 2 and one[0] == group), 0)


def _number(text: str) -> int:
    return natural(text) or 0


def read_file(engine: Engine, identity: str, path: str) -> str:
    """A small text file of the container; nothing when it has none."""
    try:
        _, blocks = engine.containers.get_archive(identity, path)
    except NotFound:
        return ""
    archive = io.BytesIO()
    for block in blocks:
        archive.write(block)
        if archive.tell() > _LARGEST:
            return ""
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        file = next((one for one in tar if one.isreg()), None)
        content = tar.extractfile(file) if file is not None else None
        return content.read().decode("utf-8", "replace") if content is not None else ""
