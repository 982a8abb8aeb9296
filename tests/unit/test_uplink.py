"""Where the way out of an engine without root leads, and where it does not."""

from __future__ import annotations

import pytest

from pycompose.engine.runtime.uplink import _itself


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::"])
def test_no_socket_leads_to_ipv4_by_an_ipv6_address(address: str) -> None:
    """To the rules such an address is a stranger's; a socket that is connected to it reaches the host's loopback."""
    assert _itself(address) == ""


@pytest.mark.parametrize("address", ["192.0.2.1", "127.0.0.53", "2001:db8::1", "::1"])
def test_others_stay_what_they_are(address: str) -> None:
    """Loopback addresses too: only a shim, whose server for names may be there, gets a packet for one this far."""
    assert _itself(address) == address
