"""Filters of container listings and of prune, as Docker defines them. Pure decisions over containers in memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import InvalidParameter
from ...shapes import truth
from ...timestamps import parse_time
from ...volumes.types import has_label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    from ..life.container import Container

STATUSES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
LISTING = {
    "ancestor", "before", "exited", "expose", "health", "id", "isolation", "is-task", "label", "name", "network", "publish",
    "since", "status", "volume",
}  # fmt: skip


PRUNING = {"until", "label", "label!"}


def check(filters: Mapping[str, Sequence[str]], known: Set[str]) -> None:
    """Raises InvalidParameter for an unknown filter or value."""
    for key, values in filters.items():
        if key not in known:
            raise InvalidParameter(f"invalid filter '{key}'")
        for value in values:
            if key == "status" and value not in STATUSES:
                raise InvalidParameter(f"invalid filter 'status={value}'")
            if key == "exited" and not re.fullmatch(r"-?\d+", value):
                raise InvalidParameter(f'strconv.Atoi: parsing "{value}": invalid syntax')
            if key in ("publish", "expose"):
                _port_span(key, value)
            if key == "until":
                parse_time(value, 0)
            if key == "health" and value not in ("starting", "healthy", "unhealthy", "none"):
                raise InvalidParameter(f"Unrecognised filter value for health: {value}")
        if key == "is-task":
            truth(key, values)


def passes(
    container: Container,
    filters: Mapping[str, Sequence[str]],
    *,
    ancestors: frozenset[str],
    networks: Callable[[Container], set[str]],
    published: Callable[[Container], list[str]],
    before: int | None,
    since: int | None,
) -> bool:
    """Whether a container is listed. ``ancestors`` are the image ids that filter ancestor stands for; ``before`` and
    ``since`` creation times (ns) of the containers of these filters; ``networks`` gives names and ids, ``published`` the host ports
    as ``8080/tcp``."""
    record = container.record
    if before is not None and record.created >= before:
        return False
    if since is not None and record.created <= since:
        return False
    for key, values in filters.items():
        if not values:
            continue
        match key:
            case "id":
                passed = any(record.id.startswith(value) for value in values)
            case "name":
                passed = any(_name_matches(record.name, value) for value in values)
            case "label":
                passed = all(has_label(record.labels, value) for value in values)
            case "status":
                passed = container.state.status in values
            case "exited":
                ended = container.state.status == "exited" and container.state.started_at is not None
                passed = ended and str(container.state.exit_code) in values
            case "ancestor":
                passed = record.image in ancestors or record.spec.image in values
            case "volume":
                passed = any(
                    value in (point.name, point.destination, point.source)
                    for point in record.mounts
                    for value in values
                )
            case "network":
                known = networks(container)
                passed = any(
                    value in known or any(len(value) >= 12 and one.startswith(value) for one in known)
                    for value in values
                )
            case "health":
                passed = (container.health.status if container.health else "none") in values
            case "publish":
                passed = any(_port_matches(published(container), key, value) for value in values)
            case "expose":
                passed = any(_port_matches(record.spec.exposed, key, value) for value in values)
            case "is-task":
                passed = not truth(key, values)
            case _:
                passed = True
        if not passed:
            return False
    return True


def _name_matches(name: str, pattern: str) -> bool:
    if pattern in (name, f"/{name}"):
        return True
    try:
        return bool(re.search(pattern, name) or re.search(pattern, f"/{name}"))
    except re.error:
        return pattern in name


def _port_span(key: str, wanted: str) -> tuple[range, str]:
    numbers, _, protocol = wanted.partition("/")
    low, _, high = numbers.partition("-")
    for number in (low, high or low):
        if not re.fullmatch(r"[0-9]{1,6}", number):
            raise InvalidParameter(
                f'error while looking up for {key} {wanted}: strconv.ParseUint: parsing "{number}": invalid syntax'
            )
    return range(int(low), int(high or low) + 1), protocol or "tcp"


def _port_matches(ports: list[str], key: str, wanted: str) -> bool:
    span, protocol = _port_span(key, wanted)
    return any(
        int(port.partition("/")[0].partition("-")[0]) in span and port.endswith(f"/{protocol}") for port in ports
    )


def prunable(container: Container, filters: Mapping[str, Sequence[str]], now: int) -> bool:
    """Whether prune takes a stopped container: filters until, label and label!."""
    for key, values in filters.items():
        match key:
            case "until":
                passed = all(container.record.created <= parse_time(value, now) for value in values)
            case "label":
                passed = all(has_label(container.record.labels, value) for value in values)
            case "label!":
                passed = not any(has_label(container.record.labels, value) for value in values)
            case _:
                raise InvalidParameter(f"invalid filter '{key}'")
        if not passed:
            return False
    return True
