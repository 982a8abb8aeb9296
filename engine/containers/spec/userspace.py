"""Whose user namespace a container runs in, and which of the host's ids are its own. Pure.

userns_mode        with namespaces of its own        joins another container's (network, ipc, pid)
host               the host's                        the host's
auto, private      one of its own: 65536 ids         the other's, which must have one
not given          as engine.yaml says (userns)      the other's, or the host's
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ...errors import Conflict, EngineError, InvalidParameter
from ...linux import idmap

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ...linux import oci

MODES = ("", "host", "private", "auto")
OWN = -1


@dataclass(frozen=True, slots=True)
class Ids:
    """``mode`` of containers that name none (host or auto); ``ranges`` ranges of 65536 ids from ``first`` on are theirs.

    The standard ones lie between what systemd gives to its own containers and what it keeps for foreign disks; nobody's
    /etc/subuid reaches so far.
    """

    mode: str = "host"
    first: int = 0x70000000
    ranges: int = 4094


class Donor(NamedTuple):
    """Another container that a namespace is shared with; ``base`` is where its ids begin, 0 for the host's."""

    name: str
    base: int


class Wanted(NamedTuple):
    """What a HostConfig says about it. ``joined`` maps the kinds of namespaces that are another container's to its name or id."""

    mode: str
    privileged: bool
    host_network: bool
    host_pids: bool
    runtime: str
    joined: Mapping[str, str]

    @staticmethod
    def of(host: Mapping[str, object]) -> Wanted:
        kinds = {"network": "NetworkMode", "ipc": "IpcMode", "pid": "PidMode"}
        modes = {kind: str(host[member]) for kind, member in kinds.items()}
        return Wanted(
            str(host["UsernsMode"]),
            bool(host["Privileged"]),
            modes["network"] == "host",
            modes["pid"] == "host",
            str(host["Runtime"]),
            {kind: mode.partition(":")[2] for kind, mode in modes.items() if mode.startswith("container:")},
        )


def refuse(wanted: Wanted, runtime_is_own: bool, root: bool) -> None:
    """Refuse what cannot be with ``UsernsMode`` auto or private, in Docker's words where it has any. Raises InvalidParameter."""
    if wanted.mode not in MODES:
        raise InvalidParameter(f"invalid user namespace mode: {wanted.mode}")
    if wanted.mode in ("", "host"):
        return
    if wanted.privileged:
        raise InvalidParameter(
            "privileged mode is incompatible with user namespaces. You must run the container in the host namespace when"
            " running privileged mode"
        )
    if wanted.host_network:
        raise InvalidParameter("cannot share the host's network namespace when user namespaces are enabled")
    if wanted.host_pids:
        raise InvalidParameter("cannot share the host PID namespace when user namespaces are enabled")
    if not runtime_is_own:
        raise InvalidParameter(
            f"user namespace mode {wanted.mode}: the engine's own runtime offers it, {wanted.runtime} does not"
        )
    if not root:
        raise InvalidParameter(
            f"user namespace mode {wanted.mode}: an engine that runs without root is in one user namespace with all its"
            " containers; an engine that runs as root offers it"
        )


def base(mode: str, donors: Sequence[Donor]) -> int:
    """Where the ids begin: 0 for the host's user namespace, OWN for a range yet to be found. Raises Conflict."""
    if mode == "host":
        return 0
    if not donors:
        return OWN if mode else 0
    first = donors[0]
    for other in donors[1:]:
        if other.base != first.base:
            raise Conflict(
                f"{first.name} and {other.name}, whose namespaces are to be shared, are in different user namespaces"
            )
    if mode and not first.base:
        raise Conflict(
            f"cannot share namespaces of {first.name}, which is in the host's user namespace, with user namespace mode {mode}:"
            " give both the same"
        )
    return first.base


def unused(ids: Ids, used: Collection[int], begin: int) -> Iterator[int]:
    """Where the ranges begin that none of this engine's containers has, from the ``begin``-th on."""
    taken = set(used)
    for step in range(ids.ranges):
        found = ids.first + (begin + step) % ids.ranges * idmap.IDS
        if found not in taken:
            yield found


def nothing_left(ids: Ids) -> EngineError:
    return EngineError(
        f"no range of ids is left for a user namespace: {ids.ranges} containers have one (userns: ranges in engine.yaml)"
    )


def mappings(base: int) -> oci.Linux:
    """The members of the OCI configuration's ``linux`` that say so."""
    one: oci.IdMapping = {"containerID": 0, "hostID": base, "size": idmap.IDS}
    return {"uidMappings": [one], "gidMappings": [one]}
