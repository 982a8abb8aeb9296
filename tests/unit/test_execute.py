"""The executor: outcomes spread the right way, whatever fails, and waits are woken by events."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.composing import make_project
from support.scripted_engine import Exchange, ScriptedEngine

from pycompose.compose.errors import EngineError
from pycompose.compose.labels import ONEOFF, SERVICE
from pycompose.compose.plan.observe import Snapshot, container
from pycompose.compose.plan.ops import (
    Cause,
    CreateContainer,
    Key,
    Operation,
    RemoveContainer,
    RemoveVolume,
    StartContainer,
    WaitCompleted,
    WaitHealthy,
)
from pycompose.compose.plan.plan import assemble
from pycompose.compose.plan.readiness import NotReady, Progressing, Ready, judge
from pycompose.compose.plan.reconcile.options import UpOptions
from pycompose.compose.plan.reconcile.up import reconcile_up
from pycompose.compose.run.execute import FAILED, OK, SKIPPED, run_plan
from pycompose.compose.run.perform import World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WHY = Cause("test")


def volume(name: str, needs: Sequence[str] = (), after: Sequence[str] = ()) -> RemoveVolume:
    return RemoveVolume(
        name=name,
        cause=WHY,
        needs=tuple(Key(f"remove volume {one}") for one in needs),
        after=tuple(Key(f"remove volume {one}") for one in after),
    )


def run(tmp_path: Path, operations: Sequence[Operation], bad: str = "") -> tuple[dict[str, str], list[str]]:
    order: list[str] = []

    def answer(one: Exchange) -> None:
        name = one.path.rsplit("/", 1)[1]
        order.append(name)
        if name == bad:
            one.json({"message": "refused"}, 500)
        else:
            one.empty()

    with ScriptedEngine(tmp_path, answer) as engine:
        world = World(engine.client(), Snapshot("demo"), lambda event: None)
        outcomes = run_plan(assemble("demo", operations), world)
    return {key.removeprefix("remove volume "): one.state for key, one in outcomes.items()}, order


def test_order_is_kept(tmp_path: Path) -> None:
    states, order = run(tmp_path, [volume("c", ["b"]), volume("b", after=["a"]), volume("a")])
    assert order == ["a", "b", "c"]
    assert set(states.values()) == {OK}


def test_a_failure_skips_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    operations = [volume("a"), volume("b", ["a"]), volume("c", ["b"]), volume("d", after=["a"]), volume("e")]
    states, order = run(tmp_path, operations, bad="a")
    assert states == {"a": FAILED, "b": SKIPPED, "c": SKIPPED, "d": OK, "e": OK}
    assert sorted(order) == ["a", "d", "e"]


def test_many_at_once(tmp_path: Path) -> None:
    states, order = run(tmp_path, [volume(str(number)) for number in range(200)])
    assert len(order) == 200
    assert set(states.values()) == {OK}


def test_planner_bugs_are_noticed() -> None:
    with pytest.raises(ValueError, match="wait for each other"):
        assemble("demo", [volume("a", ["b"]), volume("b", ["a"])])
    with pytest.raises(ValueError, match="one key"):
        assemble("demo", [volume("a"), volume("a")])


def inspected(status: str, health: str | None = None, code: int = 0, restart: str = "no") -> dict[str, object]:
    state: dict[str, object] = {"Status": status, "ExitCode": code}
    if health is not None:
        state["Health"] = {"Status": health, "Log": []}
    return {"State": state, "HostConfig": {"RestartPolicy": {"Name": restart}}, "Config": {}}


class Waiting:
    """An engine with one container whose state a test changes, telling by an event."""

    def __init__(self) -> None:
        self.state = inspected("running", "starting")
        self.subscribed = threading.Event()
        self.stream: Exchange | None = None
        self.looked = threading.Semaphore(0)

    def answer(self, one: Exchange) -> None:
        if one.path == "/events":
            self.stream = one
            one.chunked([], end=False)
            self.subscribed.set()
        elif one.path == "/containers/c/json":
            one.json(self.state)
            self.looked.release()
        else:
            one.empty()

    def become(self, state: dict[str, object]) -> None:
        self.state = state
        assert self.stream is not None
        line = b'{"Type":"container","Action":"x","Actor":{"ID":"c"}}\n'
        self.stream.raw(b"%x\r\n%b\r\n" % (len(line), line))


@pytest.mark.parametrize(
    ("wait", "steps", "outcome", "words"),
    [
        (WaitHealthy, [inspected("running", "starting"), inspected("running", "healthy")], OK, ""),
        (WaitHealthy, [inspected("running", "unhealthy")], FAILED, "is unhealthy"),
        (WaitHealthy, [inspected("exited", "unhealthy", 3)], FAILED, "exited (3)"),
        (WaitCompleted, [inspected("exited")], OK, ""),
        (WaitCompleted, [inspected("exited", code=2)], FAILED, "didn't complete successfully: exit 2"),
    ],
)
def test_waits_end_with_events(
    tmp_path: Path, wait: type[WaitHealthy | WaitCompleted], steps: list[dict[str, object]], outcome: str, words: str
) -> None:
    engine_state = Waiting()

    def play() -> None:
        assert engine_state.looked.acquire(timeout=10)
        for step in steps:
            engine_state.become(step)

    with ScriptedEngine(tmp_path, engine_state.answer) as engine:
        world = World(engine.client(), Snapshot("demo"), lambda event: None)
        player = threading.Thread(target=play)
        player.start()
        operation = wait(id="c", name="demo-db-1", service="db", number=1, cause=WHY)
        outcomes = run_plan(assemble("demo", [operation]), world)
        player.join()
    (found,) = outcomes.values()
    assert found.state == outcome
    assert words in str(found.error or "")
    assert engine_state.subscribed.is_set()


def test_a_wait_has_an_end(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path, Waiting().answer) as engine:
        world = World(engine.client(), Snapshot("demo"), lambda event: None)
        wait = WaitHealthy(id="c", name="demo-db-1", cause=WHY)
        outcomes = run_plan(assemble("demo", [wait]), world, wait_timeout=0.2)
    (found,) = outcomes.values()
    assert str(found.error) == "application not healthy after 0.2s: container demo-db-1 is not ready"


def test_an_engine_that_goes_away_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pycompose.compose.run.watch_events.PAUSE", 0.01)

    def answer(one: Exchange) -> None:
        if one.path == "/events":
            one.chunked([], end=True)
        else:
            one.json(inspected("running", "starting"))

    with ScriptedEngine(tmp_path, answer) as engine:
        world = World(engine.client(), Snapshot("demo"), lambda event: None)
        outcomes = run_plan(assemble("demo", [WaitHealthy(id="c", name="demo-db-1", cause=WHY)]), world)
    (found,) = outcomes.values()
    assert found.state == FAILED
    assert "event stream" in str(found.error)


def test_start_failures_carry_the_engines_words(tmp_path: Path) -> None:
    with ScriptedEngine(tmp_path, lambda one: one.json({"message": "port is already allocated"}, 500)) as engine:
        world = World(engine.client(), Snapshot("demo"), lambda event: None)
        outcomes = run_plan(assemble("demo", [StartContainer(id="c", name="demo-db-1", cause=WHY)]), world)
    (found,) = outcomes.values()
    assert isinstance(found.error, EngineError)
    assert "port is already allocated" in str(found.error)


LENIENT = WaitHealthy(name="c", cause=WHY, running_is_enough=True)
STRICT = WaitHealthy(name="c", cause=WHY)


@pytest.mark.parametrize(
    ("tree", "operation", "verdict"),
    [
        (inspected("running"), LENIENT, Ready("Running")),
        (inspected("running", "starting"), LENIENT, Progressing()),
        (inspected("running", "healthy"), LENIENT, Ready("Healthy")),
        (inspected("restarting", "healthy", code=137, restart="always"), LENIENT, Progressing()),
        (inspected("restarting", "unhealthy", code=137, restart="always") | {"RestartCount": 4}, STRICT, Progressing()),
        (inspected("restarting", "unhealthy", code=1, restart="always") | {"RestartCount": 5}, LENIENT, "exited (1)"),
        (inspected("exited"), LENIENT, Ready("Exited")),
        (inspected("created"), STRICT, "no healthcheck"),
        (inspected("running"), STRICT, "no healthcheck"),
        (inspected("exited", restart="always"), LENIENT, "exited (0)"),
        (inspected("exited", code=1), LENIENT, "exited (1)"),
        (inspected("restarting", code=1, restart="always"), LENIENT, "is restarting"),
    ],
)
def test_judgement(tree: dict[str, object], operation: WaitHealthy, verdict: object) -> None:
    if isinstance(verdict, str):
        with pytest.raises(NotReady) as caught:
            judge(tree, operation)
        assert verdict in str(caught.value)
    else:
        assert judge(tree, operation) == verdict


@pytest.mark.parametrize("lost_at", ["PUT", "rename"])
def test_an_engine_that_is_lost_half_way_leaves_no_finished_container(tmp_path: Path, lost_at: str) -> None:
    """Nothing can be undone then: what stays must not have the name of a finished container."""
    names = ["unfinished_demo-web-1"]
    lost: list[str] = []

    def answer(one: Exchange) -> None:
        if lost:
            one.connection.close()
        elif one.path == "/containers/create":
            assert f"name={names[0]}" in one.target
            one.json({"Id": "made"}, 201)
        elif one.method == lost_at or one.path.endswith(f"/{lost_at}"):
            lost.append(one.path)
            one.connection.close()
        elif one.path.endswith("/archive"):
            one.empty(200)
        else:
            one.json({"Id": "sha256:image", "Config": {"User": ""}})

    project = make_project({"web": {"secrets": [{"source": "s"}]}}, secrets={"s": {"environment": "S"}})
    project = replace(project, environment={"S": "hidden"})
    create = CreateContainer(name="demo-web-1", service="web", number=1, config_hash="x", cause=WHY)
    start = StartContainer(name="demo-web-1", service="web", number=1, needs=(create.key,), cause=WHY)
    with ScriptedEngine(tmp_path, answer) as engine:
        world = World(engine.client(), Snapshot("demo"), lambda event: None, project)
        outcomes = run_plan(assemble("demo", [create, start]), world)
    assert {key: one.state for key, one in outcomes.items()} == {create.key: FAILED, start.key: SKIPPED}
    assert isinstance(outcomes[create.key].error, EngineError)
    assert lost
    left = container({"Id": "made", "Names": [f"/{names[0]}"], "Labels": {SERVICE: "web", ONEOFF: "False"}})
    snapshot = Snapshot("demo", (left,))
    assert snapshot.of_service("web") == []
    plan = reconcile_up(make_project({"web": {}}), snapshot, UpOptions(), {})
    assert [one.key for one in plan.operations if isinstance(one, RemoveContainer)] == [f"remove {names[0]}"]
