"""Plans as text: what `pycompose plan` prints for typical situations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.composing import State, make_project

from pycompose.compose.errors import Mark
from pycompose.compose.plan.observe import BuiltImage
from pycompose.compose.plan.reconcile.down import reconcile_down
from pycompose.compose.plan.reconcile.lifecycle import plan_restart, plan_start
from pycompose.compose.plan.reconcile.options import DownOptions, UpOptions
from pycompose.compose.plan.reconcile.up import needs_image_stage, reconcile_up
from pycompose.compose.plan.text import outline, recorded_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from pycompose.compose.model import Project
    from pycompose.compose.plan.plan import Plan

DATA = Path(__file__).parent / "data" / "plans"

HEALTH = {"test": ["CMD", "true"]}


def site(**changes: Any) -> Project:
    services: dict[str, Any] = {
        "db": {"image": "mariadb", "healthcheck": HEALTH, "environment": {"A": "1"}},
        "migrate": {"image": "app", "depends_on": {"db": {"condition": "service_healthy"}}},
        "web": {
            "image": "app",
            "build": {"context": "/src"},
            "depends_on": {
                "db": {"condition": "service_healthy", "restart": True},
                "migrate": {"condition": "service_completed_successfully"},
            },
            "volumes": [{"type": "volume", "source": "html", "target": "/html", "volume": {}}],
        },
    }
    for name, tree in changes.items():
        services[name] = {**services.get(name, {}), **tree}
    return make_project(services, volumes={"html": {}})


def running(project: Project) -> State:
    state = State(project, frozenset({"migrate"}))
    for ref in ("mariadb", "app", "cache"):
        state.have_image(ref, volumes=("/var/lib/mysql",) if ref == "mariadb" else ())
    for operation in reconcile_up(project, state.snapshot(), UpOptions(), {}).operations:
        state.apply(operation)
    return state


def first_up() -> Plan:
    project = site()
    state = State(project)
    return reconcile_up(project, state.snapshot(), UpOptions(wait=True), {})


def nothing_to_do() -> Plan:
    project = site()
    return reconcile_up(project, running(project).snapshot(), UpOptions(), {})


def changed_environment() -> Plan:
    state = running(site())
    project = site(db={"environment": {"A": "2", "B": "3"}})
    marks = {**project.marks, ("services", "db", "environment", "A"): Mark("compose.yaml", 6, 7)}
    return reconcile_up(replace(project, marks=marks), state.snapshot(), UpOptions(), {})


def changed_image() -> Plan:
    project = site()
    state = running(project)
    state.have_image("app", "sha256:" + "2" * 64)
    return reconcile_up(project, state.snapshot(), UpOptions(), {})


def build_existing() -> Plan:
    project = site()
    state = running(project)
    stage = needs_image_stage(project, state.snapshot(), UpOptions(build=True), 0.0)
    assert stage is not None
    return stage


def made_by_docker_compose() -> Plan:
    project = site()
    state = running(project)
    for key, one in state.containers.items():
        state.containers[key] = replace(one, fields=None, config_hash="other", version="2.26.1")
    return reconcile_up(project, state.snapshot(), UpOptions(services=("db",)), {})


def scale_up_and_down() -> Plan:
    project = site()
    state = running(project)
    return reconcile_up(project, state.snapshot(), UpOptions(scale={"web": 3, "db": 0}), {})


def remove_orphans() -> Plan:
    state = running(site(cache={"image": "cache"}))
    return reconcile_up(site(), state.snapshot(), UpOptions(remove_orphans=True), {})


def network_changed() -> Plan:
    project = site()
    state = running(project)
    internal = replace(project, networks={"default": {"name": "demo_default", "internal": True}})
    return reconcile_up(internal, state.snapshot(), UpOptions(), {})


def stopped() -> Plan:
    project = site()
    state = running(project)
    for key, one in state.containers.items():
        state.containers[key] = replace(one, state="exited", exit_code=0, health="")
    return reconcile_up(project, state.snapshot(), UpOptions(), {})


def restarting() -> Plan:
    project = site()
    state = running(project)
    for key, one in state.containers.items():
        if one.service == "db":
            state.containers[key] = replace(one, state="restarting", exit_code=137, health="")
    return reconcile_up(project, state.snapshot(), UpOptions(wait=True), {})


def start_first() -> Plan:
    update = {"deploy": {"replicas": 2, "update_config": {"order": "start-first", "parallelism": 1}}}
    state = running(site(web=update))
    return reconcile_up(site(web={**update, "user": "1000"}), state.snapshot(), UpOptions(), {})


def start_first_on_a_port() -> Plan:
    """The port changes hands; a dependant that would be restarted is replaced in its turn, before what it used ends."""
    first: dict[str, Any] = {
        "deploy": {"update_config": {"order": "start-first"}},
        "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}],
    }
    before = site(web=first, db={"deploy": first["deploy"]})
    return reconcile_up(
        site(web=first, db={"deploy": first["deploy"], "user": "7"}), running(before).snapshot(), UpOptions(), {}
    )


def interrupted_recreation() -> Plan:
    project = site()
    state = running(project)
    changed = site(db={"user": "7"})
    state.project = changed
    for operation in reconcile_up(changed, state.snapshot(), UpOptions(), {}).operations:
        if operation.verb == "rename":
            break
        state.apply(operation)
    return reconcile_up(changed, state.snapshot(), UpOptions(), {})


def provider() -> Plan:
    project = make_project(
        {"db": {"provider": {"type": "cloud"}}, "web": {"depends_on": ["db"]}},
    )
    return reconcile_up(project, State(project).snapshot(), UpOptions(), {})


def shared_network() -> Plan:
    def build(value: str) -> Project:
        return make_project(
            {"vpn": {"environment": {"V": value}}, "app": {"network_mode": "service:vpn"}},
        )

    state = running(build("1"))
    state.have_image("busybox")
    for operation in reconcile_up(build("1"), state.snapshot(), UpOptions(), {}).operations:
        state.apply(operation)
    return reconcile_up(build("2"), state.snapshot(), UpOptions(), {})


def down_with_volumes() -> Plan:
    project = site()
    built = (BuiltImage("app:latest", "web"), BuiltImage("demo-gone:latest", "gone"))
    return reconcile_down(running(project).snapshot(), DownOptions(volumes=True, images="local"), project, built)


def restart_one() -> Plan:
    containers = list(running(site()).snapshot().containers)
    return plan_restart("demo", containers, [one for one in containers if one.service == "db"], 3, dependants=True)


def start_all() -> Plan:
    state = running(site())
    containers = [replace(one, state="exited", exit_code=0, health="") for one in state.containers.values()]
    return plan_start("demo", containers, wait=True)


CASES: tuple[Callable[[], Plan], ...] = (
    first_up,
    nothing_to_do,
    changed_environment,
    changed_image,
    build_existing,
    made_by_docker_compose,
    scale_up_and_down,
    remove_orphans,
    network_changed,
    stopped,
    restarting,
    start_first,
    start_first_on_a_port,
    interrupted_recreation,
    provider,
    shared_network,
    down_with_volumes,
    restart_one,
    start_all,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_plan_text(case: Callable[[], Plan], update_golden: bool) -> None:
    plan = case()
    text = plan.text() + "".join(f"warning: {one}\n" for one in plan.warnings)
    path = DATA / f"{case.__name__}.txt"
    if update_golden:
        path.write_text(text)
    assert text == path.read_text()


def test_outline() -> None:
    """A replacement is one line, in front of what waits for it, with what its fields were."""
    text = outline(changed_environment(), lambda operation, field: "1 → 2" if field == "environment.A" else "")
    assert text.splitlines()[:6] == [
        "demo: 6 steps",
        "1. stop demo-web-1",
        "     service db is replaced and restarts those that depend on it (compose.yaml:40:3)",
        "2. recreate demo-db-1  [after 1]",
        "     configuration changed (compose.yaml:20:3)",
        "       environment.A changed (compose.yaml:6:7): 1 → 2",
    ]
    assert "       environment.B added (compose.yaml:20:3)" in text
    assert "rename" not in text
    assert outline(nothing_to_do(), lambda operation, field: "") == "demo: nothing to do\n"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (("environment", "A"), "1"),
        (("environment", "B"), None),
        (("labels", "x"), "y"),
        (("command", 1), "b"),
        (("command", 7), None),
        (("ports", 0, "published"), "8080"),
        (("ports", 3, "published"), None),
        (("restart",), "always"),
        (("user",), "1000"),
        (("mem_limit",), 64),
        (("nothing",), None),
    ],
)
def test_what_a_container_was_made_with(path: tuple[str | int, ...], wanted: object) -> None:
    details = {
        "Config": {"Env": ["A=1"], "Labels": {"x": "y"}, "Cmd": ["a", "b"], "User": "1000"},
        "HostConfig": {
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "RestartPolicy": {"Name": "always"},
            "Memory": 64,
        },
    }
    service = {"ports": [{"target": 80, "published": "8081"}]}
    assert recorded_value(details, service, path) == wanted
