"""The engine's own health checks as words: what a Compose file becomes, what the engine reads, what other engines are spared."""

from __future__ import annotations

from typing import Any

import pytest
from support.composing import make_project

from pycompose.compose.convert.healthcheck import healthcheck
from pycompose.compose.load.conformance import own_probes
from pycompose.compose.model.values import Duration
from pycompose.compose.plan.preflight import contradictions
from pycompose.engine.containers.life.health import next_delay
from pycompose.engine.containers.life.healthstate import Health, Probe
from pycompose.engine.containers.spec import probing
from pycompose.engine.containers.spec.healthcheck import Check


@pytest.mark.parametrize(
    ("tree", "test", "parsed"),
    [
        ({"x-http": {"port": 80}}, ["HTTP", "port=80"], probing.HttpProbe(80)),
        (
            {"x-http": {"port": "8443", "path": "/a?b=c", "scheme": "https", "status": [200, "300-302"], "headers": {"Host": "x"}}},
            ["HTTP", "port=8443", "path=/a?b=c", "scheme=https", "status=200,300-302", "header=Host:x"],
            probing.HttpProbe(8443, "/a?b=c", ((200, 200), (300, 302)), True, (("Host", "x"),)),
        ),
        ({"x-tcp": 5432}, ["TCP", "port=5432"], probing.TcpProbe(5432)),
        ({"x-tcp": {"port": "5432"}}, ["TCP", "port=5432"], probing.TcpProbe(5432)),
        ({"x-log": "a=b c"}, ["LOG", "line=a=b c"], probing.LogProbe(line="a=b c")),
        ({"x-log": {"regex": "^a"}}, ["LOG", "regex=^a"], probing.LogProbe(regex="^a")),
        ({"x-notify": True}, ["NOTIFY"], probing.NotifyProbe()),
    ],
)  # fmt: skip
def test_what_is_written_is_what_the_engine_reads(tree: dict[str, Any], test: list[str], parsed: object) -> None:
    body = healthcheck({"healthcheck": {**tree, "interval": Duration(3 * 10**9)}}, (1, 44))
    assert body == {"Test": test, "Interval": 3_000_000_000}
    assert probing.is_own(test) and probing.parse(test) == parsed


def test_a_check_that_is_switched_off_is_none() -> None:
    assert healthcheck({"healthcheck": {"x-notify": False}}, (1, 44)) == {}
    assert healthcheck({"healthcheck": {"x-tcp": 1, "disable": True}}, (1, 44)) == {"Test": ["NONE"]}


def test_a_pattern_takes_linear_time() -> None:
    matches = probing.LogProbe(regex="(a*)*b").matcher()
    assert not matches(b"a" * 100_000) and matches(b"aab")


def test_other_engines_are_refused_by_the_key() -> None:
    project = make_project({"a": {"healthcheck": {"x-tcp": 80}}, "b": {"healthcheck": {"test": ["CMD", "x"]}}})
    (found,) = own_probes(project)
    assert found.path == ("services", "a", "healthcheck", "x-tcp") and "only pycompose's own engine" in found.message


def test_health_of_another_run_does_not_count() -> None:
    check = Check((), interval=30, own=probing.TcpProbe(80))
    healthy = Health(run=5).after(check, Probe(0, 1, 0, ""), 1.0)
    assert healthy.run == 5 and Health.from_body(healthy.body()) == healthy
    assert next_delay(check, Health(run=5), 0.1) < 1 < next_delay(check, healthy, 0.1)


@pytest.mark.parametrize("check", [{"x-tcp": 80}, {"test": ["CMD", "true"]}])
def test_a_dependant_may_wait_for_it(check: dict[str, Any]) -> None:
    from support.composing import State

    services = {
        "a": {"healthcheck": check},
        "b": {"depends_on": {"a": {"condition": "service_healthy", "required": True}}},
    }
    project = make_project(services)
    state = State(project)
    state.have_image("busybox")
    assert contradictions(project, ["a", "b"], {}, state.snapshot(), images_change=False) == []
