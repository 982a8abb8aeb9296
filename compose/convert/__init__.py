"""From the canonical model to Engine API request bodies. Pure: values in, JSON-ready values out; no engine, no files.

`container` builds the body of POST /containers/create, one table or small function per group of attributes; `network`
and `volume` do the same for theirs. What an attribute means is decided here and nowhere else.
"""

from __future__ import annotations

from .container import CreateRequest, Facts, create_request
from .network import endpoint_settings, network_body, service_networks
from .volume import volume_body

__all__ = [
    "CreateRequest",
    "Facts",
    "create_request",
    "endpoint_settings",
    "network_body",
    "service_networks",
    "volume_body",
]
