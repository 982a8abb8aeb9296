"""A health check as probes: ready when it succeeds, and time to start before it counts. Nothing is killed for failing it later, as on
one machine: there is no liveness probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...model.service import HealthCheck
    from ...model.values import Duration
    from .bodies import pods

INTERVAL, TIMEOUT, RETRIES, START_INTERVAL = 30, 30, 3, 5
"""What a health check has when it says nothing, in seconds and times."""


def probes(tree: HealthCheck) -> pods.Probes:
    test = tree.get("test")
    if tree.get("disable") or not test:
        return {}
    command = list(test)
    if command[0] == "NONE":
        return {}
    if command[0] == "CMD-SHELL":
        command = ["/bin/sh", "-c", *command[1:]]
    elif command[0] == "CMD":
        command = command[1:]
    retries = tree.get("retries") or RETRIES
    common: pods.Probe = {
        "exec": {"command": command},
        "timeoutSeconds": _seconds(tree.get("timeout"), TIMEOUT),
    }
    period = _seconds(tree.get("interval"), INTERVAL)
    found: pods.Probes = {"readinessProbe": {**common, "periodSeconds": period, "failureThreshold": retries}}
    start = _seconds(tree.get("start_period"), 0)
    if start:
        pace = min(_seconds(tree.get("start_interval"), START_INTERVAL), period)
        found["startupProbe"] = {**common, "periodSeconds": pace, "failureThreshold": -(-start // pace) + retries}
    return found


def _seconds(value: Duration | None, default: int) -> int:
    """Whole seconds, at least one: probes have no smaller unit. Nothing and zero stand for the default, as on one machine."""
    if not value:
        return default
    return -(-value // 10**9)
