"""What can be found wrong before anything is made: contradictions between services, and host paths. Pure but for `binds`."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

from ...grammar.numerals import natural
from ..convert.healthcheck import probe_of
from ..errors import Diagnostic
from ..labels import image_name
from .graph import HEALTHY, dependencies
from .reconcile.containers import desired_count
from .remedies import relative

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..errors import Path
    from ..model import Project
    from ..model.service import HealthCheck, Mount, Port, Service
    from .observe import Snapshot

_ANY = ("", "0.0.0.0", "::")
_DRIVE = re.compile(r"[A-Za-z]:(?!\\)")


def contradictions(
    project: Project, names: Sequence[str], scale: Mapping[str, int], snapshot: Snapshot, *, images_change: bool
) -> list[Diagnostic]:
    """What the services ``names`` ask for and can never have. With ``images_change`` their images may become others."""
    found = [*_ports(project, names, scale), *_drives(project, names), *restart_faults(project, names)]
    if not images_change:
        found += _unhealthy_for_ever(project, names, snapshot)
    return found


class WantedPort(NamedTuple):
    """A fixed host port that a service publishes; ``address`` is empty for every address."""

    protocol: str
    address: str
    port: int
    service: str
    path: Path

    def meets(self, address: str) -> bool:
        """Whether a socket on ``address`` keeps this one from being bound."""
        return _meet(self.address, address)


def fixed_ports(project: Project, names: Iterable[str]) -> Iterator[WantedPort]:
    for name in names:
        for index, port in enumerate(project.services[name].get("ports") or ()):
            published = str(port.get("published") or "")
            if natural(published):
                protocol = str(port.get("protocol") or "tcp")
                yield WantedPort(protocol, _address(port), int(published), name, ("services", name, "ports", index))


def _ports(project: Project, names: Sequence[str], scale: Mapping[str, int]) -> Iterator[Diagnostic]:
    """A fixed host port that two containers would share."""
    held: list[WantedPort] = []
    for wanted in fixed_ports(project, names):
        count = desired_count(project.services[wanted.service], scale.get(wanted.service))
        if count < 1:
            continue
        alike = (one for one in held if (one.protocol, one.port) == (wanted.protocol, wanted.port))
        other = next((one for one in alike if one.meets(wanted.address)), None)
        mark = project.mark(*wanted.path)
        if count > 1:
            message = f"port {wanted.port} cannot be published by {count} containers; publish a range, or no fixed port"
            yield Diagnostic(message, wanted.path, mark)
        elif other is not None and other.service != wanted.service:
            place = project.mark(*other.path)
            message = f"port {wanted.port} is also published by service {other.service}{f' ({place})' if place else ''}"
            yield Diagnostic(message, wanted.path, mark)
        held.append(wanted)


def _address(port: Port) -> str:
    return str(port.get("host_ip") or "")


def _meet(left: str, right: str) -> bool:
    if left in _ANY and right in _ANY:
        return left == right or "" in (left, right)
    if left in _ANY or right in _ANY:
        wide, narrow = (left, right) if left in _ANY else (right, left)
        return wide == "" or (":" in wide) == (":" in narrow)
    return left == right


def _drives(project: Project, names: Iterable[str]) -> Iterator[Diagnostic]:
    for name in names:
        for index, item in enumerate(project.services[name].get("volumes") or ()):
            target = str(item.get("target") or "")
            if item.get("type") == "volume" and not item.get("source") and _DRIVE.match(target):
                path: Path = ("services", name, "volumes", index)
                message = f"{target!r} names no volume: one letter before a colon is read as a Windows drive"
                yield Diagnostic(message, path, project.mark(*path), "give the volume a longer name")


def restart_faults(project: Project, names: Iterable[str]) -> Iterator[Diagnostic]:
    """Restart policies that cannot be read. Which names there are, the engine decides."""
    for name in names:
        path: Path = ("services", name, "restart")
        service = project.services[name]
        if "restart" not in service:
            continue
        try:
            service["restart"].policy  # noqa: B018  (read once, and kept)
        except ValueError as error:
            yield Diagnostic(str(error), path, project.mark(*path))


def _unhealthy_for_ever(project: Project, names: Sequence[str], snapshot: Snapshot) -> Iterator[Diagnostic]:
    """``condition: service_healthy`` on a service without a check, in the file or in its image."""
    for name in names:
        for other, dependency in dependencies(project.services[name]).items():
            tree = project.services.get(other)
            if tree is None or other not in names or dependency.condition != HEALTHY or not dependency.required:
                continue
            image = None if tree.get("provider") else snapshot.images.get(image_name(project, other))
            if image is None or _is_checked(tree.get("healthcheck") or {}, by_image=image.has_check):
                continue
            path: Path = ("services", name, "depends_on", other)
            message = f"service {name} waits for {other} to be healthy, which has no health check"
            hint = f"give {other} a healthcheck, or wait for service_started"
            yield Diagnostic(message, path, project.mark(*path), hint)


def _is_checked(check: HealthCheck, *, by_image: bool) -> bool:
    test = check.get("test")
    if check.get("disable") or (test and test[0] == "NONE"):
        return False
    return bool(test) or probe_of(check) is not None or by_image


class Ids(NamedTuple):
    """Who a container's users are on this machine, by the engine: one of root's (``owner`` 0) has the same numbers; one of a user's
    has that user for root and nobody of this machine for others, and with ``one_id`` that user for everybody."""

    owner: int = 0
    one_id: bool = False


_SAME_NUMBERS = Ids()


def binds(project: Project, names: Iterable[str], ids: Ids = _SAME_NUMBERS) -> list[Diagnostic]:
    """What will surprise about bind mounts of this machine's paths: a source that is not there and becomes an empty
    directory, and one that the service's user cannot write to."""
    found: list[Diagnostic] = []
    for name in names:
        service = project.services[name]
        for index, item in enumerate(service.get("volumes") or ()):
            if item.get("type") != "bind" or not str(item.get("source") or "").startswith("/"):
                continue
            path: Path = ("services", name, "volumes", index)
            words = _missing(project, item) or _not_writable(project, service, item, ids)
            if words:
                found.append(Diagnostic(words, mark=project.mark(*path)))
    return found


def _missing(project: Project, item: Mount) -> str:
    source = str(item["source"])
    if os.path.lexists(source) or not (item.get("bind") or {}).get("create_host_path"):
        return ""
    return f"{relative(source, project)} did not exist and is created as an empty directory"


def _not_writable(project: Project, service: Service, item: Mount, ids: Ids) -> str:
    user, _, group = str(service.get("user") or "").partition(":")
    matched = (item.get("bind") or {}).get("x-idmap")
    if not natural(user) or item.get("read_only") or service.get("userns_mode") or matched:
        return ""
    try:
        status = os.stat(str(item["source"]))
    except OSError:
        return ""
    if not stat.S_ISDIR(status.st_mode):
        return ""
    groups = {int(one) for one in (group, *map(str, service.get("group_add") or ())) if natural(one) is not None} or {0}
    if _may_write_by_number(status, int(user), groups) if not ids.owner else _may_write_without_root(status, ids):
        return ""
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    shown = relative(str(item["source"]), project)
    words = f"user {user} cannot write {shown} ({_owner(status.st_uid)}, {mode})"
    if ids.owner:
        return f"{words}; root of the container is {_owner(ids.owner)}" if status.st_uid == ids.owner else words
    return (
        f"{words}; bind: {{x-idmap: match-user}} makes it theirs inside" if status.st_uid and status.st_gid else words
    )


def _may_write_without_root(status: os.stat_result, ids: Ids) -> bool:
    """Whether a user other than root may: with one id who has started the engine, with more nobody that the source knows."""
    if ids.one_id and status.st_uid == ids.owner:
        return bool(status.st_mode & stat.S_IWUSR)
    return bool(status.st_mode & stat.S_IWOTH)


def _may_write_by_number(status: os.stat_result, user: int, groups: set[int]) -> bool:
    if status.st_uid == user:
        return bool(status.st_mode & stat.S_IWUSR)
    return bool(status.st_mode & (stat.S_IWGRP if status.st_gid in groups else stat.S_IWOTH))


def _owner(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
