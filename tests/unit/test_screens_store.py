"""The store's pure functions: listings, events and samples folded into a state, and what is derived of it."""

from __future__ import annotations

from typing import Any

from support.listings import event, row

from pycompose.compose.screens.store import derive, fold, read
from pycompose.compose.screens.store.state import HAPPENINGS, SAMPLES, State, Usage


def test_an_event_holds_before_the_next_listing() -> None:
    state = fold.listed(
        State(), [row("db", status="Up 2 seconds (healthy)"), row("web", needs="db:service_healthy:false")]
    )
    assert [(one.condition, one.blame) for one in derive.projects(state)] == [("running", ())]
    state = fold.happened(state, event("db", "die", 1.5, exitCode="137"))
    (found,) = derive.projects(state)
    assert (found.condition, found.blame, found.running) == ("failed", ("db",), 1)
    assert found.services[0].detail == "exited, exit code 137"
    state = fold.happened(state, event("web", "health_status: unhealthy", 2))
    (found,) = derive.projects(state)
    assert found.blame == ("db",)
    assert derive.chain({one.name: one for one in found.services}) == {"db", "web"}
    assert [(one.words, one.grave) for one in state.happenings] == [
        ("demo-db-1 ended with exit code 137", False),
        ("demo-web-1 is unhealthy", True),
    ]
    for action, word in (("start", "running"), ("health_status: healthy", "healthy"), ("pause", "paused")):
        state = fold.happened(state, event("db", action, 3))
        assert derive.condition(state.containers["db" * 8]) == word
    state = fold.happened(state, event("db", "destroy", 4))
    assert list(state.containers) == ["web" * 8]


def test_one_that_could_not_be_started_is_what_broke() -> None:
    rows = [row("db", "created", "Created"), row("web", "created", "Created", needs="db:service_started:false")]
    state = fold.listed(State(), rows)
    assert derive.projects(state)[0].blame == ()
    told = event(
        "db", "start", 1, "failure", error="runc: unable to start container process: exec: no such file: unknown"
    )
    state = fold.happened(state, told)
    (found,) = derive.projects(state)
    assert (found.condition, found.blame, found.services[0].detail) == ("failed", ("db",), "could not be started")
    assert state.happenings[-1].grave
    assert state.happenings[-1].words == "demo-db-1 could not be started: exec: no such file"
    # A listing does not know it, and does not take it away; that it runs after all does.
    assert derive.projects(fold.listed(state, rows))[0].blame == ("db",)
    after = fold.happened(state, event("db", "start", 2))
    assert derive.projects(after)[0].blame == () and after.containers["db" * 8].error == ""
    assert fold.looked_into(after, "db" * 8, "x") is after and fold.looked_into(after, "gone", "x") is after


def test_what_did_not_change_stays_the_same_object() -> None:
    state = fold.listed(State(), [row("db"), row("web")])
    assert fold.listed(state, [row("web"), row("db")]) is state
    after = fold.listed(state, [row("db"), row("web", "exited", "Exited (3) 1 second ago")])
    assert after.containers["db" * 8] is state.containers["db" * 8]
    assert derive.condition(after.containers["web" * 8]) == "failed"


def test_nothing_grows_for_ever() -> None:
    state = fold.listed(State(), [row("db")])
    for index in range(HAPPENINGS + 20):
        state = fold.happened(state, event("db", "start", index))
    assert len(state.happenings) == HAPPENINGS and state.happenings[-1].number == HAPPENINGS + 20
    for index in range(SAMPLES + 5):
        state = fold.measured(state, "db" * 8, _sample(index * 5e8), float(index))
    ring = state.usage["db" * 8]
    assert len(ring) == SAMPLES
    # Half a second of processor time in each second.
    assert (ring[-1].processor, ring[-1].memory, ring[-1].received) == (50.0, 900.0, 7.0)
    assert not fold.listed(state, []).usage
    # Probes make exec events by the thousand: nobody reads them.
    assert fold.happened(state, event("db", "exec_start: true", 1)) is state
    # Who looks at a container's files mounts its volumes, and unmounts them, for every directory.
    assert fold.happened(state, event("data", "unmount", 1, "volume")) is state


def _sample(spent: float) -> dict[str, Any]:
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": spent}},
        "memory_stats": {"usage": 1000, "limit": 4000, "stats": {"inactive_file": 100}},
        "networks": {"eth0": {"rx_bytes": 3, "tx_bytes": 1}, "eth1": {"rx_bytes": 4}},
        "pids_stats": {"current": 2},
    }


def test_the_timeline_and_its_critical_path() -> None:
    rows = [
        row("db", status="Up 1 second (healthy)"),
        row("cache"),
        row("web", needs="db:service_healthy:false,cache:service_started:false"),
    ]
    state = fold.listed(State(), rows)
    told = [
        ("db", "create", 0),
        ("db", "start", 1),  # an earlier one
        ("db", "create", 100),
        ("cache", "create", 100.1),
        ("db", "start", 100.5),
        ("cache", "start", 100.6),
        ("web", "create", 100.7),
        ("db", "health_status: healthy", 104),
        ("web", "start", 104.2),
    ]
    for service, action, at in told:
        state = fold.happened(state, event(service, action, at))
    (found,) = derive.projects(state)
    bars = derive.timeline(found, state.happenings)
    assert [(one.service, one.critical) for one in bars] == [("db", True), ("cache", False), ("web", True)]
    first = bars[0]
    assert (first.created, first.started, first.ready) == (0.0, 0.5, 4.0)
    # A job's run, and one by hand, are no start of the stack.
    for service, action, at in (("nightly", "create", 500), ("nightly", "start", 501)):
        state = fold.happened(state, event(service, action, at))
    assert derive.timeline(found, state.happenings) == bars
    state = fold.happened(state, event("web", "create", 600))
    oneoff = frozenset((state.happenings[-1].container,))
    assert {one.service for one in derive.timeline(found, state.happenings, oneoff)} <= {"db", "cache"}


def test_what_others_need_healthy_is_not_done_when_it_ends() -> None:
    rows = [
        row("db"),
        row("job"),
        row("web", needs="db:service_healthy:false,job:service_completed_successfully:false"),
    ]
    state = fold.listed(State(), rows)
    for service in ("db", "job"):
        state = fold.happened(state, event(service, "die", 5, exitCode="0"))
    (found,) = derive.projects(state)
    assert [(one.name, one.condition, one.detail) for one in found.services] == [
        ("db", "stopped", "stopped"),
        ("job", "done", "done"),
        ("web", "running", "running"),
    ]
    assert (found.condition, found.blame) == ("stopped", ("db",))
    # With everything stopped nobody misses anything.
    state = fold.happened(state, event("web", "die", 6, exitCode="0"))
    assert [(one.condition, one.blame) for one in derive.projects(state)] == [("done", ())]


def test_a_service_that_was_never_created_is_seen() -> None:
    state = fold.listed(State(), [row("web", needs="db:service_healthy:false")])
    (found,) = derive.projects(state)
    assert [(one.name, one.condition) for one in found.services] == [("db", "absent"), ("web", "running")]


def test_ports_lead_to_where_a_browser_finds_them() -> None:
    ports = [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"IP": "127.0.0.2", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"},
        {"PrivatePort": 9000, "Type": "tcp"},
    ]
    state = fold.listed(State(), [row("web", Ports=ports)])
    (one,) = state.containers.values()
    assert one.ports == (("8080→80", "http://127.0.0.1:8080/"), ("127.0.0.2:53→53/udp", ""))


def test_the_engines_hour_stands_before_what_was_seen_here() -> None:
    hour: Any = {name: [float(value) for value in range(5)] for name in ("Memory", "Limit", "Received", "Sent", "Read")}
    hour |= {"Written": [0.0] * 5, "Pids": [1.0] * 5, "At": [0.0, 10.0, 20.0, 30.0, 40.0]}
    hour |= {"Processor": [0.0, 1e9, 11e9, 12e9, 13e9]}
    first = Usage(33.0, 0.0, 1, 1, 1, 1, 1, 1, 2, 15e9)
    found = read.history(hour, (first, first._replace(at=36.0, processor=50.0)))
    # 1, 10 and 1 seconds of processor time in ten, 3 in three; then what was computed here.
    assert [(one.at, round(one.processor, 3)) for one in found] == [
        (0, 0),
        (10, 10),
        (20, 100),
        (30, 10),
        (33, 100),
        (36, 50),
    ]
    assert found[1].memory == 1 and found[1].pids == 1
    assert [one.at for one in read.history(hour, ())] == [0, 10, 20, 30, 40]
    many: Any = {name: [float(value) for value in range(5000)] for name in hour}
    assert len(read.history(many, ())) == SAMPLES
