"""The small grammars: durations, sizes, ports, mounts, commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.compose import units


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("90s", "1m30s"),
        ("1h", "1h0m0s"),
        ("1.5s", "1.5s"),
        ("100ms", "100ms"),
        ("1us", "1µs"),
        ("0", "0s"),
        ("0s", "0s"),
        ("-5m", "-5m0s"),
        ("1h30m0.25s", "1h30m0.25s"),
        ("1500us", "1.5ms"),
    ],
)
def test_duration(text: str, shown: str) -> None:
    assert units.format_duration(units.parse_duration(text)) == shown


@pytest.mark.parametrize("text", ["", "5", "1x", "s", "1 s", "one", "1m-5s", "99999999999h"])
def test_bad_duration(text: str) -> None:
    with pytest.raises(ValueError):
        units.parse_duration(text)


@given(st.integers(-(10**18), 10**18))
def test_durations_read_back(nanoseconds: int) -> None:
    assert units.parse_duration(units.format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1b", 1),
        ("1k", 1024),
        ("1kb", 1024),
        ("1KiB", 1024),
        ("1.5m", 1572864),
        ("2 g", 2 << 30),
        ("50M", 52428800),
    ],
)
def test_bytes(text: str, size: int) -> None:
    assert units.parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1", "1x", "1kbb", "1mx", "--"])
def test_bad_bytes(text: str) -> None:
    with pytest.raises(ValueError):
        units.parse_bytes(text)


@given(st.integers(0, 1 << 52), st.sampled_from(["", "b", "k", "kb", "kib", "M", "GiB", "t"]))
def test_sizes_scale(number: int, unit: str) -> None:
    factor = {"": 1, "b": 1, "k": 10, "m": 20, "g": 30, "t": 40}[unit[:1].lower()]
    expected = number if factor == 1 else int(float(number) * (1 << factor))
    assert units.parse_bytes(f"{number}{unit}") == expected


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [(80, "", "", "tcp")]),
        ("8080:80/udp", [(80, "8080", "", "udp")]),
        ("127.0.0.1:8080:80", [(80, "8080", "127.0.0.1", "tcp")]),
        ("127.0.0.1::80", [(80, "", "127.0.0.1", "tcp")]),
        ("[::1]:1:2", [(2, "1", "::1", "tcp")]),
        ("1-2:3-4", [(3, "1", "", "tcp"), (4, "2", "", "tcp")]),
        ("6000-6010:6000", [(6000, "6000-6010", "", "tcp")]),
        ("9999-10000", [(10000, "", "", "tcp"), (9999, "", "", "tcp")]),
    ],
)
def test_ports(text: str, ports: list[tuple[int, str, str, str]]) -> None:
    found = [(port.target, port.published, port.host_ip, port.protocol) for port in units.parse_ports(text)]
    assert found == ports


@pytest.mark.parametrize("text", ["", "a", "1:2:3:4", "70000", "2-1", "1-3:1-2", "80/xyz", "x:80", "[::1:80:80"])
def test_bad_ports(text: str) -> None:
    with pytest.raises(ValueError):
        units.parse_ports(text)


@given(st.integers(1, 65535), st.integers(1, 65535), st.sampled_from(["tcp", "udp", "sctp"]))
def test_published_ports(published: int, target: int, protocol: str) -> None:
    (port,) = units.parse_ports(f"{published}:{target}/{protocol}")
    assert (port.published, port.target, port.protocol) == (str(published), target, protocol)


def test_mounts() -> None:
    assert units.parse_volume("/x") == {"type": "volume", "target": "/x"}
    assert units.parse_volume("vol:/a/../b:ro") == {
        "type": "volume",
        "source": "vol",
        "target": "/b",
        "read_only": True,
        "volume": {},
    }
    bind = units.parse_volume("./s:/t:rw,z,rshared")
    assert bind["bind"] == {"selinux": "z", "propagation": "rshared", "create_host_path": True}
    assert units.parse_volume("C:\\win:/win")["source"] == "C:\\win"


@pytest.mark.parametrize("spec", ["", ":/d", "aa::b", "aa:bb:cc:dd"])
def test_bad_mounts(spec: str) -> None:
    with pytest.raises(ValueError):
        units.parse_volume(spec)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("a\\ b", ["a b"]),
        ("a 'b\\n'", ["a", "b\\n"]),
        ("''", [""]),
        ("", []),
        ("a; b", ["a"]),
        ("a 2> b", ["a"]),
        ("$(a b) c", ["$(a b)", "c"]),
        ("`a b`", ["`a b`"]),
    ],
)
def test_commands(line: str, words: list[str]) -> None:
    assert units.split_command(line) == words


@pytest.mark.parametrize("line", ["'a", '"a', "a\\", "a (b", "`a"])
def test_bad_commands(line: str) -> None:
    with pytest.raises(ValueError):
        units.split_command(line)


@given(
    st.lists(st.text(st.characters(exclude_characters="'\\`$()", exclude_categories=("Cs",)), min_size=1), max_size=6)
)
def test_single_quotes_keep_words(words: list[str]) -> None:
    assert units.split_command(" ".join(f"'{word}'" for word in words)) == words
