"""Configuration-only networks: templates of subnets, options and labels that other networks are made from. Pure.

They are of the null driver and have nothing in the kernel. On a cluster each node has one of the same name with its own
subnets and parent link; on one host they save repeating them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Forbidden, NotFound
from . import ipam
from .types import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .bodies import NetworkCreate
    from .types import Network

_OPERATORS = (
    "configuration network can only contain network specific fields. Network operator fields like"
    " [ ingress | internal | attachable | scope ] are not supported."
)
_DEPENDS = "are not supported if the network depends on a configuration network"


def check(body: NetworkCreate) -> None:
    """Raise for what a template cannot say: Forbidden for how a network is run, InvalidParameter for wrong subnets."""
    if source_name(body):
        raise Forbidden("a configuration network cannot depend on another configuration network")
    if body.get("Internal") or body.get("Attachable") or body.get("Ingress") or body.get("Scope"):
        raise Forbidden(_OPERATORS)
    for item in (body.get("IPAM") or {}).get("Config") or ():
        pool = Pool.from_docker(item)
        if pool.subnet:
            ipam.check_pool(pool, ())


def check_unused(network: Network, others: Iterable[Network]) -> None:
    """Raise Forbidden for a template that networks were made from."""
    users = sorted(one.name for one in others if one.config_from == network.name) if network.config_only else ()
    if users:
        raise Forbidden(
            f'error while removing network: configuration network "{network.name}" is in use by {", ".join(users)}'
        )


def source_name(body: NetworkCreate) -> str:
    """The name of the template that a network is to be made from; "" without one."""
    return (body.get("ConfigFrom") or {"Network": ""}).get("Network") or ""


def applied(body: NetworkCreate, named: Callable[[str], Network | None]) -> NetworkCreate:
    """The body with what its template says of it; the body itself where it names none.

    Raises NotFound when there is no such template, Forbidden when the body says itself what templates say.
    """
    name = source_name(body)
    if not name:
        return body
    source = named(name)
    if source is None or not source.config_only:
        raise NotFound(f'configuration network "{name}" does not exist')
    config = body.get("IPAM") or {}
    if body.get("Options"):
        raise Forbidden(f"network driver options {_DEPENDS}")
    if (
        body.get("EnableIPv6")
        or body.get("EnableIPv4") is False
        or body.get("Labels")
        or config.get("Config")
        or config.get("Options")
        or config.get("Driver", "default") not in ("", "default")
    ):
        raise Forbidden(f"user specified configurations {_DEPENDS}")
    return {
        **body,
        "EnableIPv4": source.enable_ipv4,
        "EnableIPv6": source.enable_ipv6,
        "IPAM": {
            "Driver": source.ipam_driver,
            "Config": [pool.to_docker() for pool in source.pools],
            **({} if source.ipam_options is None else {"Options": dict(source.ipam_options)}),
        },
        "Options": dict(source.options),
        "Labels": dict(source.labels),
    }
