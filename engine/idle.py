"""When an engine that nobody needs may leave. Pure.

A command of pycompose's own starts the engine again; another client that was given the socket (DOCKER_HOST, a docker context) cannot.
So once one has come, the engine stays, unless the time was set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..grammar import durations
from .errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 60.0
OWN_AGENT = "pycompose"


@dataclass(frozen=True, slots=True)
class IdleRule:
    """``seconds`` without a request; 0 for never. ``chosen``: somebody has set it."""

    seconds: float = SECONDS
    chosen: bool = False

    @staticmethod
    def of(environment: Mapping[str, str], configured: float | None) -> IdleRule:
        """PYCOMPOSE_IDLE_TIMEOUT, else the configuration's, else a minute. Raises InvalidParameter."""
        text = environment.get("PYCOMPOSE_IDLE_TIMEOUT")
        if text:
            try:
                return IdleRule(durations.seconds(text), True)
            except ValueError as error:
                raise InvalidParameter(f"PYCOMPOSE_IDLE_TIMEOUT: {error}") from None
        return IdleRule() if configured is None else IdleRule(configured, True)

    def allows(self, quiet: float, *, lent: bool) -> bool:
        """Whether the engine may leave after ``quiet`` seconds; ``lent``: other clients use its socket."""
        return self.seconds > 0 and quiet >= self.seconds and (self.chosen or not lent)


def is_foreign(user_agent: str) -> bool:
    """Whether a client with this User-Agent cannot start the engine by itself."""
    return user_agent.partition("/")[0].strip() != OWN_AGENT
