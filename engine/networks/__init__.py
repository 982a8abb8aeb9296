"""Networks of the engine: addresses, bridges, published ports and names. Import what you need from here; the kernel
parts (pyroute2) are loaded at first use."""

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
