"""Address management: subnets that never overlap, addresses that are never given twice."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.errors import Forbidden, InvalidParameter
from pycompose.engine.networks import ipam
from pycompose.engine.networks.types import Pool

subnets = st.builds(
    lambda number, length: ip_network((number, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
)


def test_docker_order() -> None:
    used: list[IPv4Network] = []
    chosen = []
    for _ in range(17):
        subnet = ipam.choose_subnet(ipam.DEFAULT_POOLS, used)
        used.append(subnet)
        chosen.append(str(subnet))
    assert chosen[0] == "172.17.0.0/16"
    assert chosen[14] == "172.31.0.0/16"
    assert chosen[15:] == ["192.168.0.0/20", "192.168.16.0/20"]


def test_default_route_is_no_reason_to_refuse() -> None:
    assert str(ipam.choose_subnet(ipam.DEFAULT_POOLS, [ip_network("0.0.0.0/0")])) == "172.17.0.0/16"


@given(st.lists(subnets, max_size=20))
def test_chosen_subnet_overlaps_nothing(used: list[ipam.Subnet]) -> None:
    try:
        chosen = ipam.choose_subnet(ipam.DEFAULT_POOLS, used)
    except InvalidParameter:
        return
    assert not any(chosen.overlaps(other) for other in used)
    assert any(chosen.subnet_of(ip_network(pool.base)) for pool in ipam.DEFAULT_POOLS)


def test_exhausted() -> None:
    everything = [ip_network("10.0.0.0/8"), ip_network("172.16.0.0/12"), ip_network("192.168.0.0/16")]
    with pytest.raises(InvalidParameter, match="could not find an available, non-overlapping IPv4 address pool"):
        ipam.choose_subnet(ipam.DEFAULT_POOLS, everything)


@given(st.integers(0, 2**32 - 1), st.integers(20, 30), st.integers(0, 2**16), st.data())
def test_addresses_are_unique_and_usable(number: int, length: int, spread: int, data: st.DataObject) -> None:
    subnet = ip_network((number, length), strict=False)
    pool = ipam.check_pool(Pool(str(subnet)), [])
    used: set[str] = set()
    for _ in range(data.draw(st.integers(0, 40))):
        wanted = str(subnet[spread % subnet.num_addresses]) if data.draw(st.booleans()) else ""
        try:
            address = ipam.allocate(pool, used, wanted)
        except Forbidden:
            if not wanted:
                assert len(used) >= subnet.num_addresses - 3
            continue
        assert address not in used and address != pool.gateway
        assert ip_address(address) in subnet
        assert ip_address(address) not in (subnet.network_address, subnet.broadcast_address)
        used.add(address)


@given(st.integers(0, 2**32 - 1))
def test_mac_follows_the_address(number: int) -> None:
    mac = ipam.mac_of(str(ip_address(number)))
    assert mac.startswith("02:42:")
    assert int(mac[6:].replace(":", ""), 16) == number
    assert ipam.check_mac(mac.upper().replace(":", "-")) == mac


def test_lowest_free_address_first() -> None:
    pool = ipam.chosen_pool(ip_network("172.20.0.0/16"))
    assert ipam.allocate(pool, ()) == "172.20.0.2"
    assert ipam.allocate(pool, ("172.20.0.2", "172.20.0.4")) == "172.20.0.3"


def test_ip_range_and_aux() -> None:
    pool = ipam.check_pool(Pool("10.1.0.0/24", "10.1.0.128/30", aux_addresses={"printer": "10.1.0.129"}), [])
    assert pool.gateway == "10.1.0.128"
    assert ipam.allocate(pool, ()) == "10.1.0.130"
    assert ipam.allocate(pool, ("10.1.0.130",)) == "10.1.0.131"
    with pytest.raises(Forbidden, match="no available IPv4 addresses"):
        ipam.allocate(pool, ("10.1.0.130", "10.1.0.131"))
    assert ipam.allocate(pool, (), "10.1.0.7") == "10.1.0.7"
    with pytest.raises(Forbidden, match="Address already in use"):
        ipam.allocate(pool, (), "10.1.0.129")


def test_ipv6() -> None:
    base = ipam.unique_local_pool("abc123")
    subnet = ipam.choose_subnet([base], [])
    assert subnet.prefixlen == 64 and str(subnet).startswith("fd")
    assert subnet == ipam.choose_subnet([ipam.unique_local_pool("abc123")], [])
    assert ipam.choose_subnet([base], [subnet]) != subnet
    pool = ipam.chosen_pool(subnet)
    assert ipam.allocate(pool, ()) == str(subnet.network_address + 2)


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (Pool("nonsense"), "Invalid subnet nonsense : invalid CIDR address: nonsense"),
        (Pool("10.1.0.0/24", gateway="10.2.0.1"), "no matching subnet for gateway 10.2.0.1"),
        (Pool("10.1.0.0/24", ip_range="10.2.0.0/25"), "no matching subnet for range 10.2.0.0/25"),
        (Pool("10.1.0.0/24", aux_addresses={"x": "10.2.0.1"}), "no matching subnet for aux-address 10.2.0.1"),
        (Pool("10.1.0.0/24", gateway="ten"), "invalid IP address: ten"),
        (Pool("10.1.0.1/32", aux_addresses={"x": "10.1.0.1"}), "no available IPv4 addresses"),
    ],
)
def test_bad_pools(pool: Pool, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        ipam.check_pool(pool, [])


def test_overlap() -> None:
    with pytest.raises(Forbidden, match="Pool overlaps with other one on this address space"):
        ipam.check_pool(Pool("10.1.0.0/16"), [ip_network("10.1.2.0/24")])
    assert ipam.check_pool(Pool("10.1.0.9/24"), []).subnet == "10.1.0.0/24"


@pytest.mark.parametrize(
    "text", ["", "02:42", "zz:00:00:00:00:01", "01:00:5e:00:00:01", "00:00:00:00:00:00", "2:42:0:0:0:100"]
)
def test_bad_macs(text: str) -> None:
    with pytest.raises(InvalidParameter):
        ipam.check_mac(text)
