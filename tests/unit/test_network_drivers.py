"""Network drivers: what each is, what it refuses, and that nothing else asks for a driver's name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pycompose.engine.errors import Forbidden, InvalidParameter, NotFound
from pycompose.engine.networks import drivers
from pycompose.engine.networks.types import Network

ENGINE = Path(__file__).resolve().parents[2] / "engine"


def network(driver: str, bridge: str = "", **options: str) -> Network:
    return Network("f" * 64, "n", "", driver=driver, options=options, bridge=bridge)


def test_every_driver_says_what_it_is() -> None:
    found = {one.name: (one.has_links, one.publishes, one.has_mac, one.lingers, one.shares_host) for one in drivers.ALL}
    assert found == {
        "bridge": (True, True, True, False, False),
        "host": (False, False, True, False, True),
        "null": (False, False, True, False, False),
        "macvlan": (True, False, True, True, False),
        "ipvlan": (True, False, False, True, False),
    }


def test_what_clients_may_name() -> None:
    assert drivers.find("macvlan").name == "macvlan"
    with pytest.raises(Forbidden, match='only one instance of "host"'):
        drivers.find("host", swarm=True)
    with pytest.raises(Forbidden, match="not a swarm manager"):
        drivers.find("overlay")
    with pytest.raises(Forbidden, match="not a swarm manager"):
        drivers.find("bridge", swarm=True)
    with pytest.raises(NotFound, match='plugin "weave" not found'):
        drivers.find("weave")


@pytest.mark.parametrize(
    ("driver", "options", "link", "down"),
    [
        ("bridge", {}, "br", ("br",)),
        ("host", {}, "", ()),
        ("null", {}, "", ()),
        ("macvlan", {"parent": "eth0.10"}, "eth0.10", ("eth0.10",)),
        ("ipvlan", {}, "dm-ffffffffffff", ("dm-ffffffffffff",)),
    ],
)
def test_links_of_the_host(driver: str, options: dict[str, str], link: str, down: tuple[str, ...]) -> None:
    one = network(driver, bridge="br" if driver == "bridge" else "", **options)
    assert drivers.of(one).host_link(one) == link
    assert drivers.of(one).down(one) == down


def test_options() -> None:
    for bad in (network("macvlan", macvlan_mode="x"), network("ipvlan", ipvlan_mode="x")):
        with pytest.raises(InvalidParameter, match="mode 'x' is not valid"):
            drivers.of(bad).check(bad)
    for good in (network("macvlan", ipvlan_mode="x"), network("bridge", macvlan_mode="x")):
        drivers.of(good).check(good)
    with pytest.raises(InvalidParameter, match="invalid bridge name a/b"):
        drivers.find("bridge").bridge_name({"com.docker.network.bridge.name": "a/b"}, "x")
    assert drivers.find("macvlan").bridge_name({"com.docker.network.bridge.name": "a/b"}, "x") == ""


def test_nothing_else_compares_a_drivers_name() -> None:
    """``x.driver == "bridge"`` and its like outside of the drivers, where x is a network or an endpoint."""
    names = {one.name for one in drivers.ALL}
    found = []
    for path in sorted(ENGINE.glob("networks/**/*.py")):
        if path.parent.name == "drivers":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and any(
                isinstance(part, ast.Attribute) and part.attr == "driver" for part in (node.left, *node.comparators)
            ):
                texts = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
                if texts & names:
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []
