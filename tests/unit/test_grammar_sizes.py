"""Sizes against go-units: RAMInBytes, FromHumanSize, HumanSize and BytesSize."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.grammar import sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1b", 1),
        ("1B", 1),
        ("1k", 1024),
        ("1kb", 1024),
        ("1KiB", 1024),
        ("1.5m", 1572864),
        (".5k", 512),
        ("1.k", 1024),
        ("2 g", 2 << 30),
        ("50M", 52428800),
        ("1e3", 1000),
        ("1e3k", 1024000),
        ("+5", 5),
        ("1.9", 1),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert sizes.parse(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid size: ''"),
        ("lots", "invalid size: 'lots'"),
        ("-1", "invalid size: '-1'"),
        ("1x", "invalid suffix: 'x'"),
        ("1kbb", "invalid suffix: 'kbb'"),
        ("1mx", "invalid suffix: 'mx'"),
        ("10ki", "invalid suffix: 'ki'; write 10k"),
        ("1bb", "invalid suffix: 'bb'"),
        ("1  k", "invalid size"),
        ("--", "invalid size"),
        ("1e400", "invalid size"),
        ("9999999p", "invalid size"),
        ("٣k", "invalid size"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        sizes.parse(text)
    assert message in str(caught.value)


@given(st.integers(0, 1 << 52), st.sampled_from(["", "b", "k", "kb", "kib", "M", "GiB"]))
def test_scale(number: int, unit: str) -> None:
    power = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3}[unit[:1].lower()]
    wanted = int(float(number) * 1024**power)
    if wanted < 2**63:
        assert sizes.parse(f"{number}{unit}") == wanted
        assert sizes.parse_decimal(f"{number}{unit}") == int(float(number) * 1000**power)


@pytest.mark.parametrize(
    ("count", "digits", "text"),
    [(0, 4, "0B"), (999, 4, "999B"), (1000, 3, "1kB"), (12_345_678, 3, "12.3MB"), (12_345_678, 4, "12.35MB")],
)
def test_decimal(count: int, digits: int, text: str) -> None:
    assert sizes.decimal(count, digits) == text


def test_binary() -> None:
    assert sizes.binary(1024 * 380) == "380KiB"
    assert sizes.binary(1 << 60) == "1024PiB"
