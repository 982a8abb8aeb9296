"""Deployments as plans and their runs: waves, causes with places, pruning, what a failure blocks. No cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.composing import make_project

from pycompose.compose.deploy.changes import differences
from pycompose.compose.deploy.objects import COMPLETED, READY, Cluster, Found, Wanted
from pycompose.compose.deploy.plan import Gate, Options, Rules, plan_deployment, plan_removal
from pycompose.compose.deploy.report import failure_report
from pycompose.compose.deploy.run import FAILED, OK, SKIPPED, NotReady, run_plan
from pycompose.compose.deploy.state import FAILED as IS_FAILED
from pycompose.compose.deploy.state import READY as IS_READY
from pycompose.compose.deploy.state import WAITING, Trouble, Verdict
from pycompose.compose.deploy.target import Target, find_target
from pycompose.compose.errors import LoadError, OperationError, PlanError, UsageError

if TYPE_CHECKING:
    from pycompose.compose.deploy.ops import AwaitService
    from pycompose.compose.plan.ops import Operation
    from pycompose.compose.plan.plan import Plan
    from pycompose.compose.run.events import Event

SERVICES: dict[str, dict[str, object]] = {"db": {}, "migrate": {}, "web": {}}
DONE = Verdict(IS_READY, "1/1", running=True)


def wanted(**bodies: Any) -> list[Wanted]:
    """A network, and three services of which each waits for the one before."""
    body = {name: bodies.get(name, {"image": "1"}) for name in SERVICES}
    return [
        Wanted("network", "n", {"driver": "overlay"}, ("networks", "default")),
        Wanted("service", "db", body["db"], ("services", "db"), "db", READY, ("network n",)),
        Wanted("service", "migrate", body["migrate"], ("services", "migrate"), "migrate", COMPLETED, ("network n",)),
        Wanted("service", "web", body["web"], ("services", "web"), "web", READY, ("network n",)),
    ]


GATES = {
    "service migrate": [Gate("service db", READY)],
    "service web": [Gate("service migrate", COMPLETED)],
}


def plan(
    objects: list[Wanted],
    there: dict[str, Found] | None = None,
    verdicts: dict[str, Verdict] | None = None,
    **more: Any,
) -> Plan:
    rules = Rules(
        {one.key: one.body for one in objects},
        {"service": {("image",): ("image",)}},
        {"network": ((),), "service": (("mode",),)},
        frozenset({"service"}),
    )
    cluster = Cluster(there or {}, verdicts or {})
    return plan_deployment(make_project(SERVICES), objects, cluster, GATES, rules, Options(**more))


def found(objects: list[Wanted]) -> dict[str, Found]:
    return {one.key: Found(one.kind, one.name, one.name, 1, one.body, one.service) for one in objects}


READY_ALL = {f"service {name}": DONE for name in SERVICES}


def test_a_first_deployment_goes_in_waves() -> None:
    assert plan(wanted()).text() == (
        "demo: 7 operations\n"
        "1. create network n\n"
        "     it does not exist\n"
        "2. create service db  [after 1]\n"
        "     it does not exist (compose.yaml:20:3)\n"
        "3. wait for service db  [after 2]\n"
        "     service migrate depends on it (compose.yaml:30:3)\n"
        "4. create service migrate  [after 1, 3]\n"
        "     it does not exist (compose.yaml:30:3)\n"
        "5. wait for service migrate  [after 4]\n"
        "     service web depends on it (compose.yaml:40:3)\n"
        "6. create service web  [after 1, 5]\n"
        "     it does not exist (compose.yaml:40:3)\n"
        "7. wait for service web  [after 6]\n"
        "     deploy waits until services are ready (compose.yaml:40:3)\n"
    )


def test_nothing_to_do_is_an_empty_plan() -> None:
    objects = wanted()
    assert plan(objects, found(objects), READY_ALL).text() == "demo: nothing to do\n"


def test_what_differs_is_told_and_what_is_ready_is_not_waited_for() -> None:
    there = found(wanted())
    text = plan(wanted(web={"image": "2"}), there, READY_ALL).text()
    assert text == (
        "demo: 2 operations\n"
        "1. update service web\n"
        "     it differs (compose.yaml:40:3)\n"
        "       image changed (compose.yaml:40:3)\n"
        "2. wait for service web  [after 1]\n"
        "     deploy waits until services are ready (compose.yaml:40:3)\n"
    )


def test_a_deployment_that_was_broken_off_is_finished() -> None:
    objects = wanted()
    there = {key: one for key, one in found(objects).items() if key != "service web"}
    verdicts = {"service db": DONE, "service migrate": Verdict(WAITING, "0/1")}
    keys = [one.key for one in plan(objects, there, verdicts).operations]
    assert keys == ["wait for service migrate", "create service web", "wait for service web"]


def test_updates_go_in_waves_in_whatever_order_services_are_named() -> None:
    there = found(wanted())
    changed = wanted(db={"image": "2"}, migrate={"image": "2"}, web={"image": "2"})
    keys = [one.key for one in plan([changed[0], *reversed(changed[1:])], there, READY_ALL).operations]
    assert keys == [
        "update service db",
        "wait for service db",
        "update service migrate",
        "wait for service migrate",
        "update service web",
        "wait for service web",
    ]


def test_a_job_that_failed_is_tried_again() -> None:
    objects = wanted()
    verdicts = {**READY_ALL, "service migrate": Verdict(IS_FAILED, "exit code 4")}
    operations = plan(objects, found(objects), verdicts).operations
    assert [one.key for one in operations] == [
        "remove service migrate",
        "create service migrate",
        "wait for service migrate",
    ]
    assert operations[0].cause.reason == "it failed before"


def test_what_no_update_can_change_is_replaced_or_refused() -> None:
    there = found(wanted(web={"image": "1", "mode": "a"}))
    keys = [one.key for one in plan(wanted(web={"image": "1", "mode": "b"}), there, READY_ALL, wait=False).operations]
    assert keys == ["remove service web", "create service web"]
    other = [Wanted("network", "n", {"driver": "bridge"}, ("networks", "default")), *wanted()[1:]]
    with pytest.raises(PlanError, match="network n is there with another driver"):
        plan(other, found(wanted()), READY_ALL)


def test_what_the_project_no_longer_has_goes_after_everything_else() -> None:
    objects = wanted()
    there = found(objects)
    there["secret old"] = Found("secret", "old", "1", 1, {})
    there["service gone"] = Found("service", "gone", "2", 1, {}, "gone")
    there["pin data"] = Found("pin", "data", "3", 1, {}, kept=True)
    changed = wanted(web={"image": "2"})
    operations = plan(changed, there, READY_ALL).operations
    assert [one.key for one in operations][-2:] == ["remove service gone", "remove secret old"]
    assert "wait for service web" in operations[-1].needs
    assert all(one.verb != "remove" for one in plan(changed, there, READY_ALL, prune=False).operations)


def test_removal_takes_services_first_and_volumes_only_when_asked() -> None:
    there = {
        "Namespace n": Found("Namespace", "n", "0", 1, {}, kept=True),
        "secret s": Found("secret", "s", "1", 1, {}),
        "service web": Found("service", "web", "2", 1, {}, "web"),
        "pin data": Found("pin", "data", "3", 1, {}, kept=True),
    }
    kept = plan_removal("demo", Cluster(there), volumes=False)
    assert [one.key for one in kept.operations] == ["remove service web", "remove secret s"]
    every = [one.key for one in plan_removal("demo", Cluster(there), volumes=True).operations]
    assert every == ["remove service web", "remove secret s", "remove pin data", "remove Namespace n"]


def test_differences_name_leaves() -> None:
    old = {"a": 1, "b": [1, 2, 3], "c": {"d": 1}, "gone": 1}
    new = {"a": 2, "b": [1, 3], "c": {"d": 1, "e": 2}}
    assert list(differences(old, new)) == [
        (("a",), "changed"),
        (("b", 1), "removed"),
        (("c", "e"), "added"),
        (("gone",), "removed"),
    ]


class Scripted:
    """A cluster that answers what a test tells it to: verdicts by service, one after the other; the last stays."""

    def __init__(self, verdicts: dict[str, list[Verdict]], fails: str = "") -> None:
        self.done: list[str] = []
        self.undone: list[str] = []
        self._verdicts = verdicts
        self._fails = fails
        self.waits = 0

    def perform(self, operation: Operation) -> None:
        if operation.key == self._fails:
            raise OperationError("refused")
        self.done.append(operation.key)

    def verdict(self, operation: AwaitService) -> Verdict:
        left = self._verdicts.get(operation.wanted.name, [DONE])
        return left.pop(0) if len(left) > 1 else left[0]

    def wait(self, seconds: float) -> None:
        self.waits += 1

    def settle(self) -> None:
        return

    def last_lines(self, source: str) -> list[str]:
        return [f"last words of {source}"]

    def undo(self, operation: AwaitService) -> bool:
        self.undone.append(operation.wanted.name)
        return operation.wanted.name == "web"


def run(hands: Scripted, timeout: float = 5.0) -> tuple[Plan, Any, list[Event]]:
    made = plan(wanted())
    events: list[Event] = []
    return made, run_plan(made, hands, events.append, timeout), events


def test_a_dependant_is_made_when_what_it_waits_for_is_ready() -> None:
    hands = Scripted({"db": [Verdict(WAITING, "0/1"), Verdict(WAITING, "0/1"), DONE]})
    _, outcomes, _ = run(hands)
    assert hands.done == ["create network n", "create service db", "create service migrate", "create service web"]
    assert {one.state for one in outcomes.values()} == {OK}
    assert hands.waits >= 1


def test_a_job_that_fails_stops_what_needs_it_and_is_named_with_its_log() -> None:
    trouble = Trouble("non-zero exit (4)", "1.abc", "n1", "try harder", "task")
    hands = Scripted({"migrate": [Verdict(IS_FAILED, "the job ended with exit code 4", (trouble,))]})
    made, outcomes, _ = run(hands)
    assert "create service web" not in hands.done
    assert outcomes["create service web"].state == SKIPPED
    assert failure_report(made, outcomes) == (
        "service migrate failed: the job ended with exit code 4\n"
        "  1.abc on n1: non-zero exit (4)\n"
        "    last 1 log line:\n"
        "      last words of task\n"
        "    hint: try harder\n"
        "  not deployed because of it: service web"
    )


def test_the_version_before_comes_back_after_its_lines_were_read() -> None:
    hands = Scripted({"web": [Verdict(IS_FAILED, "bad", (Trouble("r", source="pod"),))]})
    _, outcomes, _ = run(hands)
    error = outcomes["wait for service web"].error
    assert isinstance(error, NotReady)
    assert str(error).endswith("the version before is back")
    assert error.troubles[0].lines == ("last words of pod",)


def test_time_is_over() -> None:
    _, outcomes, _ = run(Scripted({"db": [Verdict(WAITING, "0/1")]}), timeout=0.0)
    assert outcomes["wait for service db"].state == FAILED
    assert "is not ready after 0s: 0/1" in str(outcomes["wait for service db"].error)


def test_a_refused_call_blocks_its_own_dependants_only() -> None:
    made, outcomes, events = run(Scripted({}, fails="create service web"))
    assert outcomes["create service web"].state == FAILED
    assert outcomes["wait for service migrate"].state == OK
    assert failure_report(made, outcomes) == "create service web: refused"
    assert any(getattr(one, "detail", "") == "refused" for one in events)


DECLARED = {
    "x-deploy": {"production": {"to": "swarm", "context": "prod", "registry": "r", "nodes": {"n2": "ssh://n2"}}}
}


def test_targets_are_named_by_kind_context_and_the_file() -> None:
    project = make_project(SERVICES, extensions=DECLARED)
    assert find_target(project, "swarm") == Target("swarm")
    assert find_target(project, "kubernetes:lab") == Target("kubernetes", "lab")
    assert find_target(project, "swarm", "there") == Target("swarm", "there")
    assert find_target(project, "production") == Target("swarm", "prod", "r", nodes={"n2": "ssh://n2"})
    assert find_target(project, "").context == "prod"
    assert find_target(project, "production", "other").context == "other"
    with pytest.raises(UsageError, match="unknown target 'nomad': one of swarm, kubernetes, production"):
        find_target(project, "nomad")
    with pytest.raises(UsageError, match="say where to with --to: swarm, kubernetes"):
        find_target(make_project(SERVICES), "")


def test_a_fragment_that_is_called_as_the_targets_is_none() -> None:
    project = make_project(SERVICES, extensions={"x-deploy": {"restart_policy": {"condition": "any"}, "replicas": 2}})
    assert find_target(project, "kubernetes") == Target("kubernetes")
    with pytest.raises(UsageError, match=r"say where to with --to: swarm, kubernetes$"):
        find_target(project, "")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ([], "x-deploy: must be a mapping"),
        ({"p": 1}, "x-deploy.p: must be a mapping"),
        ({"p": {"to": "nomad"}}, "x-deploy.p.to: must be one of swarm, kubernetes"),
        ({"p": {"to": "swarm", "contxt": 1}}, "x-deploy.p.contxt: unknown key"),
        ({"p": {"to": "swarm", "nodes": [], "registry": ["x"]}}, "x-deploy.p.registry: must be"),
        ({"p": {"to": "swarm", "nodes": "x"}}, "x-deploy.p.nodes: must map"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(section: Any, words: str) -> None:
    with pytest.raises(LoadError, match=words):
        find_target(make_project(SERVICES, extensions={"x-deploy": section}), "p")
