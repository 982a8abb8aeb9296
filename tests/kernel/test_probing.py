"""Health checks by the engine itself: HTTP, TCP, a line of output, sd_notify. The image has no tool for any of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("probing")) as running:
        running.import_busybox()
        yield running


@pytest.fixture
def run(engine: EngineRoot) -> Iterator[Callable[..., str]]:
    made: list[str] = []

    def start(script: str, test: list[str], *, host: dict[str, Any] | None = None, **check: Any) -> str:
        body = {
            "Image": "busybox",
            "Cmd": ["sh", "-c", script],
            "StopSignal": "SIGKILL",
            "Healthcheck": {"Test": test, **check},
            "HostConfig": host or {},
        }
        made.append(engine.json("POST", "/containers/create", body)["Id"])
        engine.json("POST", f"/containers/{made[-1]}/start")
        return made[-1]

    yield start
    for id in made:
        engine.request("DELETE", f"/containers/{id}?force=1&v=1")


def health(engine: EngineRoot, id: str) -> dict[str, Any]:
    found: dict[str, Any] = engine.json("GET", f"/containers/{id}/json")["State"]["Health"]
    return found


def becomes(engine: EngineRoot, id: str, status: str) -> str:
    """The output of the last probe once the health is ``status``."""
    wait_for(
        lambda: health(engine, id)["Status"] == status,
        lambda: f"{health(engine, id)} {engine.request('GET', f'/containers/{id}/logs?stdout=1&stderr=1')}",
    )
    output: str = health(engine, id)["Log"][-1]["Output"]
    return output


SERVER = (
    "mkdir -p /www/cgi-bin; printf '#!/bin/sh\\nprintf \"Status: 204 x\\\\r\\\\n\\\\r\\\\n\"\\n' > /www/cgi-bin/ready;"
    "chmod +x /www/cgi-bin/ready; sleep 0.3; httpd -f -p {port} -h /www"
)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            ["HTTP", "port=80", "path=/cgi-bin/ready", "status=204"],
            "GET http://127.0.0.1:80/cgi-bin/ready: 204 No Content",
        ),
        (["HTTP", "port=80", "path=/nothing", "status=400-499"], "GET http://127.0.0.1:80/nothing: 404 Not Found"),
        (["TCP", "port=80"], "port 80 takes connections"),
    ],
)
def test_a_server_is_ready_long_before_its_interval(
    engine: EngineRoot, run: Callable[..., str], test: list[str], words: str
) -> None:
    began = time.monotonic()
    id = run(SERVER.format(port=80), test, Interval=60 * SECOND)
    assert becomes(engine, id, "healthy") == words
    assert time.monotonic() - began < 20
    first = health(engine, id)["Log"][0]
    assert first["ExitCode"] == 1 and "connection refused" in first["Output"].lower()


def test_a_wrong_status_says_what_came_and_what_was_wanted(engine: EngineRoot, run: Callable[..., str]) -> None:
    test = ["HTTP", "port=80", "path=/nothing"]
    id = run(SERVER.format(port=80), test, Interval=SECOND // 5, Retries=2)
    assert becomes(engine, id, "unhealthy") == "GET http://127.0.0.1:80/nothing: 404 Not Found (want 200-399)"


def test_a_server_that_does_not_answer_takes_its_timeout(engine: EngineRoot, run: Callable[..., str]) -> None:
    script = "nc -l -p 80 -e sleep 100"
    id = run(script, ["HTTP", "port=80"], Interval=SECOND // 5, Timeout=SECOND // 4, Retries=1)
    assert becomes(engine, id, "unhealthy") in (
        "Health check exceeded timeout (250ms)",
        "cannot connect to port 80: connection refused",  # nc takes one connection only
    )


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (["LOG", "line=ready to serve"], "now ready to serve all\n"),
        (["LOG", "regex=^now (ready|done)"], "now ready to serve all\n"),
    ],
)
def test_a_line_of_output_is_waited_for_as_an_event(
    engine: EngineRoot, run: Callable[..., str], test: list[str], words: str
) -> None:
    script = "echo not now; sleep 0.5; echo now ready to serve all; sleep 0.2; echo more; exec sleep 300"
    id = run(script, test, Interval=60 * SECOND)
    assert becomes(engine, id, "healthy") == words
    assert len(health(engine, id)["Log"]) == 1
    # What an engine that comes later reads is the same run's output.
    os.kill(engine.pid, signal.SIGKILL)
    wait_for(engine.is_up, lambda: "no engine")
    assert becomes(engine, id, "healthy") == words


def test_each_run_has_to_say_it_again(engine: EngineRoot, run: Callable[..., str]) -> None:
    script = "[ -e /seen ] || echo ready; touch /seen; exec sleep 300"
    id = run(script, ["LOG", "line=ready"], Interval=SECOND // 5, Retries=2)
    becomes(engine, id, "healthy")
    engine.json("POST", f"/containers/{id}/restart?t=0")
    assert becomes(engine, id, "unhealthy") == "no line of output matches line 'ready' yet"


def notifier() -> str:
    """busybox has nothing that sends to a Unix socket; the test's own Python is mounted for it."""
    return (
        "import os,socket,time;s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);"
        "s.sendto(b'STATUS=warming up',chr(0)+os.environ['NOTIFY_SOCKET'][1:]);time.sleep(.3);"
        "s.sendto(b'STATUS=warm\\nREADY=1',chr(0)+os.environ['NOTIFY_SOCKET'][1:]);time.sleep(300)"
    )


@pytest.mark.parametrize("network", ["bridge", "none", "host"])
def test_sd_notify(engine: EngineRoot, run: Callable[..., str], network: str) -> None:
    binds = [f"{path}:{path}:ro" for path in sorted({"/usr", "/lib", "/lib64", sys.base_prefix})]
    body_host = {"NetworkMode": network, "Binds": binds}
    base = sys.base_prefix + "/bin/python3"
    id = run(f'exec {base} -c "{notifier()}"', ["NOTIFY"], host=body_host, Interval=60 * SECOND)
    assert becomes(engine, id, "healthy") == "READY=1; its status: warm"
    assert len(health(engine, id)["Log"]) == 1


SENDER = "import socket,sys;socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM).sendto(b'READY=1\\nSTATUS=forged',chr(0)+sys.argv[1])"


@pytest.mark.parametrize("network", ["host", "container"])
def test_readiness_is_nobody_elses_to_report(engine: EngineRoot, run: Callable[..., str], network: str) -> None:
    """Where others are on the network, its sockets can be had by all: a user of the machine, a neighbour, and one that is gone
    before anybody could look at it."""
    base = sys.base_prefix + "/bin/python3"
    binds = [f"{path}:{path}:ro" for path in sorted({"/usr", "/lib", "/lib64", sys.base_prefix})]
    donor = run("sleep 600", ["NONE"]) if network == "container" else ""
    mode = f"container:{donor}" if donor else "host"
    script = f'read x; exec {base} -c "{notifier()}"'
    body = {"NetworkMode": mode, "Binds": binds}
    id = run(f"mkfifo /f; exec </f 3<>/f; {script}", ["NOTIFY"], host=body, Interval=SECOND // 5, Retries=1000)
    address = f"pycompose/notify/{id}"

    def told() -> str:
        log = health(engine, id)["Log"]
        return str(log[-1]["Output"]) if log else ""

    stays = f"import os,time;{SENDER};time.sleep(60)"
    if donor:
        run(f'exec {base} -c "{stays}" {address}', ["NONE"], host=body)
        wait_for(lambda: "READY=1 has come from a process outside the container" in told(), told)
    else:
        subprocess.run([base, "-c", SENDER, address], check=True)
        wait_for(lambda: "READY=1 has come from a process" in told(), told)
        nobody = stays.replace(";socket.", ";os.setgroups([]);os.setgid(65534);os.setuid(65534);socket.", 1)
        with subprocess.Popen([base, "-c", nobody, address]) as user:
            try:
                wait_for(lambda: "from a process outside the container" in told(), told)
            finally:
                user.kill()
    assert health(engine, id)["Status"] == "starting" and "forged" not in told()
    # The program itself is believed after all that.
    engine.run(id, "sh", "-c", "echo > /f")
    assert becomes(engine, id, "healthy") == "READY=1; its status: warm"


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (["HTTP", "port=0"], "Healthcheck HTTP: port must be 1 to 65535, not '0'"),
        (["HTTP", "port=80", "path=x"], "Healthcheck HTTP: path must start with /"),
        (["HTTP", "port=80", "status=20"], "Healthcheck HTTP: status must be 100 to 599"),
        (["HTTP", "port=80", "colour=red"], "Healthcheck HTTP: unknown option 'colour'"),
        (["TCP"], "Healthcheck TCP: port must be 1 to 65535, not ''"),
        (["LOG"], "Healthcheck LOG: want either line or regex"),
        (["LOG", "regex=("], "Healthcheck LOG: invalid regex: missing )"),
        (["NOTIFY", "x=1"], "Healthcheck NOTIFY: unknown option 'x'"),
    ],
)
def test_a_malformed_check_is_refused(engine: EngineRoot, test: list[str], words: str) -> None:
    body = {"Image": "busybox", "Cmd": ["true"], "Healthcheck": {"Test": test}}
    status, answer = engine.request("POST", "/containers/create", body)
    assert status == 400 and words in answer.decode()


def test_output_that_is_not_kept_cannot_be_waited_for(engine: EngineRoot) -> None:
    body = {
        "Image": "busybox",
        "Cmd": ["true"],
        "Healthcheck": {"Test": ["LOG", "line=x"]},
        "HostConfig": {"LogConfig": {"Type": "none"}},
    }
    status, answer = engine.request("POST", "/containers/create", body)
    assert status == 400 and b"logging driver none keeps no output" in answer
