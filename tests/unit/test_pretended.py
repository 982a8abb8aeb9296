"""What a process is told of itself where it cannot be anybody but root, by the kernel's own rules."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pycompose.engine.linux import userns
from pycompose.engine.runtime import oneid
from pycompose.engine.runtime.pretended import KEEP, ROOT, Ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WAYS: dict[str, Callable[..., None]] = {"set": os.setuid, "set_two": os.setreuid, "set_three": os.setresuid}
_ID = st.sampled_from([KEEP, 0, 7, 33])
_CALL = st.one_of(
    st.tuples(st.just("set"), st.sampled_from([0, 7, 33])),
    st.tuples(st.just("set_two"), _ID, _ID),
    st.tuples(st.just("set_three"), _ID, _ID, _ID),
)


def _by_the_kernel(calls: Sequence[tuple[Any, ...]]) -> list[tuple[int, ...]]:
    """What a child really becomes, step by step; -1 three times where it was refused."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            for way, *wanted in calls:
                try:
                    _WAYS[way](*(-1 if one == KEEP else one for one in wanted))
                    ids = os.getresuid()
                except PermissionError:
                    ids = (-1, -1, -1)
                os.write(writer, struct.pack("=3i", *ids))
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    return list(struct.iter_unpack("=3i", data))


@pytest.mark.root
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_CALL, min_size=1, max_size=6))
def test_ids_change_as_the_kernel_changes_them(calls: list[tuple[str, ...]]) -> None:
    ids, told = Ids(), []
    for way, *wanted in calls:
        try:
            ids = getattr(ids, way)(*wanted, privileged=ids.effective == 0)
            told.append((ids.real, ids.effective, ids.saved))
        except PermissionError:
            told.append((-1, -1, -1))
    assert told == _by_the_kernel(calls)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_ends_in_a_verdict_wherever_it_leads(machine: str) -> None:
    steps = list(struct.iter_unpack("<HBBI", oneid.program(machine)))
    for number, (code, equal, other, _) in enumerate(steps):
        if code == 0x15:
            assert number + 1 + max(equal, other) < len(steps)
    assert steps[-1][0] == 0x06
    assert len(oneid.names(machine)) == 15
    assert oneid.program("other") == b""


def test_maps_are_read_lowest_first() -> None:
    text = "         1     100000      65536\n         0       1000          1\n"
    assert userns.parse_map(text) == ((0, 1000, 1), (1, 100000, 65536))


def test_rights_are_kept_for_as_long_as_the_program_runs_that_has_asked_for_it() -> None:
    """setpriv becomes the user first, and then the group."""
    asked = ROOT._replace(program="/usr/bin/setpriv", keeps=True)
    other = asked.become(Ids(7, 7, 7))
    assert other.privileged and other.running("/usr/bin/setpriv").privileged
    assert not other.running("/usr/bin/redis-server").privileged
    assert not ROOT.become(Ids(7, 7, 7)).privileged
    assert not ROOT.become(Ids(7, 7, 7))._replace(keeps=True).become(Ids(7, 7, 7)).privileged
