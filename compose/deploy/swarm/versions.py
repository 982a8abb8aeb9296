"""What older managers would drop in silence, since they do not know the field: told before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .convert import spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...client.bodies.swarm import ContainerSpec
    from ..findings import Findings
    from ..objects import Wanted

_PRIVILEGES, _SUBPATH = (1, 44), (1, 45)
"""The API versions that brought start intervals and the fields of Privileges, and subpaths of volumes."""


def check(wanted: Sequence[Wanted], api: tuple[int, int], findings: Findings) -> None:
    """Refuse what a manager of this API version does not know."""
    words = f"the swarm's manager speaks version {api[0]}.{api[1]} of the API, and this needs "
    for one in wanted:
        if one.kind == "service":
            for since, key in _unknown(spec_of(one)["TaskTemplate"]["ContainerSpec"], api):
                findings.refuse((*one.path, *key), f"{words}{since[0]}.{since[1]}")


def _unknown(container: ContainerSpec, api: tuple[int, int]) -> Iterator[tuple[tuple[int, int], tuple[str, ...]]]:
    """Fields that this version does not know: the one that brought them, and the key of the file."""
    if api < _PRIVILEGES and container.get("Healthcheck", {}).get("StartInterval"):
        yield _PRIVILEGES, ("healthcheck", "start_interval")
    privileges = container.get("Privileges") or {}
    fields = (privileges.get("NoNewPrivileges"), privileges.get("Seccomp"), privileges.get("AppArmor"))
    if api < _PRIVILEGES:
        yield from ((_PRIVILEGES, ("security_opt",)) for one in fields if one)
    if api < _SUBPATH and any(
        (mount.get("VolumeOptions") or {}).get("Subpath") for mount in container.get("Mounts") or ()
    ):
        yield _SUBPATH, ("volumes",)
