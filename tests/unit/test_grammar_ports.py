"""Ports against go-connections' nat.ParsePortSpec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.grammar import ports


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("80", [(80, "", "", "tcp")]),
        ("8080:80/udp", [(80, "8080", "", "udp")]),
        ("8080:80/", [(80, "8080", "", "tcp")]),
        ("127.0.0.1:8080:80", [(80, "8080", "127.0.0.1", "tcp")]),
        ("127.0.0.1::80", [(80, "", "127.0.0.1", "tcp")]),
        ("[::1]:1:2", [(2, "1", "::1", "tcp")]),
        ("::1:1:2", [(2, "1", "::1", "tcp")]),
        ("1-2:3-4", [(3, "1", "", "tcp"), (4, "2", "", "tcp")]),
        ("6000-6010:6000", [(6000, "6000-6010", "", "tcp")]),
        ("9999-10000", [(10000, "", "", "tcp"), (9999, "", "", "tcp")]),
    ],
)
def test_ports(text: str, wanted: list[tuple[int, str, str, str]]) -> None:
    found = [(port.target, port.published, port.host_ip, port.protocol) for port in ports.parse(text)]
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no port specified: <empty>"),
        ("a", "invalid containerPort: a"),
        ("1:2:3:4", "invalid IP address: 1:2"),
        ("70000", "invalid containerPort: 70000"),
        ("2-1", "invalid containerPort: 2-1"),
        ("1-3:1-2", "invalid ranges specified for container and host Ports: 1-2 and 1-3"),
        ("80/xyz", "invalid proto: xyz"),
        ("x:80", "invalid hostPort: x"),
        ("[::1:80:80", "invalid IP address [::1"),
        ("fe80::1%eth0:80:80", "invalid IP address: fe80::1%eth0"),
        ("٨٠", "invalid containerPort"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        ports.parse(text)
    assert message in str(caught.value)


@given(st.integers(1, 65535), st.integers(1, 65535), st.sampled_from(["tcp", "udp", "sctp"]))
def test_published(published: int, target: int, protocol: str) -> None:
    (port,) = ports.parse(f"{published}:{target}/{protocol}")
    assert (port.published, port.target, port.protocol) == (str(published), target, protocol)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("80", (80, 80, "tcp")), ("80/udp", (80, 80, "udp")), ("1-3/TCP", (1, 3, "tcp")), ("80/", (80, 80, "tcp"))],
)
def test_exposed(text: str, expected: tuple[int, int, str]) -> None:
    assert ports.parse_exposed(text) == expected


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "3-1", "80/icmp", "80/tcp/x", "-5", "80-", "1-2-3", " 80"])
def test_not_exposed(text: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        ports.parse_exposed(text)
