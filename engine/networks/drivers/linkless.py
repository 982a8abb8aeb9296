"""The host and null drivers: the host's own namespace, and one without anything but loopback."""

from __future__ import annotations

from .driver import Driver


class Host(Driver):
    """The container has the host's network."""

    name = "host"
    shares_host = True
    unique = True
    alone = (
        "container sharing network namespace with another container or host cannot be connected to any other network"
    )


class Null(Driver):
    """The container has no network: ``none`` for users."""

    name = "null"
    unique = True
    alone = "container cannot be connected to multiple networks with one of the networks in private (none) mode"
