from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.linux import caps
from pycompose.engine.linux.caps import NAMES, Sets

MASK = st.integers(0, (1 << len(NAMES)) - 1)


@given(MASK)
def test_names_and_masks(bits: int) -> None:
    assert caps.mask(caps.names(bits)) == bits


def test_spellings() -> None:
    assert caps.number("CAP_CHOWN") == caps.number("chown") == caps.number("Cap_Chown") == 0
    assert caps.number("NET_ADMIN") == 12
    assert caps.number("checkpoint_restore") == 40
    assert caps.names(1 << 50) == ("CAP_50",)
    with pytest.raises(ValueError, match="unknown capability 'CAP_FLY'"):
        caps.number("CAP_FLY")


def test_from_oci() -> None:
    sets = Sets.from_oci({"bounding": ["CAP_KILL", "CAP_CHOWN"], "ambient": ["CAP_KILL"], "effective": []})
    assert sets == Sets(bounding=0b100001, ambient=0b100000)


@given(MASK, MASK, MASK, MASK, MASK, MASK)
def test_within_is_what_the_kernel_accepts(a: int, b: int, c: int, d: int, e: int, available: int) -> None:
    sets = Sets(a, b, c, d, e).within(available)
    assert sets.effective & ~sets.permitted == 0
    assert sets.ambient & ~(sets.permitted & sets.inheritable) == 0
    assert sets.permitted & ~available == 0
