"""Networks of the engine: addresses, bridges, published ports and names. Import what you need from here."""

from __future__ import annotations

from .nft import drain
from .service import Networks
from .types import Allocation, ContainerRef, Endpoint, EndpointRequest, Network, Pool, PortBinding, Resolver

__all__ = [
    "Allocation",
    "ContainerRef",
    "Endpoint",
    "EndpointRequest",
    "Network",
    "Networks",
    "Pool",
    "PortBinding",
    "Resolver",
    "drain",
]
