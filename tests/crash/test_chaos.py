"""Anything is killed at any moment of anything: afterwards the next command works, volumes hold what they held, nothing leaks.

The campaign goes on where the piece before has ended:

    CHAOS_RECORD=kills.json CHAOS_SECONDS=300 pytest --slow tests/crash/test_chaos.py -k campaign

The record is a JSON object: the seed, the rounds done, what was killed and during which verbs. Round n of a seed is always the
same choice of verbs, moments and victims.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.chaos import Rig
from support.killing import kill_all

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.timeout(1500)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    try:
        rig.prepare()
        yield rig
        rig.close()
    finally:
        kill_all(rig.engine.layout)


def play(rig: Rig, seed: int, number: int, kills: int) -> None:
    place = random.Random(f"{seed}/{number}")
    try:
        rig.round(place, number, kills)
        rig.check(number)
    except BaseException:
        print(f"seed {seed}", *rig.story[-8:], rig.engine.log()[-4000:], sep="\n")
        raise


def test_anything_is_killed(rig: Rig) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or time.time())
    end = time.monotonic() + 6
    number = 0
    while time.monotonic() < end:
        number += 1
        play(rig, seed, number, kills=2)
    print(f"{number} rounds", dict(rig.killed))


@pytest.mark.slow
def test_a_campaign(rig: Rig) -> None:
    record = Path(os.environ["CHAOS_RECORD"]) if "CHAOS_RECORD" in os.environ else None
    done = json.loads(record.read_text()) if record is not None and record.exists() else {}
    seed = int(done.get("seed") or os.environ.get("CHAOS_SEED") or time.time())
    killed, verbs = Counter(done.get("killed", {})), Counter(done.get("verbs", {}))
    number = int(done.get("rounds", 0))
    end = time.monotonic() + float(os.environ.get("CHAOS_SECONDS", "600"))
    while time.monotonic() < end:
        number += 1
        try:
            play(rig, seed, number, kills=10)
        finally:  # a round that fails is not played again by the next piece
            told = {
                "seed": seed,
                "rounds": number,
                "kills": (killed + rig.killed).total(),
                "killed": killed + rig.killed,
                "verbs": verbs + rig.verbs,
            }
            if record is not None:
                record.write_text(json.dumps(told, indent=1))
    print(json.dumps(told))
