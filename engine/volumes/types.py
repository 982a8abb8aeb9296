"""A volume's record and the rules on what a volume may be asked to be. Pure data and decisions."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from .. import documents
from ..errors import InvalidParameter, NotFound
from ..shapes import name_matches, strings, truth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANONYMOUS = "com.docker.volume.anonymous"
LEASE = "io.pycompose.lease"
"""The label of everything that was made under a lease; its value is the lease's id (engine/leases)."""

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_OPTIONS = ("type", "o", "device", "size")


class VolumeShown(TypedDict):
    """A volume in the API; ``CreatedAt`` is RFC 3339 text."""

    CreatedAt: str
    Driver: str
    Labels: dict[str, str] | None
    Mountpoint: str
    Name: str
    Options: dict[str, str] | None
    Scope: str


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume of the local driver. ``created`` is RFC 3339 text; ``options`` are the driver's type, o, device.

    ``layers`` (top-most first) and ``upper`` name directories of the layer store once a snapshot was taken or restored:
    the data is then an overlay. ``pending`` is the layer that the plain data is about to become, ``incoming`` the directory
    that is about to take the data's place.
    """

    name: str
    created: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    upper: str = ""
    pending: str = ""
    incoming: str = ""

    @property
    def anonymous(self) -> bool:
        return ANONYMOUS in self.labels

    def record(self) -> dict[str, object]:
        return asdict(self)

    @staticmethod
    def new(name: str, labels: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None) -> Volume:
        """One that is created now."""
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Volume(name, created, dict(labels or {}), dict(options or {}))

    @staticmethod
    def from_record(body: Mapping[str, object]) -> Volume:
        """Raises Incomplete."""
        return documents.build(Volume, body, layers=strings(body.get("layers")))


def check_name(name: str) -> None:
    """Raises InvalidParameter in Docker's words."""
    if len(name) < 2:
        raise InvalidParameter("volume name is too short, names should be at least two alphanumeric characters")
    if not _NAME.fullmatch(name) or len(name) > 255:
        raise InvalidParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" '
            "are allowed. If you intended to pass a host directory, use absolute path"
        )


def check_driver(driver: str) -> None:
    if driver not in ("", "local", "default"):
        raise NotFound(f'error looking up volume plugin {driver}: plugin "{driver}" not found')


def check_options(options: Mapping[str, str]) -> None:
    """The local driver mounts ``device`` with file system ``type`` and options ``o``; the first two belong together."""
    for name, value in options.items():
        if name not in _OPTIONS:
            raise InvalidParameter(f'invalid option: "{name}"')
        if "\0" in value:
            raise InvalidParameter(f'invalid value for option "{name}"')
    if "size" in options:
        raise InvalidParameter("quota size requested but no quota support")
    if options:
        for name in ("device", "type"):
            if not options.get(name) and not (name == "type" and _binds(options)):
                raise InvalidParameter(f'missing required option: "{name}"')


def _binds(options: Mapping[str, str]) -> bool:
    return any(word in ("bind", "rbind") for word in options.get("o", "").split(","))


_LISTING = {"name", "label", "driver", "dangling"}
_PRUNING = {"label", "label!", "all"}


def check_filters(filters: Mapping[str, Sequence[str]], *, prune: bool) -> None:
    """Raises InvalidParameter for a filter there is not."""
    for key in filters:
        if key not in (_PRUNING if prune else _LISTING):
            raise InvalidParameter(f"invalid filter '{key}'")
    if "dangling" in filters:
        truth("dangling", filters["dangling"])


def passes(volume: Volume, filters: Mapping[str, Sequence[str]], *, used: bool) -> bool:
    """Docker's volume filters: name (a regular expression), label, label!, driver, dangling. Raises InvalidParameter for others."""
    for key, values in filters.items():
        if not values:
            continue
        if key == "name":
            passed = any(name_matches(volume.name, value) for value in values)
        elif key == "label":
            passed = all(has_label(volume.labels, value) for value in values)
        elif key == "label!":
            passed = not any(has_label(volume.labels, value) for value in values)
        elif key == "driver":
            passed = "local" in values
        elif key == "dangling":
            passed = used != truth(key, values)
        elif key == "all":
            passed = True
        else:
            raise InvalidParameter(f"invalid filter '{key}'")
        if not passed:
            return False
    return True


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    name, given, value = wanted.partition("=")
    return name in labels and (not given or labels[name] == value)
