"""The BPF program for device rules, run by a small interpreter of the instructions it uses."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.linux import devicefilter
from pycompose.engine.runtime.defaults import device_rules

BLOCK, CHARACTER = 1, 2
MKNOD, READ, WRITE = 1, 2, 4


def verdict(code: bytes, kind: int, access: int, major: int, minor: int) -> bool:
    """What the kernel would answer."""
    context = {0: access << 16 | kind, 4: major, 8: minor}
    registers = [0] * 11
    instructions = [struct.unpack_from("<BBhi", code, at) for at in range(0, len(code), 8)]
    position = 0
    while True:
        operation, both, offset, value = instructions[position]
        first, second = both & 15, both >> 4
        position += 1
        match operation:
            case 0x61:
                registers[first] = context[offset]
            case 0x57:
                registers[first] &= value
            case 0x77:
                registers[first] >>= value
            case 0xB7:
                registers[first] = value
            case 0xBF:
                registers[first] = registers[second]
            case 0x55:
                position += offset if registers[first] != value else 0
            case 0x5D:
                position += offset if registers[first] != registers[second] else 0
            case 0x95:
                return bool(registers[0])
            case _:
                raise AssertionError(f"unexpected instruction {operation:#x}")


def expected(rules: list[dict[str, Any]], kind: int, access: int, major: int, minor: int) -> bool:
    """The last matching rule decides; nothing matches: no."""
    for rule in reversed(rules):
        letters = rule.get("access") or "rwm"
        bits = sum(bit for letter, bit in (("m", MKNOD), ("r", READ), ("w", WRITE)) if letter in letters)
        wanted = rule.get("type") or "a"
        if wanted != "a":
            if (wanted == "b") != (kind == BLOCK):
                continue
            if rule.get("major", -1) >= 0 and rule["major"] != major:
                continue
            if rule.get("minor", -1) >= 0 and rule["minor"] != minor:
                continue
        if access & ~bits:
            continue
        return bool(rule["allow"])
    return False


RULE = st.fixed_dictionaries(
    {"allow": st.booleans()},
    optional={
        "type": st.sampled_from(["a", "b", "c"]),
        "access": st.sampled_from(["r", "w", "m", "rw", "rwm", "rm"]),
        "major": st.integers(-1, 3),
        "minor": st.integers(-1, 3),
    },
)


@given(
    st.lists(RULE, max_size=6),
    st.sampled_from([BLOCK, CHARACTER]),
    st.integers(1, 7),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_program_and_rules_agree(rules: list[dict[str, Any]], kind: int, access: int, major: int, minor: int) -> None:
    code = devicefilter.compile_rules(rules)
    assert verdict(code, kind, access, major, minor) == expected(rules, kind, access, major, minor)


def test_dockers_defaults() -> None:
    code = devicefilter.compile_rules(device_rules())
    assert verdict(code, CHARACTER, READ | WRITE, 1, 3)
    assert verdict(code, CHARACTER, READ | WRITE, 136, 42)
    assert verdict(code, BLOCK, MKNOD, 254, 0)
    assert not verdict(code, BLOCK, READ, 254, 0)
    assert not verdict(code, CHARACTER, READ, 1, 11)


def test_privileged_needs_no_program() -> None:
    assert devicefilter.allows_everything([{"allow": False, "access": "rwm"}, {"allow": True, "access": "rwm"}])
    assert not devicefilter.allows_everything(device_rules())


@pytest.mark.parametrize("rule", [{"allow": True, "type": "x"}, {"allow": True, "access": "q"}])
def test_malformed_rules(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown device"):
        devicefilter.compile_rules([rule])
