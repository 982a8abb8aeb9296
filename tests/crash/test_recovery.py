"""Kill keeper, engine or shim, and see that what ran goes on and that the truth is told afterwards."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import EngineRoot, wait_for

from pycompose.engine.linux import cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path / "root") as running:
        running.import_busybox()
        yield running


def create(engine: EngineRoot, name: str, command: list[str], **host: Any) -> str:
    body = {"Image": "busybox", "Cmd": command, "HostConfig": host}
    return str(engine.json("POST", f"/containers/create?name={name}", body)["Id"])


def run(engine: EngineRoot, name: str, command: list[str], **host: Any) -> str:
    id = create(engine, name, command, **host)
    engine.json("POST", f"/containers/{id}/start")
    return id


def state(engine: EngineRoot, id: str) -> dict[str, Any]:
    result: dict[str, Any] = engine.json("GET", f"/containers/{id}/json")["State"]
    return result


def shim_of(engine: EngineRoot, id: str) -> int:
    import json

    return int(json.loads((engine.layout.container_state(id) / "status.json").read_text())["shim_pid"])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_engine(engine: EngineRoot) -> None:
    """Kill the engine and wait for the next one."""
    before = engine.pid
    kill(before)
    wait_for(lambda: engine.is_up() and engine.pid != before, lambda: engine.log())


def kill_both(engine: EngineRoot) -> None:
    """Kill keeper and engine; a new pair is started, as the next command would."""
    keeper, pid = engine.keeper_pid, engine.pid
    kill(keeper)
    kill(pid)
    engine.await_gone(keeper, pid)
    engine.start()


def test_containers_outlive_the_engine(engine: EngineRoot) -> None:
    id = run(engine, "steady", ["sh", "-c", "while :; do echo tick; sleep 0.05; done"])
    before = state(engine, id)
    kill_engine(engine)
    after = state(engine, id)
    assert after["Running"] and after["Pid"] == before["Pid"] and after["StartedAt"] == before["StartedAt"]
    lines = len(engine.request("GET", f"/containers/{id}/logs?stdout=1")[1].split(b"tick"))
    time.sleep(0.3)
    assert len(engine.request("GET", f"/containers/{id}/logs?stdout=1")[1].split(b"tick")) > lines
    engine.json("POST", f"/containers/{id}/stop?t=0")
    assert state(engine, id)["ExitCode"] == 137


def test_containers_outlive_keeper_and_engine(engine: EngineRoot) -> None:
    id = run(engine, "steady", ["sleep", "1000"])
    before = state(engine, id)
    kill_both(engine)
    assert state(engine, id)["Pid"] == before["Pid"]
    other = run(engine, "other", ["true"])
    assert engine.json("POST", f"/containers/{other}/wait")["StatusCode"] == 0
    engine.json("POST", f"/containers/{id}/restart?t=0")
    assert state(engine, id)["Pid"] != before["Pid"]


def test_an_exit_while_the_engine_is_away_is_known_afterwards(engine: EngineRoot) -> None:
    id = run(engine, "brief", ["sh", "-c", "sleep 0.5; exit 7"])
    keeper, pid = engine.keeper_pid, engine.pid
    kill(keeper)
    kill(pid)
    engine.await_gone(keeper, pid)
    time.sleep(1)
    engine.start()
    after = state(engine, id)
    assert (after["Status"], after["ExitCode"], after["Error"]) == ("exited", 7, "")


def test_auto_remove_while_the_engine_is_away(engine: EngineRoot) -> None:
    id = run(engine, "gone", ["sleep", "0.5"], AutoRemove=True)
    keeper, pid = engine.keeper_pid, engine.pid
    kill(keeper)
    kill(pid)
    engine.await_gone(keeper, pid)
    time.sleep(1)
    engine.start()
    assert engine.request("GET", f"/containers/{id}/json")[0] == 404
    assert not engine.layout.container_state(id).exists()


def test_restart_policy_goes_on_without_the_engine(engine: EngineRoot) -> None:
    id = run(engine, "again", ["sh", "-c", "sleep 0.2; exit 1"], RestartPolicy={"Name": "always"})
    keeper, pid = engine.keeper_pid, engine.pid
    kill(keeper)
    kill(pid)
    engine.await_gone(keeper, pid)
    time.sleep(1.5)
    engine.start()
    body = engine.json("GET", f"/containers/{id}/json")
    assert body["RestartCount"] >= 2
    assert body["State"]["Status"] in ("running", "restarting")
    engine.json("POST", f"/containers/{id}/stop?t=0")
    assert state(engine, id)["Status"] == "exited"


def test_a_killed_shim_takes_its_container_and_no_other(engine: EngineRoot) -> None:
    victim, bystander = run(engine, "victim", ["sleep", "1000"]), run(engine, "bystander", ["sleep", "1000"])
    pid = state(engine, victim)["Pid"]
    kill(shim_of(engine, victim))
    wait_for(lambda: not state(engine, victim)["Running"], lambda: state(engine, victim))
    after = state(engine, victim)
    assert after["ExitCode"] == 255 and "lost" in after["Error"]
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), lambda: f"process {pid} lives")
    assert state(engine, bystander)["Running"]
    # It can be started again.
    engine.json("POST", f"/containers/{victim}/start")
    assert state(engine, victim)["Running"]


@pytest.mark.parametrize("policy", ["unless-stopped", "on-failure"])
def test_a_killed_shim_is_no_way_around_the_restart_policy(engine: EngineRoot, policy: str) -> None:
    id = run(engine, "kept", ["sleep", "1000"], RestartPolicy={"Name": policy})
    for _ in range(2):
        before = state(engine, id)["Pid"]
        kill(shim_of(engine, id))
        wait_for(lambda before=before: state(engine, id)["Pid"] not in (0, before), engine.log)
    engine.json("POST", f"/containers/{id}/stop?t=0")
    assert not state(engine, id)["Running"]


def test_a_shim_killed_while_the_engine_is_away(engine: EngineRoot) -> None:
    id = run(engine, "victim", ["sleep", "1000"])
    pid, shim = state(engine, id)["Pid"], shim_of(engine, id)
    keeper, own = engine.keeper_pid, engine.pid
    kill(keeper)
    kill(own)
    kill(shim)
    engine.await_gone(keeper, own, shim)
    engine.start()
    after = state(engine, id)
    assert (after["Status"], after["ExitCode"]) == ("exited", 255)
    assert after["Error"]
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), lambda: f"process {pid} lives")


def test_always_comes_back_after_everything_was_killed(engine: EngineRoot) -> None:
    """The same as a reboot: no shim is left, only records."""
    ids = {
        name: run(engine, name, ["sleep", "1000"], RestartPolicy={"Name": name})
        for name in ("always", "unless-stopped")
    }
    stopped = run(engine, "stopped", ["sleep", "1000"], RestartPolicy={"Name": "unless-stopped"})
    plain = run(engine, "plain", ["sleep", "1000"])
    engine.json("POST", f"/containers/{stopped}/stop?t=0")
    pids = [engine.keeper_pid, engine.pid, *(shim_of(engine, id) for id in (*ids.values(), plain))]
    for pid in pids:
        kill(pid)
    engine.await_gone(*pids)
    engine.start()
    for id in ids.values():
        wait_for(lambda id=id: state(engine, id)["Running"], lambda id=id: state(engine, id))
    assert not state(engine, stopped)["Running"]
    assert not state(engine, plain)["Running"]


def test_paused_stays_paused(engine: EngineRoot) -> None:
    id = run(engine, "frozen", ["sleep", "1000"])
    engine.json("POST", f"/containers/{id}/pause")
    kill_engine(engine)
    assert state(engine, id)["Status"] == "paused"
    engine.json("POST", f"/containers/{id}/unpause")
    assert state(engine, id)["Status"] == "running"


def test_published_port_and_health_survive(engine: EngineRoot) -> None:
    import urllib.request

    body = {
        "Image": "busybox",
        "Cmd": ["sh", "-c", "mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w"],
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {
            "Test": ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"],
            "Interval": 1_000_000_000,
        },
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
    }
    id = str(engine.json("POST", "/containers/create", body)["Id"])
    engine.json("POST", f"/containers/{id}/start")
    wait_for(lambda: state(engine, id)["Health"]["Status"] == "healthy", lambda: state(engine, id))

    def page() -> bytes:
        ports = engine.json("GET", f"/containers/{id}/json")["NetworkSettings"]["Ports"]
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['80/tcp'][0]['HostPort']}/", timeout=5) as answer:
            return bytes(answer.read())

    assert page() == b"page\n"
    kill_engine(engine)
    assert page() == b"page\n"
    assert state(engine, id)["Health"]["Status"] == "healthy"
    wait_for(lambda: len(state(engine, id)["Health"]["Log"]) >= 2, lambda: state(engine, id))
    kill_both(engine)
    assert page() == b"page\n"


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.015, 0.03])
def test_killed_within_a_start(engine: EngineRoot, delay: float) -> None:
    """Wherever the engine dies in a start, the container ends up running or not, and can be removed."""
    import threading

    id = create(engine, "half", ["sleep", "1000"])
    pid = engine.pid

    def attempt() -> None:
        try:
            engine.request("POST", f"/containers/{id}/start")
        except OSError:
            return

    thread = threading.Thread(target=attempt)
    thread.start()
    time.sleep(delay)
    kill(pid)
    thread.join()
    wait_for(lambda: engine.is_up() and engine.pid != pid, lambda: engine.log())
    assert state(engine, id)["Status"] in ("created", "running", "exited")
    status, body = engine.request("POST", f"/containers/{id}/start")
    assert status in (204, 304), body
    assert state(engine, id)["Running"]
    engine.json("DELETE", f"/containers/{id}?force=1")


def test_idle_engine_exits_and_leaves_nothing(tmp_path: Path) -> None:
    engine = EngineRoot(tmp_path / "idle", {"PYCOMPOSE_IDLE_TIMEOUT": "1"})
    engine.start()
    engine.import_busybox()
    id = run(engine, "one", ["true"])
    engine.json("POST", f"/containers/{id}/wait")
    pids = engine.pid, engine.keeper_pid
    engine.await_gone(*pids)
    from support.engine_root import leftovers

    assert leftovers(engine.layout) == []
    engine.start()
    assert state(engine, id)["Status"] == "exited"
    engine.close()


def test_stop_is_refused_while_containers_run(engine: EngineRoot) -> None:
    id = run(engine, "busy", ["sleep", "1000"])
    status, body = engine.request("POST", "/pycompose/engine/stop")
    assert status == 409 and b"busy" in body
    assert state(engine, id)["Running"]


def test_containers_that_the_machine_took_down_come_back_with_it(engine: EngineRoot) -> None:
    """With their own signal, all at once, and as if nobody had asked for it: by policy after the boot."""
    script = "trap 'echo quit; exit 0' QUIT; echo ready; while :; do sleep 0.01; done"
    names = {"always": "running", "unless-stopped": "running", "no": "exited"}
    ids = {}
    for name in names:
        wanted: dict[str, Any] = {"Image": "busybox", "Cmd": ["sh", "-c", script], "StopSignal": "SIGQUIT"}
        wanted["HostConfig"] = {"RestartPolicy": {"Name": name}}
        ids[name] = str(engine.json("POST", f"/containers/create?name={name}", wanted)["Id"])
        engine.json("POST", f"/containers/{ids[name]}/start")
    by_hand = run(engine, "by-hand", ["sleep", "1000"], RestartPolicy={"Name": "unless-stopped"})
    engine.json("POST", f"/containers/{by_hand}/stop?t=0")
    for id in ids.values():
        wait_for(lambda id=id: b"ready" in engine.request("GET", f"/containers/{id}/logs?stdout=1")[1], engine.log)
    pids = engine.pid, engine.keeper_pid
    status, body = engine.request("POST", "/pycompose/engine/stop?shutdown=1", timeout=60)
    assert status == 204, body
    engine.await_gone(*pids)
    engine.start()
    for name, expected in names.items():
        wait_for(lambda name=name, expected=expected: state(engine, ids[name])["Status"] == expected, engine.log)
        assert b"quit" in engine.request("GET", f"/containers/{ids[name]}/logs?stdout=1")[1]
    assert state(engine, by_hand)["Status"] == "exited"


def test_an_adopted_shim_is_killed(engine: EngineRoot) -> None:
    """Nobody's child: the keeper that would bury it was killed before. Its container ends, and nothing of it stays."""
    id = run(engine, "orphan", ["sleep", "1000"], PidMode="host")
    first = state(engine, id)["Pid"]
    kill_both(engine)
    kill(shim_of(engine, id))
    wait_for(lambda: not state(engine, id)["Running"], engine.log)
    assert state(engine, id)["ExitCode"] == 255
    wait_for(lambda: not Path(f"/proc/{first}").exists(), lambda: "its program goes on")
    engine.json("DELETE", f"/containers/{id}")
    group = cgroups.at(f"/pycompose-{engine.layout.instance}")
    assert [path for directory in group.directories for path in Path(directory).glob("*/")] == []


def test_a_volume_with_layers_is_mounted_once(engine: EngineRoot) -> None:
    """An overlay's upper layer in two mounts is undefined behaviour: who comes after a killed keeper joins the first."""
    engine.json("POST", "/volumes/create", {"Name": "data"})
    (engine.layout.volumes / "data" / "_data" / "file").write_text("seeded")
    engine.json("POST", "/pycompose/snapshots", {"group": "g", "name": "seed", "volumes": {"data": "data"}})
    first = run(engine, "first", ["sleep", "1000"], Binds=["data:/data"])
    kill_both(engine)
    second = run(engine, "second", ["sh", "-c", "echo changed >/data/file; exec sleep 1000"], Binds=["data:/data"])
    kill_both(engine)
    third = run(engine, "third", ["sleep", "1000"], Binds=["data:/data"])
    roots = [f"/proc/{state(engine, id)['Pid']}/root/data" for id in (first, second, third)]
    wait_for(lambda: (Path(roots[0]) / "file").read_text() == "changed\n", engine.log)
    assert len({os.stat(root).st_dev for root in roots}) == 1
    for id in (first, second, third):
        engine.json("DELETE", f"/containers/{id}?force=1")
    engine.json("POST", "/pycompose/snapshots/g/seed/restore", {"volumes": {"data": "data"}})
    again = run(engine, "again", ["sleep", "1000"], Binds=["data:/data"])
    assert Path(f"/proc/{state(engine, again)['Pid']}/root/data/file").read_text() == "seeded"


def test_what_was_removed_is_deleted_by_the_next_engine(engine: EngineRoot) -> None:
    state = engine.layout.state
    doomed = [state / "volumes" / ".removed-1", state / "layered" / ".removed-2", state / "containers" / "3.removing"]
    engine.json("POST", "/volumes/create", {"Name": "kept"})
    (engine.layout.volumes / "kept" / "_data" / "file").write_text("precious")
    for directory in doomed:
        (directory / "below").mkdir(parents=True)
        (directory / "below" / "file").write_text("doomed")
    kill_engine(engine)
    wait_for(lambda: not any(directory.exists() for directory in doomed), engine.log)
    assert (engine.layout.volumes / "kept" / "_data" / "file").read_text() == "precious"


def test_the_answer_to_a_removal_comes_before_the_deletion(engine: EngineRoot) -> None:
    """What is deleted first is a tree that takes long; a volume removed meanwhile is forgotten at once, and its name is free."""
    slow = engine.layout.volumes / ".removed-slow"
    for number in range(200):
        (slow / str(number)).mkdir(parents=True)
        for name in range(100):
            (slow / str(number) / str(name)).touch()
    kill_engine(engine)
    engine.json("POST", "/volumes/create", {"Name": "data"})
    (engine.layout.volumes / "data" / "_data" / "old").touch()
    status, _ = engine.request("DELETE", "/volumes/data")
    assert status == 204 and slow.exists()
    engine.json("POST", "/volumes/create", {"Name": "data"})
    assert not any((engine.layout.volumes / "data" / "_data").iterdir())
    engine.stop()
    assert [entry.name for entry in engine.layout.volumes.iterdir()] == ["data"]
    engine.start()


def test_a_request_that_loses_the_keeper_is_answered_in_words(engine: EngineRoot) -> None:
    """The keeper is killed while it owes the engine a guard: no internal error, and no lease that nobody watches."""
    keeper, pid = engine.keeper_pid, engine.pid
    os.kill(keeper, signal.SIGSTOP)
    answers: list[tuple[int, bytes]] = []
    body = {"owner": {"ttl": 600}, "labels": {"a": "b"}}
    client = Thread(target=lambda: answers.append(engine.request("POST", "/pycompose/leases", body)))
    client.start()
    wait_for(lambda: engine.json("GET", "/pycompose/leases"), engine.log)
    kill(keeper)
    client.join(20)
    [(status, answer)] = answers
    assert status == 503 and b"was killed while it was at work; ask again" in answer, answer
    engine.await_gone(keeper, pid)
    assert "Traceback" not in engine.log()
    engine.start()
    assert engine.json("GET", "/pycompose/leases") == []
