"""Clients that send wrong, huge and odd things: an answer in the 400s with words, never a failure of ours, nothing leaked.

A sample by default; ``--slow`` sends all of it (some 25,000 requests).
"""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING

import pytest
from support import hostile
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("hostile")) as running:
        running.import_busybox()
        running.json("POST", "/containers/create?name=target", {"Image": "busybox", "Cmd": ["sleep", "1000"]})
        running.json("POST", "/networks/create", {"Name": "target"})
        running.json("POST", "/volumes/create", {"Name": "target"})
        yield running


@pytest.fixture
def unharmed(engine: EngineRoot) -> Iterator[EngineRoot]:
    """The same process before and after, with as many descriptors, and nothing in its log."""
    pid, before = engine.pid, descriptors(engine)
    yield engine
    assert engine.pid == pid
    wait_for(lambda: descriptors(engine) <= before + 3, lambda: f"{descriptors(engine)} descriptors, {before} before")
    assert "Traceback" not in engine.log()


def descriptors(engine: EngineRoot) -> int:
    return len(os.listdir(f"/proc/{engine.pid}/fd"))


def check(answer: tuple[int, bytes] | None, label: str) -> None:
    assert answer is not None, f"no answer: {label}"
    status, body = answer
    assert b"internal error; the engine's log" not in body, (label, body[:300])
    assert b"Traceback" not in body, (label, body[:300])
    if status == 400 and body:
        assert json.loads(body[body.index(b"{") :])["message"], label


def creates(engine: EngineRoot, step: int) -> None:
    for label, body in list(hostile.sweep())[::step]:
        answer = hostile.send(engine, hostile.Attack("POST", "/containers/create", hostile.encoded(body), label), 30)
        check(answer, label)
        if answer is not None and answer[0] == 201:
            id = json.loads(answer[1])["Id"]
            check(hostile.send(engine, hostile.Attack("GET", f"/containers/{id}/json", b"", label), 30), label)
            engine.json("DELETE", f"/containers/{id}?force=1&v=1")


def others(engine: EngineRoot, step: int) -> None:
    for attack in [one for one in hostile.bodies() if not one.path.startswith("/auth")][::step]:
        answer = hostile.send(engine, attack, 30)
        check(answer, attack.label)
        if answer is not None and answer[0] == 201 and attack.path == "/networks/create":
            engine.json("DELETE", f"/networks/{json.loads(answer[1])['Id']}")


def anything(engine: EngineRoot, count: int, seed: int) -> None:
    drawn = hostile.attacks(random.Random(seed), ["target", "busybox", "bridge", "none", "json", "prune"])
    for attack in (next(drawn) for _ in range(count)):
        answer = hostile.send(engine, attack, 0.2 if hostile.endless(attack) else 30)
        if answer is not None or not hostile.endless(attack):
            check(answer, attack.label)


def test_create_bodies(unharmed: EngineRoot) -> None:
    creates(unharmed, 23)


def test_other_bodies(unharmed: EngineRoot) -> None:
    others(unharmed, 29)


def test_random_requests(unharmed: EngineRoot) -> None:
    anything(unharmed, 300, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_of_it(unharmed: EngineRoot) -> None:
    creates(unharmed, 1)
    others(unharmed, 1)
    for seed in range(2, 5):
        anything(unharmed, 1000, seed)
