"""Filters of container listings and of prune, as Docker defines them. Pure decisions over containers in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....grammar import ports
from ...errors import InvalidParameter
from ...shapes import name_matches, truth
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
        if key == "until" and len(values) > 1:
            raise InvalidParameter("more than one until filter specified")
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


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What filters ask for besides the container. ``ancestors`` are the image ids that filter ancestor stands for; ``before`` and
    ``since`` creation times (ns) of the containers of these filters; ``networks`` gives names and ids, ``published`` the host
    ports as ``8080/tcp``."""

    ancestors: frozenset[str]
    networks: Callable[[Container], set[str]]
    published: Callable[[Container], list[str]]
    before: int | None
    since: int | None


def passes(container: Container, filters: Mapping[str, Sequence[str]], around: Surroundings) -> bool:
    """Whether a container is listed."""
    created = container.record.created
    if around.before is not None and created >= around.before:
        return False
    if around.since is not None and created <= around.since:
        return False
    return _offers(container, filters, around) and all(
        _TESTS[key](container, values, around) for key, values in filters.items() if values and key in _TESTS
    )


def _offers(container: Container, filters: Mapping[str, Sequence[str]], around: Surroundings) -> bool:
    """Filters publish and expose: as in Docker one of them is enough where both are given."""
    published, exposed = filters.get("publish") or (), filters.get("expose") or ()
    return (
        not (published or exposed)
        or any(_port_matches(around.published(container), "publish", value) for value in published)
        or any(_port_matches(container.record.spec.exposed, "expose", value) for value in exposed)
    )


def _exited(container: Container, values: Sequence[str], around: Surroundings) -> bool:
    state = container.state
    return state.status == "exited" and state.started_at is not None and str(state.exit_code) in values


def _volume(container: Container, values: Sequence[str], around: Surroundings) -> bool:
    places = {word for point in container.record.mounts for word in (point.name, point.destination, point.source)}
    return not places.isdisjoint(values)


def _network(container: Container, values: Sequence[str], around: Surroundings) -> bool:
    known = around.networks(container)
    return any(value in known or any(len(value) >= 12 and one.startswith(value) for one in known) for value in values)


_TESTS: Mapping[str, Callable[[Container, Sequence[str], Surroundings], bool]] = {
    "id": lambda one, values, _: any(one.id.startswith(value) for value in values),
    "name": lambda one, values, _: any(
        name_matches(one.name, value) or name_matches(f"/{one.name}", value) for value in values
    ),
    "label": lambda one, values, _: all(has_label(one.record.labels, value) for value in values),
    "status": lambda one, values, _: one.state.status in values,
    "exited": _exited,
    "ancestor": lambda one, values, around: one.record.image in around.ancestors or one.record.spec.image in values,
    "volume": _volume,
    "network": _network,
    "health": lambda one, values, _: (one.health.status if one.health else "none") in values,
    "is-task": lambda one, values, _: not truth("is-task", values),
}


def _port_span(key: str, wanted: str) -> tuple[range, str]:
    numbers, _, protocol = wanted.partition("/")
    try:
        low, high = ports.parse_range(numbers)
    except ValueError:
        raise InvalidParameter(f"error while looking up for {key} {wanted}: {_fault(numbers)}") from None
    return range(low, high + 1), protocol or "tcp"


def _fault(numbers: str) -> str:
    """Docker's words for a port or range that is none."""
    for number in numbers.split("-", 1):
        if not (number.isascii() and number.isdigit()):
            return f'strconv.ParseUint: parsing "{number}": invalid syntax'
        if len(number) > 5 or int(number) > 65535:
            return f'strconv.ParseUint: parsing "{number}": value out of range'
    return f"invalid range specified for port: {numbers}"


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
