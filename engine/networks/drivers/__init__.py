"""Network drivers, one object each; driver.py says what a driver is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import Forbidden, NotFound
from .bridge import Bridge
from .driver import Driver
from .linkless import Host, Null
from .parented import Ipvlan, Macvlan

if TYPE_CHECKING:
    from ..types import Endpoint, Network

__all__ = ["ALL", "DEFAULT", "Driver", "find", "of", "template"]

ALL = (
    Bridge(),
    Host(),
    Null(),
    Macvlan(),
    Ipvlan(),
)
_BY_NAME = {driver.name: driver for driver in ALL}
_SWARM = ("overlay",)
DEFAULT = Bridge.name


def of(item: Network | Endpoint) -> Driver:
    """The driver of a network that exists, or of an endpoint on it."""
    return _BY_NAME[item.driver]


def template() -> Driver:
    """The driver of configuration-only networks: nothing of them is in the kernel."""
    return _BY_NAME[Null.name]


def find(name: str, *, swarm: bool = False) -> Driver:
    """The driver that a client names for a new network; ``swarm`` when the request needs one.

    Raises Forbidden (there can be no other network of the kind), also swarm), NotFound.
    """
    driver = _BY_NAME.get(name)
    if driver is not None and driver.unique:
        raise Forbidden(f'only one instance of "{name}" network is allowed')
    if swarm or name in _SWARM:
        raise Forbidden(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to'
            " swarm and try again."
        )
    if driver is None:
        raise NotFound(f'plugin "{name}" not found')
    return driver
