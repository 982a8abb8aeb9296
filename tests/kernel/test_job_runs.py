"""Jobs on an engine: runs with their exit codes and output, retries, pauses, cancellation, and engines that are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("jobs")) as running:
        running.import_busybox()
        yield running


def register(engine: EngineRoot, name: str, script: str, **more: Any) -> dict[str, Any]:
    body = {"Container": {"Image": "busybox", "Cmd": ["sh", "-c", script], "StopSignal": "SIGKILL"}, **more}
    found: dict[str, Any] = engine.json("PUT", f"/pycompose/jobs/{name}", body)
    return found


def run(engine: EngineRoot, name: str) -> dict[str, Any]:
    """A run from its start to its end."""
    begun = engine.json("POST", f"/pycompose/jobs/{name}/runs")
    found: dict[str, Any] = engine.json("GET", f"/pycompose/jobs/{name}/runs/{begun['Iteration']}/wait")
    return found


def output(engine: EngineRoot, id: str) -> str:
    _, data = engine.request("GET", f"/containers/{id}/logs?stdout=1&stderr=1")
    return data[8:].decode() if data else ""


def restart_engine(engine: EngineRoot) -> None:
    os.kill(engine.pid, signal.SIGKILL)
    wait_for(engine.is_up, lambda: "no engine")  # the keeper gives up after five crashes: there are four in this module


def test_runs_are_recorded_with_exit_codes_and_output(engine: EngineRoot) -> None:
    register(engine, "p.good", "echo done")
    register(engine, "p.bad", "echo oops >&2; exit 7", Labels={"a": "b"})
    good, bad = run(engine, "p.good"), run(engine, "p.bad")
    assert (good["State"], good["ExitCode"], bad["State"], bad["ExitCode"]) == ("succeeded", 0, "failed", 7)
    assert output(engine, good["Containers"][0]) == "done\n" and output(engine, bad["Containers"][0]) == "oops\n"
    assert run(engine, "p.good")["Iteration"] == 2
    listed = {one["Name"]: one for one in engine.json("GET", "/pycompose/jobs")}
    assert listed["p.bad"]["LastRun"]["ExitCode"] == 7 and listed["p.bad"]["NextFire"] is None
    assert [one["Name"] for one in engine.json("GET", "/pycompose/jobs?label=a%3Db")] == ["p.bad"]
    restart_engine(engine)
    assert [one["ExitCode"] for one in engine.json("GET", "/pycompose/jobs/p.good/runs")] == [0, 0]
    for name in ("p.good", "p.bad"):
        engine.json("DELETE", f"/pycompose/jobs/{name}")
    assert engine.json("GET", "/containers/json?all=1") == []
    assert engine.request("GET", "/pycompose/jobs/p.good")[0] == 404


def test_retries_and_the_oldest_runs_go(engine: EngineRoot) -> None:
    register(engine, "retry", 'case "$(hostname)" in *) exit 3;; esac', Retries=2, Keep=2)
    last = [run(engine, "retry") for _ in range(3)][-1]
    assert (last["Attempt"], len(last["Containers"]), last["ExitCode"], last["State"]) == (3, 3, 3, "failed")
    wait_for(
        lambda: [one["Iteration"] for one in engine.json("GET", "/pycompose/jobs/retry/runs")] == [2, 3],
        lambda: "old runs stay",
    )
    wait_for(lambda: len(engine.json("GET", "/containers/json?all=1")) == 6, lambda: "old containers stay")
    engine.json("DELETE", "/pycompose/jobs/retry")


def test_what_cannot_start_has_failed_with_words(engine: EngineRoot) -> None:
    register(engine, "none", "true")
    engine.json("PUT", "/pycompose/jobs/none", {"Container": {"Image": "nosuch:1", "Cmd": ["true"]}})
    last = run(engine, "none")
    assert last["State"] == "failed" and last["ExitCode"] is None and "No such image" in last["Error"]
    engine.json("PUT", "/pycompose/jobs/none", {"Container": {"Image": "busybox", "Cmd": ["/nosuch"]}})
    last = run(engine, "none")
    assert (last["Iteration"], last["State"], last["ExitCode"]) == (2, "failed", 127) and "/nosuch" in last["Error"]
    engine.json("DELETE", "/pycompose/jobs/none")


def test_one_run_at_a_time_and_cancelled(engine: EngineRoot) -> None:
    register(engine, "long", "sleep 1000")
    engine.json("POST", "/pycompose/jobs/long/runs")
    status, body = engine.request("POST", "/pycompose/jobs/long/runs")
    assert status == 409 and b"job long is running already (run 1)" in body
    assert engine.json("POST", "/pycompose/jobs/long/cancel")["State"] == "cancelled"
    assert engine.request("POST", "/pycompose/jobs/long/cancel")[0] == 409
    engine.json("POST", "/pycompose/jobs/long/runs")
    engine.json("DELETE", "/pycompose/jobs/long")  # takes the run in progress along
    assert engine.json("GET", "/containers/json?all=1") == []


def test_a_killed_engine_neither_loses_nor_doubles_a_run(engine: EngineRoot, tmp_path_factory: Any) -> None:
    """Killed at random moments of a run: in the end each run has one container that ran once, and an exit code."""
    host = tmp_path_factory.mktemp("count")
    marks = {"Binds": [f"{host}:/marks"]}
    body = {
        "Container": {
            "Image": "busybox",
            "Cmd": ["sh", "-c", "echo x >> /marks/$(hostname); sleep 0.2; exit 5"],
            "HostConfig": marks,
        }
    }
    engine.json("PUT", "/pycompose/jobs/often", body)
    for pause in (0.03, 0.15, 0.4):
        connection = engine.connect()
        connection.sendall(b"POST /pycompose/jobs/often/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        time.sleep(pause)
        pid = engine.pid
        os.kill(pid, signal.SIGKILL)
        connection.close()
        wait_for(engine.is_up, lambda: "no engine")
        wait_for(
            lambda: all(one["Finished"] for one in engine.json("GET", "/pycompose/jobs/often/runs")),
            lambda: f"{engine.json('GET', '/pycompose/jobs/often/runs')}",
        )
    runs = engine.json("GET", "/pycompose/jobs/often/runs")
    assert runs and {(one["State"], one["ExitCode"], len(one["Containers"])) for one in runs} == {("failed", 5, 1)}
    assert sorted(path.read_text() for path in host.iterdir()) == ["x\n"] * len(runs)
    engine.json("DELETE", "/pycompose/jobs/often")


def test_schedules_pause_and_resume(engine: EngineRoot) -> None:
    schedule = {"Cron": "0 0 1 1 *", "Timezone": "Europe/Berlin"}
    job = register(engine, "yearly", "true", Schedule=schedule, Manual=False)
    assert datetime.fromisoformat(job["NextFire"].replace("Z", "+00:00")).strftime("%m-%d %H:%M") == "12-31 23:00"
    assert engine.request("POST", "/pycompose/jobs/yearly/runs")[0] == 409
    assert engine.json("POST", "/pycompose/jobs/yearly/pause")["NextFire"] is None
    assert engine.json("GET", "/pycompose/jobs/yearly")["Paused"] is True
    assert engine.json("POST", "/pycompose/jobs/yearly/resume")["NextFire"] == job["NextFire"]
    status, body = engine.request(
        "PUT", "/pycompose/jobs/x", {"Container": {"Image": "a"}, "Schedule": {"Cron": "@daily"}}
    )
    assert status == 400 and b"invalid cron expression '@daily'" in body
    engine.json("DELETE", "/pycompose/jobs/yearly")


def test_a_queued_run_is_owed_by_the_next_engine_too(tmp_path: Path) -> None:
    """The engine has been killed after the run that it waited for, and before it began."""
    with EngineRoot(tmp_path / "root") as engine:
        engine.import_busybox()
        register(engine, "late", "true", Schedule={"Cron": "0 0 1 1 *", "Concurrency": "queue"})
        assert run(engine, "late")["ExitCode"] == 0
        engine.stop()
        with contextlib.closing(sqlite3.connect(engine.layout.database)) as database:
            database.execute("UPDATE record SET body = json_set(body, '$.queued', json('true')) WHERE kind = 'job'")
            database.commit()
        engine.start()
        wait_for(lambda: len(engine.json("GET", "/pycompose/jobs/late/runs")) == 2, engine.log)
        last = engine.json("GET", "/pycompose/jobs/late/runs/2/wait")
        assert (last["Trigger"], last["ExitCode"]) == ("queue", 0)
        restart_engine(engine)
        assert len(engine.json("GET", "/pycompose/jobs/late/runs")) == 2
        engine.json("DELETE", "/pycompose/jobs/late")


@pytest.mark.slow
def test_the_real_clock_fires(engine: EngineRoot) -> None:
    register(engine, "minutely", "echo fired", Schedule={"Cron": "* * * * *"})
    wait_for(lambda: engine.json("GET", "/pycompose/jobs/minutely")["LastRun"], lambda: "no fire", patience=70)
    last = engine.json("GET", "/pycompose/jobs/minutely/runs/1/wait")
    assert last["Trigger"] == "schedule" and last["State"] == "succeeded"
    engine.json("DELETE", "/pycompose/jobs/minutely")
