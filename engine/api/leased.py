"""Requests under a lease: which one they fall under, and how they are broken off when it ends.

A request names its lease by header; what it creates names it by label, or is selected by the lease's labels. For a
stream (a pull, a build) the lease's end is as if its client had left.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import InvalidParameter
from ..volumes.types import LEASE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..shapes import Json
    from .daemon import Daemon
    from .http import Request

HEADER = "x-pycompose-lease"


@asynccontextmanager
async def under_header(daemon: Daemon, request: Request) -> AsyncIterator[None]:
    """Run a request under the lease its header names, if it names one. Raises LeaseEnded."""
    id = request.headers.get(HEADER)
    if not id or request.method in ("GET", "HEAD", "DELETE") or request.path.startswith("/pycompose/leases"):
        yield
        return
    async with daemon.leases.within(id, request.abort):
        yield


@asynccontextmanager
async def creation(daemon: Daemon, body: dict[str, Json]) -> AsyncIterator[None]:
    """Create what ``body`` describes: stamps the lease it falls under into its Labels. Raises LeaseEnded."""
    labels = body.get("Labels") or {}
    if not isinstance(labels, dict):
        raise InvalidParameter("invalid JSON: Labels: want a map of strings")
    lease = daemon.leases.claim(labels)
    if lease is None:
        yield
        return
    body["Labels"] = {**labels, LEASE: lease.id}
    async with daemon.leases.within(lease.id, lambda: None):
        yield
