"""The nftables table of an instance as text."""

from __future__ import annotations

from pathlib import Path

from pycompose.engine.networks import ruleset
from pycompose.engine.networks.ruleset import NetworkRules, PublishedPort

GOLDEN = Path(__file__).parent / "data" / "ruleset.nft"


def test_ruleset_text(update_golden: bool) -> None:
    networks = [
        NetworkRules("pcabc1230000001", ("172.18.0.0/16", "fd12:3456:789a::/64")),
        NetworkRules("pcabc1230000002", ("172.19.0.0/16",), internal=True),
        NetworkRules("br-custom", ("192.168.0.0/20",), masquerade=False, icc=False),
    ]
    ports = [
        PublishedPort("tcp", "0.0.0.0", 8080, "172.18.0.2", 80),
        PublishedPort("tcp", "::", 8080, "fd12:3456:789a::2", 80),
        PublishedPort("udp", "127.0.0.1", 5353, "172.18.0.3", 53),
        PublishedPort("sctp", "", 9899, "172.18.0.3", 9899),
        PublishedPort("tcp", "::1", 8443, "172.18.0.2", 443),  # no IPv6 in the container: not translated
    ]
    text = ruleset.render(ruleset.build("pycompose_abc123", networks, ports))
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
