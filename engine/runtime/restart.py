"""Restart policy as a decision: what happens to a container that has just ended.

Pure functions of values. Waiting, starting and recording belong to the shim (while it lives) and to the engine (after
a boot). No dataclasses here: the keeper imports this module and pays for every import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...grammar.restart import NAMES

if TYPE_CHECKING:
    from . import wire

FIRST_DELAY = 0.1
"""Seconds before the first restart of a series."""
LONGEST_DELAY = 60.0
"""Seconds the doubling delay never exceeds."""
STEADY = 10.0
"""A run of at least this many seconds counts as healthy and ends the series: the next delay is the first one again."""


class Policy(NamedTuple):
    """A restart policy. ``maximum_retry_count`` bounds the restarts in a row, 0 means no limit; the Engine API allows it
    for on-failure only. ``delay`` and ``window`` are seconds and go beyond that API: the same delay before each restart in
    place of a growing one, and how long a run must last to count as a success, after which the count begins anew."""

    name: str
    maximum_retry_count: int = 0
    delay: float | None = None
    window: float | None = None

    def document(self) -> wire.PolicyDocument:
        """For launch.json and the shim."""
        return {
            "name": self.name,
            "maximum_retry_count": self.maximum_retry_count,
            "delay": self.delay,
            "window": self.window,
        }

    @property
    def extended(self) -> bool:
        return self.delay is not None or self.window is not None


class Restart(NamedTuple):
    """Run the container again after ``delay`` seconds, as the ``attempt``-th restart in a row; pass both back next time."""

    delay: float
    attempt: int


def checked(name: str, maximum_retry_count: int, delay: float | None = None, window: float | None = None) -> Policy:
    """The policy from the two fields of the Engine API and our two. Raises ValueError with a message for the user."""
    name = name or "no"
    if name not in NAMES:
        raise ValueError(f"invalid restart policy {name!r}: expected one of {', '.join(NAMES)}")
    policy = Policy(name, maximum_retry_count, delay, window)
    if maximum_retry_count and name != "on-failure" and not policy.extended:
        raise ValueError(f"maximum retry count cannot be used with restart policy {name!r}")
    if maximum_retry_count < 0 or min(delay or 0, window or 0) < 0:
        raise ValueError("maximum retry count, delay and window cannot be negative")
    return policy


def decide(
    policy: Policy,
    exit_code: int | None,
    attempts: int,
    ran_for: float,
    manually_stopped: bool = False,
    previous_delay: float = 0.0,
) -> Restart | None:
    """Whether, and after how many seconds, a container that has ended runs again. None means it stays down.

    ``exit_code`` None is an unknown end and counts as a failure. ``attempts`` is the number of restarts in a row so
    far. ``ran_for`` is how many seconds the run that ended took. ``manually_stopped`` is true after a stop or kill
    by request: then no policy restarts it (``always`` does again after a boot, see :func:`decide_at_boot`).
    """
    if policy.window and ran_for >= policy.window:
        attempts = 0
    if manually_stopped or not _wanted(policy, exit_code, attempts):
        return None
    if policy.delay is not None:
        return Restart(policy.delay, attempts + 1)
    if previous_delay <= 0 or ran_for >= (policy.window or STEADY):
        return Restart(FIRST_DELAY, attempts + 1)
    return Restart(min(previous_delay * 2, LONGEST_DELAY), attempts + 1)


def decide_at_boot(policy: Policy, was_running: bool, manually_stopped: bool, exit_code: int | None = None) -> bool:
    """Whether a container that has been started at least once is started again when the engine finds it dead.

    ``was_running`` is true when its shim went away with it (reboot, crash), so that no exit was recorded: on-failure
    then counts that as a failure. ``always`` ignores an earlier manual stop, ``unless-stopped`` respects it.
    """
    if policy.name == "always":
        return True
    if policy.name == "unless-stopped":
        return not manually_stopped
    if policy.name == "on-failure":
        return not manually_stopped and (was_running or exit_code != 0)
    return False


def _wanted(policy: Policy, exit_code: int | None, attempts: int) -> bool:
    if policy.name == "no" or (policy.name == "on-failure" and exit_code == 0):
        return False
    return policy.maximum_retry_count == 0 or attempts < policy.maximum_retry_count
