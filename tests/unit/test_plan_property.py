"""Applying a plan to a model of an engine and reconciling again gives an empty plan; so does finishing a cut-off one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.composing import State, make_project

from pycompose.compose.plan.reconcile.down import reconcile_down
from pycompose.compose.plan.reconcile.options import DownOptions, UpOptions
from pycompose.compose.plan.reconcile.up import needs_image_stage, reconcile_up

if TYPE_CHECKING:
    from pycompose.compose.model import Project
    from pycompose.compose.plan.plan import Plan

NAMES = ("a", "b", "c", "d", "e")
CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")


@st.composite
def projects(draw: st.DrawFn) -> tuple[Project, frozenset[str]]:
    """A project without cycles, and which of its services are one-shots."""
    names = list(NAMES[: draw(st.integers(1, 5))])
    one_shots: set[str] = set()
    services: dict[str, Any] = {}
    for index, name in enumerate(names):
        service: dict[str, Any] = {"image": draw(st.sampled_from(["busybox", "other", f"img-{name}"]))}
        depends: dict[str, Any] = {}
        for other in names[:index]:
            if draw(st.booleans()):
                condition = draw(st.sampled_from(CONDITIONS))
                if other in one_shots and condition == "service_healthy":
                    condition = "service_completed_successfully"
                if condition == "service_completed_successfully" and other not in one_shots:
                    condition = "service_started"
                if condition == "service_healthy":
                    services[other]["healthcheck"] = {"test": ["CMD", "true"]}
                depends[other] = {"condition": condition, "required": True, "restart": draw(st.booleans())}
        if depends:
            service["depends_on"] = depends
        shared = [
            other
            for other in names[:index]
            if other not in one_shots and "network_mode" not in services[other] and "deploy" not in services[other]
        ]
        if shared and draw(st.integers(0, 5)) == 0:
            donor = draw(st.sampled_from(shared))
            service["network_mode"] = f"service:{donor}"
        else:
            service["networks"] = {key: None for key in ("default", *draw(st.sets(st.sampled_from(["front", "back"]))))}
        if draw(st.booleans()):
            service["volumes"] = [
                {"type": "volume", "source": "data", "target": "/data", "volume": {}},
                {"type": "volume", "target": "/anonymous", "volume": {}},
            ]
        if draw(st.integers(0, 2)) == 0:
            kinds = st.sampled_from([{}, {"per_replica": True}, {"image": "init"}])
            service["pre_start"] = draw(st.lists(kinds, min_size=1, max_size=3))
        service["environment"] = {"V": str(draw(st.integers(0, 2)))}
        if draw(st.integers(0, 3)) == 0:
            service["deploy"] = {"replicas": draw(st.integers(0, 3))}
            if draw(st.booleans()):
                order = draw(st.sampled_from(["start-first", "stop-first"]))
                service["deploy"]["update_config"] = {
                    "parallelism": draw(st.integers(0, 2)),
                    "order": order,
                    "monitor": draw(st.sampled_from([0, "1s"])),
                    "failure_action": draw(st.sampled_from(["pause", "continue", "rollback"])),
                }
        elif draw(st.integers(0, 3)) == 0:
            one_shots.add(name)
        services[name] = service
    needed = {
        other
        for tree in services.values()
        for other, one in (tree.get("depends_on") or {}).items()
        if one["condition"] == "service_completed_successfully"
    }
    for name in one_shots & needed:
        services[name]["environment"]["ONCE"] = "1"
    project = make_project(
        services,
        networks={key: {"name": f"demo_{key}", "internal": draw(st.booleans())} for key in ("front", "back")},
        volumes={"data": {}},
    )
    return project, frozenset(one_shots & needed)


def bring_up(state: State, project: Project, options: UpOptions, limit: int | None = None) -> list[str]:
    """Plan and apply as `up` does, at most ``limit`` operations; the keys applied."""
    state.project = project
    applied: list[str] = []

    def carry_out(plan: Plan) -> None:
        for operation in plan.operations:
            if limit is not None and len(applied) >= limit:
                return
            assert all(key in applied or key not in {one.key for one in plan.operations} for key in operation.needs)
            state.apply(operation)
            applied.append(operation.key)

    stage = needs_image_stage(project, state.snapshot(), options, 0.0)
    if stage is not None:
        carry_out(stage)
        if limit is not None and len(applied) >= limit:
            return applied
    carry_out(reconcile_up(project, state.snapshot(), options, {}))
    return applied


@settings(max_examples=60, deadline=None)
@given(projects(), st.booleans())
def test_up_twice_is_up_once(drawn: tuple[Project, frozenset[str]], wait: bool) -> None:
    project, one_shots = drawn
    state = State(project, one_shots)
    options = UpOptions(wait=wait)
    bring_up(state, project, options)
    assert reconcile_up(project, state.snapshot(), options, {}).text() == "demo: nothing to do\n"


@settings(max_examples=60, deadline=None)
@given(projects(), projects(), st.sampled_from(["diverged", "force"]))
def test_from_any_model_to_any_other(
    first: tuple[Project, frozenset[str]], second: tuple[Project, frozenset[str]], recreate: str
) -> None:
    state = State(first[0], first[1])
    bring_up(state, first[0], UpOptions())
    state.one_shots = second[1]
    bring_up(state, second[0], UpOptions(recreate=recreate, remove_orphans=True))
    again = reconcile_up(second[0], state.snapshot(), UpOptions(), {})
    assert again.text() == "demo: nothing to do\n"


@settings(max_examples=60, deadline=None)
@given(projects(), projects(), st.integers(0, 30))
def test_an_interrupted_up_is_finished_by_the_next(
    first: tuple[Project, frozenset[str]], second: tuple[Project, frozenset[str]], limit: int
) -> None:
    state = State(first[0], first[1])
    bring_up(state, first[0], UpOptions())
    state.one_shots = second[1]
    options = UpOptions(remove_orphans=True)
    bring_up(state, second[0], options, limit)
    bring_up(state, second[0], options)
    assert reconcile_up(second[0], state.snapshot(), options, {}).empty


@settings(max_examples=40, deadline=None)
@given(projects(), st.integers(0, 30))
def test_down_leaves_nothing_whatever_up_had_done(drawn: tuple[Project, frozenset[str]], limit: int) -> None:
    project, one_shots = drawn
    state = State(project, one_shots)
    bring_up(state, project, UpOptions(), limit)
    down = reconcile_down(state.snapshot(), DownOptions(volumes=True), project)
    for operation in down.operations:
        state.apply(operation)
    assert state.containers == {}
    assert state.networks == {}
    assert [name for name in state.volumes if not name.startswith("anon-")] == []
    assert reconcile_down(state.snapshot(), DownOptions(), project).empty


@settings(max_examples=40, deadline=None)
@given(projects(), st.data())
def test_scaling_there_and_back(drawn: tuple[Project, frozenset[str]], data: st.DataObject) -> None:
    project, one_shots = drawn
    state = State(project, one_shots)
    bring_up(state, project, UpOptions())
    shared = {tree.get("network_mode", "").removeprefix("service:") for tree in project.services.values()}
    names = sorted(set(project.services) - shared - one_shots)
    if not names:
        return
    name = data.draw(st.sampled_from(names))
    count = data.draw(st.integers(0, 4))
    options = UpOptions(services=(name,), scale={name: count})
    bring_up(state, project, options)
    assert len([one for one in state.containers.values() if one.service == name]) == count
    assert reconcile_up(project, state.snapshot(), options, {}).empty
