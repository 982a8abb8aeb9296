"""Users by name as numbers, from the images themselves: a cluster that takes numbers only is told what the image's passwd says."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..labels import image_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..client import Engine
    from ..model import Project

LARGEST = 1 << 20
"""Bytes of a passwd or group file that are looked at."""


def named_users(project: Project) -> list[str]:
    """The services whose user or group is a name other than root."""
    found = []
    for name, tree in project.services.items():
        words = [one for one in str(tree.get("user") or "").split(":") if one and one != "root"]
        if any(not one.isdecimal() for one in words):
            found.append(name)
    return found


def look_up_users(engine: Engine, project: Project, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """User and group by service, for those whose image is here. Nothing is started: the files are read out of a container that is made
    for it and removed."""
    found = {}
    for name in names:
        try:
            passwd, group = _files(engine, image_name(project, name))
        except EngineError:
            continue  # the image is not here: whoever needs the numbers says so with the place
        ids = resolve(str(project.services[name]["user"]), passwd, group)
        if ids is not None:
            found[name] = ids
    return found


def _files(engine: Engine, ref: str) -> tuple[str, str]:
    identity = str(engine.containers.create({"Image": ref, "Cmd": ["-"]})["Id"])
    try:
        return _file(engine, identity, "/etc/passwd"), _file(engine, identity, "/etc/group")
    finally:
        engine.containers.remove(identity, force=True, volumes=True)


def _file(engine: Engine, container: str, path: str) -> str:
    try:
        blocks = engine.containers.get_archive(container, path)[1]
        data = b"".join(blocks)
    except EngineError:
        return ""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isreg() else None
            return content.read(LARGEST).decode("utf-8", "replace") if content is not None else ""
    except tarfile.TarError:
        return ""


def resolve(user: str, passwd: str, group: str) -> tuple[int, int] | None:
    """``user[:group]`` by the lines of the two files; None for a name that is not there."""
    name, _, group_name = user.partition(":")
    uid, gid = (int(name), 0) if name.isdecimal() else (-1, 0)
    for fields in _rows(passwd, 4):
        if name in (fields[0], fields[2]):
            uid, gid = int(fields[2]), int(fields[3])
            break
    if group_name.isdecimal():
        gid = int(group_name)
    elif group_name:
        gid = next((int(fields[2]) for fields in _rows(group, 3) if fields[0] == group_name), -1)
    return (uid, gid) if uid >= 0 and gid >= 0 else None


def _rows(text: str, least: int) -> list[list[str]]:
    split = [line.split(":") for line in text.splitlines()]
    return [one for one in split if len(one) >= least and all(field.isdecimal() for field in one[2:least])]
