"""A container's health check as values: what is run or asked, and how often. Whoever does it is life/health.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import probing

if TYPE_CHECKING:
    from .bodies import Config
    from .probing import Probing

DEFAULT_INTERVAL = 30.0
DEFAULT_TIMEOUT = 30.0
DEFAULT_RETRIES = 3


@dataclass(frozen=True, slots=True)
class Check:
    """A health check's configuration; times in seconds. ``command`` is an argv, ``own`` a probe that the engine makes."""

    command: tuple[str, ...]
    interval: float = DEFAULT_INTERVAL
    timeout: float = DEFAULT_TIMEOUT
    start_period: float = 0.0
    start_interval: float = 0.0
    retries: int = DEFAULT_RETRIES
    own: Probing | None = None

    @staticmethod
    def from_config(config: Config) -> Check | None:
        """The check of a container's Config; None when there is none or it is switched off. Raises InvalidParameter."""
        body = config["Healthcheck"]
        test = (body or {}).get("Test") or []
        own = probing.of(config)
        if not body or not test or test[0] == "NONE" or (len(test) < 2 and own is None):
            return None
        shell = config["Shell"] or ["/bin/sh", "-c"]
        command = (*shell, test[1]) if test[0] == "CMD-SHELL" else () if own is not None else tuple(test[1:])

        def seconds(nanoseconds: int | None, default: float) -> float:
            return (nanoseconds or 0) / 1e9 or default

        return Check(
            command,
            seconds(body.get("Interval"), DEFAULT_INTERVAL),
            seconds(body.get("Timeout"), DEFAULT_TIMEOUT),
            seconds(body.get("StartPeriod"), 0.0),
            seconds(body.get("StartInterval"), 0.0),
            body.get("Retries") or DEFAULT_RETRIES,
            own,
        )
