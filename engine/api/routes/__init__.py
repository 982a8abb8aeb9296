"""The route tables, one module per noun."""

from __future__ import annotations

from . import (
    archives,
    build,
    buildkit,
    containers,
    execs,
    images,
    instance,
    jobs,
    leases,
    networks,
    snapshots,
    streams,
    system,
    unsupported,
    usage,
    volumes,
)

ROUTES = (
    *unsupported.ROUTES,
    *system.ROUTES,
    *usage.ROUTES,
    *containers.ROUTES,
    *streams.ROUTES,
    *archives.ROUTES,
    *execs.ROUTES,
    *images.ROUTES,
    *build.ROUTES,
    *buildkit.ROUTES,
    *networks.ROUTES,
    *volumes.ROUTES,
    *instance.ROUTES,
    *jobs.ROUTES,
    *leases.ROUTES,
    *snapshots.ROUTES,
)
