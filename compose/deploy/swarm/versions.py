"""What older managers would drop in silence, since they do not know the field: told before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..findings import Findings
    from ..objects import Wanted

_SINCE: tuple[tuple[tuple[str, ...], tuple[int, int], tuple[str, ...]], ...] = (
    (("Healthcheck", "StartInterval"), (1, 44), ("healthcheck", "start_interval")),
    (("Privileges", "NoNewPrivileges"), (1, 44), ("security_opt",)),
    (("Privileges", "Seccomp"), (1, 44), ("security_opt",)),
    (("Privileges", "AppArmor"), (1, 44), ("security_opt",)),
)
"""Fields of a container's spec, the API version that brought them, and the key of the file."""

_SUBPATH = (1, 45)


def check(wanted: Sequence[Wanted], api: tuple[int, int], findings: Findings) -> None:
    """Refuse what a manager of this API version does not know."""
    words = f"the swarm's manager speaks version {api[0]}.{api[1]} of the API, and this needs "
    for one in wanted:
        if one.kind == "service":
            for since, key in _unknown(one.body["TaskTemplate"]["ContainerSpec"], api):
                findings.refuse((*one.path, *key), f"{words}{since[0]}.{since[1]}")


def _unknown(container: Mapping[str, Any], api: tuple[int, int]) -> Iterator[tuple[tuple[int, int], tuple[str, ...]]]:
    for (outer, inner), since, key in _SINCE:
        if api < since and (container.get(outer) or {}).get(inner):
            yield since, key
    if api < _SUBPATH and any(
        (mount.get("VolumeOptions") or {}).get("Subpath") for mount in container.get("Mounts", ())
    ):
        yield _SUBPATH, ("volumes",)
