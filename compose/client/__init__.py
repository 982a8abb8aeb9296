"""A client for the Docker Engine API: typed calls over a unix or TCP socket, for any engine that speaks it."""

from __future__ import annotations

from .endpoint import Endpoint, choose
from .engine import Conflict, Engine, NotFound

__all__ = ["Conflict", "Endpoint", "Engine", "NotFound", "choose", "connect"]


def connect(endpoint: Endpoint) -> Engine:
    """A client for ``endpoint``; our own engine is started when its socket has no listener."""
    if not endpoint.own:
        return Engine(endpoint)

    def start() -> None:
        import os

        from .autostart import start_engine

        start_engine(endpoint.root, os.environ)

    def last_words() -> str:
        import os

        from .autostart import log_tail

        return log_tail(endpoint.root, os.environ)

    return Engine(endpoint, start, last_words)
