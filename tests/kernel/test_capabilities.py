"""Capabilities set for real in a child, and read back by the program it becomes."""

from __future__ import annotations

import os
import subprocess

import pytest

from pycompose.engine.linux import caps
from pycompose.engine.linux.caps import Sets

pytestmark = pytest.mark.root


def sets_after_exec(sets: Sets, uid: int) -> dict[str, int]:
    """What /proc/self/status says in a program started with ``sets`` as ``uid``."""

    def become() -> None:
        caps.limit_bounding(sets.bounding)
        caps.keep_over_setuid()
        os.setgroups([uid])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        caps.apply(sets)

    shown = subprocess.run(
        ["cat", "/proc/self/status"], preexec_fn=become, stdout=subprocess.PIPE, check=True, timeout=20
    ).stdout.decode()
    lines = (line.split() for line in shown.splitlines() if line.startswith("Cap"))
    return {name.rstrip(":"): int(value, 16) for name, value in lines}


CHOWN_KILL = caps.mask(["chown", "kill"])


def test_root_has_what_the_bounding_set_says() -> None:
    found = sets_after_exec(Sets(CHOWN_KILL, CHOWN_KILL, CHOWN_KILL), 0)
    assert found == {"CapInh": 0, "CapPrm": CHOWN_KILL, "CapEff": CHOWN_KILL, "CapBnd": CHOWN_KILL, "CapAmb": 0}


def test_root_without_any() -> None:
    assert set(sets_after_exec(Sets(), 0).values()) == {0}


def test_another_user_has_none_after_exec() -> None:
    found = sets_after_exec(Sets(CHOWN_KILL, CHOWN_KILL, CHOWN_KILL), 1000)
    assert found == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": CHOWN_KILL, "CapAmb": 0}


def test_ambient_reaches_another_user() -> None:
    kill = caps.mask(["kill"])
    found = sets_after_exec(Sets(CHOWN_KILL, CHOWN_KILL, CHOWN_KILL, kill, kill), 1000)
    assert found == {"CapInh": kill, "CapPrm": kill, "CapEff": kill, "CapBnd": CHOWN_KILL, "CapAmb": kill}


def test_more_than_this_machine_has_is_left_out_and_named() -> None:
    everything = (1 << len(caps.NAMES)) - 1
    found = sets_after_exec(Sets(everything, everything, everything), 0)
    assert found["CapEff"] == caps.current().permitted & caps.bounding()
    lacking = caps.missing(caps.NAMES)
    assert caps.mask(lacking) == everything & ~caps.bounding()


def test_current_agrees_with_proc() -> None:
    with open("/proc/self/status") as file:
        shown = {line.split()[0]: int(line.split()[1], 16) for line in file if line.startswith("Cap")}
    now = caps.current()
    assert (caps.bounding(), now.effective, now.permitted, now.inheritable) == (
        shown["CapBnd:"],
        shown["CapEff:"],
        shown["CapPrm:"],
        shown["CapInh:"],
    )
