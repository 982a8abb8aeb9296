"""An engine's words about a container, translated into the terms of the Compose file; what is refused before it is made."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from support.composing import FILE, make_project

from pycompose.compose.app.holders import _process
from pycompose.compose.errors import Mark
from pycompose.compose.load.suggest import nearest
from pycompose.compose.plan.observe import ObservedImage, Snapshot
from pycompose.compose.plan.preflight import Ids, binds, contradictions
from pycompose.compose.plan.remedies import TakenPort, explain, missing_image, taken_port

if TYPE_CHECKING:
    from pathlib import Path

    from pycompose.compose.model import Project

USERLAND = (
    "driver failed programming external connectivity on endpoint demo-web-1 (5fe3): Error starting userland proxy:"
    " listen tcp4 0.0.0.0:18099: bind: address already in use"
)
ALLOCATED = (
    "failed to set up container networking: driver failed programming external connectivity on endpoint demo-web-1"
    " (5fe3): Bind for 0.0.0.0:18099 failed: port is already allocated"
)
OCI = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "


def web(**tree: Any) -> Project:
    project = make_project({"web": tree})
    marks = {
        ("services", "web", "ports", 0): Mark(FILE, 5, 13),
        ("services", "web", "command"): Mark(FILE, 4, 5),
        ("services", "web", "image"): Mark(FILE, 3, 5),
    }
    for path, mark in marks.items():
        project.marks[path] = mark  # type: ignore[index]
    return project


@pytest.mark.parametrize("message", [USERLAND, ALLOCATED])
def test_a_taken_port_names_its_holder_and_the_way_out(message: str) -> None:
    project = web(ports=[{"target": 80, "published": "18099", "protocol": "tcp"}])
    assert taken_port(message) == TakenPort(18099, "tcp")
    found = explain(project, "web", message, lambda taken: f"python3 (pid {taken.port})")
    wanted = f"{FILE}:5:13: port 18099 is used by python3 (pid 18099); choose another, or --ports auto"
    assert str(found) == wanted
    assert "used by another program;" in str(explain(project, "web", message, lambda _: ""))


def test_a_port_of_a_range_and_of_udp() -> None:
    project = web(ports=[{"target": 53, "published": "5300-5310", "protocol": "udp"}])
    found = explain(project, "web", "listen udp4 127.0.0.1:5305: bind: address already in use", lambda _: "")
    assert str(found).startswith(f"{FILE}:5:13: port 5305/udp is used by")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ('exec: "/run.sh": permission denied: unknown', "/run.sh is not executable; chmod +x run.sh"),
        ('exec: "/bin/x": permission denied: unknown', "/bin/x is not executable (chmod +x it in the image)"),
        ('exec: "nope": executable file not found in $PATH: unknown', "nope is not found in $PATH of busybox"),
        ('exec: "/nope": stat /nope: no such file or directory: unknown', "/nope does not exist in the container"),
        ("exec /run.sh: exec format error", "the program is for another processor, or a script without a first line"),
    ],
)
def test_a_program_that_cannot_run(words: str, wanted: str) -> None:
    mount = {"type": "bind", "source": "/src/demo/run.sh", "target": "/run.sh"}
    project = web(command=["/run.sh"], volumes=[mount])
    assert str(explain(project, "web", OCI + words, lambda _: "")).startswith(f"{FILE}:4:5: {wanted}")


def test_what_is_not_known_stays_as_it_is() -> None:
    assert explain(web(), "web", "no space left on device", lambda _: "") is None
    assert explain(web(), "other", USERLAND, lambda _: "") is None


def test_a_misspelt_image_that_is_here() -> None:
    found = missing_image(web(), "web", "debain:bookworm-slim", ["busybox:latest", "debian:bookworm-slim"])
    assert str(found) == (
        f'{FILE}:3:5: image "debain:bookworm-slim" not found here, and no registry reachable'
        " (did you mean debian:bookworm-slim (local)?)"
    )
    assert "(did you mean busybox (local)?)" in str(missing_image(web(), "web", "busibox", ["busybox:latest"]))


def test_the_holder_of_a_port() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        taken = TakenPort(held.getsockname()[1], "tcp")
        assert _process(taken).endswith(f" (pid {os.getpid()})")
    assert _process(taken) == ""


def port(published: str, address: str = "", protocol: str = "tcp") -> dict[str, Any]:
    return {"target": 80, "published": published, "host_ip": address, "protocol": protocol}


def refusals(services: dict[str, Any], images: dict[str, ObservedImage] | None = None, **scale: int) -> list[str]:
    project = make_project(services)
    snapshot = Snapshot("demo", (), {}, {}, dict(images or {}))
    found = contradictions(project, list(services), scale, snapshot, images_change=False)
    return [one.message for one in found]


@pytest.mark.parametrize(
    ("left", "right", "meet"),
    [
        (port("80"), port("80"), True),
        (port("80"), port("80", "127.0.0.1"), True),
        (port("80", "0.0.0.0"), port("80", "127.0.0.1"), True),
        (port("80", "127.0.0.2"), port("80", "127.0.0.1"), False),
        (port("80", "::"), port("80", "127.0.0.1"), False),
        (port("80"), port("80", protocol="udp"), False),
        (port("80"), port("81"), False),
        (port(""), port(""), False),
        (port("8000-8010"), port("8000-8010"), False),
    ],
)
def test_one_port_for_two_services(left: dict[str, Any], right: dict[str, Any], meet: bool) -> None:
    found = refusals({"a": {"ports": [left]}, "b": {"ports": [right]}})
    assert bool(found) == meet, found
    assert refusals({"a": {"ports": [left]}, "b": {"ports": [right]}}, b=0) == []


def test_one_port_for_two_containers() -> None:
    assert "by 2 containers" in refusals({"a": {"ports": [port("80")]}}, a=2)[0]
    assert refusals({"a": {"ports": [port("80-81")]}}, a=2) == []


def test_a_restart_policy_that_is_none() -> None:
    assert "maximum retry count must be an integer" in refusals({"a": {"restart": "on-failure:x"}})[0]
    assert "no policy provided before colon" in refusals({"a": {"restart": ":3"}})[0]
    for good in ("no", "always", "on-failure:3", "unless-stopped"):
        assert refusals({"a": {"restart": good}}) == []


def test_health_that_nothing_checks() -> None:
    services: dict[str, Any] = {
        "db": {"image": "db"},
        "web": {"depends_on": {"db": {"condition": "service_healthy", "required": True}}},
    }
    without, checked = ObservedImage("db", "1"), ObservedImage("db", "1", has_check=True)
    assert "which has no health check" in refusals(services, {"db": without})[0]
    assert refusals(services, {"db": checked}) == []
    assert refusals(services) == []  # an image that is not here yet may have one
    services["db"]["healthcheck"] = {"test": ["CMD", "true"]}
    assert refusals(services, {"db": without}) == []
    services["db"]["healthcheck"] = {"disable": True}
    assert refusals(services, {"db": checked}) != []


def test_a_volume_of_one_letter() -> None:
    assert "names no volume" in refusals({"a": {"volumes": [{"type": "volume", "target": "v:/v"}]}})[0]
    assert refusals({"a": {"volumes": [{"type": "volume", "source": "v", "target": "/v"}]}}) == []


def test_bind_mounts_that_surprise(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    def told(user: str, source: Path, **more: Any) -> list[str]:
        mount = {"type": "bind", "source": str(source), "target": "/x", "bind": {"create_host_path": True}, **more}
        return [one.message for one in binds(make_project({"a": {"user": user, "volumes": [mount]}}), ["a"])]

    stranger, hint = (
        str(os.geteuid() + 1),
        "; bind: {x-idmap: match-user} makes it theirs inside" if os.geteuid() else "",
    )
    assert told("", tmp_path / "nothing")[0].endswith("did not exist and is created as an empty directory")
    assert told("", tmp_path / "nothing", bind={}) == []
    assert told(stranger, closed)[0].endswith(f", 0700){hint}")
    assert told(stranger, closed, read_only=True) == []
    assert told("0", closed) == told("", closed) == []


def test_bind_mounts_of_an_engine_without_root(tmp_path: Path) -> None:
    """Numbers are others there: the container's root is who has started the engine, and with one id everybody is."""

    def told(user: str, one_id: bool, mode: int = 0o755) -> list[str]:
        tmp_path.chmod(mode)
        mount = {"type": "bind", "source": str(tmp_path), "target": "/x"}
        ids = Ids(54321, one_id)
        return [one.message for one in binds(make_project({"a": {"user": user, "volumes": [mount]}}), ["a"], ids)]

    if os.geteuid() == 0:
        os.chown(tmp_path, 54321, 54321)
        assert told("33", one_id=False)[0].endswith(", 0755); root of the container is user 54321")
        assert told("54321", one_id=False), "who has that number in there has nothing here"
        assert told("33", one_id=True) == told("54321", one_id=True) == []
        os.chown(tmp_path, 54322, 54322)
    assert all("x-idmap" not in line for line in told("33", one_id=False) + told("33", one_id=True))
    assert told("33", one_id=False) and told("33", one_id=True)
    assert told("33", one_id=False, mode=0o757) == told("0", one_id=False) == []


@pytest.mark.parametrize(
    ("name", "known", "wanted"),
    [("strat", ["stats", "start"], "start"), ("pss", ["push", "ps"], "ps"), ("comand", ["command"], "command")],
)
def test_the_nearest_name(name: str, known: list[str], wanted: str) -> None:
    assert nearest(name, known) == f"did you mean {wanted}?"


@pytest.mark.parametrize(
    ("status", "output", "code", "hint"),
    [
        ("running", "nc: invalid option -- 'z'\nBusyBox v1.35", 1, "own command is wrong"),
        ("running", "sh: pg_isready: not found", 127, "is not in the image"),
        ("running", "sh: curl: not found", 1, "own command is wrong"),
        ("running", "connection refused", 1, "raise healthcheck.start_period"),
        ("exited", "connection refused", 1, ""),
        ("restarting", "connection refused", 1, ""),
    ],
)
def test_the_hint_of_a_failing_probe(status: str, output: str, code: int, hint: str) -> None:
    from pycompose.compose.app.report import hint_for

    probe = {"Output": output, "ExitCode": code}
    state = {"Status": status, "ExitCode": 1, "Health": {"Status": "unhealthy", "Log": [probe]}}
    found = hint_for({}, state)
    assert hint in found and bool(hint) == bool(found)
