"""What `debug` shares with a container, which image it takes and which container it means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pycompose.compose.app.debugging import SHELL, Modes, debugged, request, tool_image, view_of
from pycompose.compose.errors import OperationError
from pycompose.compose.labels import DEBUG, NUMBER, ONEOFF, PROJECT, SERVICE
from pycompose.compose.plan.observe import ObservedContainer, ObservedMount

WEB = ObservedContainer(
    "abc",
    "p-web-1",
    "web",
    1,
    mounts=(
        ObservedMount("volume", "p_data", "/var/lib/x", "/data/"),
        ObservedMount("bind", "", "/src", "/src"),
        ObservedMount("tmpfs", "", "", "/tmp"),
    ),
)
PRIVATE = Modes("private", "", 42)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["busybox:latest", "alpine:3", "web:1"], "alpine:3"),
        (["mine/debian:1", "docker.io/library/ubuntu:22.04", "busybox"], "docker.io/library/ubuntu:22.04"),
        (["localhost:5000/debian:1", "debian:bookworm-slim"], "debian:bookworm-slim"),
    ],
)
def test_image_with_tools(tags: list[str], expected: str) -> None:
    assert tool_image(tags) == expected


def test_no_image_with_tools() -> None:
    with pytest.raises(OperationError, match="name one with --image"):
        tool_image(["debian-like:1", "<none>:<none>"])


def test_which_container() -> None:
    ended, running = replace(WEB, id="ended", state="exited"), replace(WEB, id="running", number=2)
    once = replace(WEB, id="run", oneoff=True)
    assert debugged([once, ended, running], 0) == running
    assert debugged([once, ended, running], 1) == ended
    assert debugged([once, ended], 0) == ended
    assert debugged([once], 0) == once
    assert debugged([], 0) is None and debugged([ended], 2) is None


def test_what_is_shared() -> None:
    shared = view_of(WEB, Modes("shareable", "", 42))
    both = {"NetworkMode": "container:abc", "PidMode": "container:abc"}
    assert shared.host == {**both, "IpcMode": "container:abc"} and shared.root == "/proc/1/root" and not shared.notes
    private = view_of(replace(WEB, state="paused"), PRIVATE)
    assert private.host == both and "ipc: shareable" in private.notes[0]
    assert view_of(WEB, Modes("host", "host", 42)).root == "/proc/42/root"
    assert "/proc/PID/root" in view_of(WEB, Modes("host", "container:x", 42)).notes[0]


@pytest.mark.parametrize("status", ["created", "exited", "restarting", "dead"])
def test_what_is_seen_of_one_that_does_not_run(status: str) -> None:
    view = view_of(replace(WEB, state=status), PRIVATE)
    assert view.root is None and view.host["NetworkMode"] == "none"
    assert [(one["Source"], one["Target"], one["ReadOnly"]) for one in view.host.get("Mounts", ())] == [
        ("p_data", "/volumes/data", True),
        ("/src", "/volumes/src", True),
    ]


def test_request() -> None:
    body = request("p", WEB, view_of(WEB, PRIVATE), "box", (), tty=True)
    assert body["Entrypoint"] == list(SHELL) and body["HostConfig"]["AutoRemove"] is True
    assert body["Labels"] == {PROJECT: "p", SERVICE: "web", NUMBER: "1", ONEOFF: "True", DEBUG: "abc"}
    assert request("p", WEB, view_of(WEB, PRIVATE), "box", ("ps", "-e"), tty=False)["Entrypoint"] == ["ps", "-e"]
