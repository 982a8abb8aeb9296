"""The README's first line as a test: bootstrap, build, up, install WordPress through its form, keep it, lose it on purpose.

One long story on one engine root, since building the images takes most of the time. The functions run in order and build on
each other; the module's fixture fails them all when the beginning fails.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command import Command, free_port
from support.engine_root import assert_nothing_left
from support.wordpress_site import Site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.timeout(600)]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "wordpress" / "compose.yaml"
TITLE = "Rows of Quinces"


class Stack:
    """The example on an engine root of its own, driven by the command as a user would."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.site = Site("127.0.0.1", self.port)
        self.run = Command(root, EXAMPLE.parent)

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(*arguments, check=check, timeout=300, WORDPRESS_PORT=str(self.port))

    def ps(self) -> dict[str, dict[str, Any]]:
        return {row["Service"]: row for row in self.run.ps().values()}

    def container(self, name: str) -> dict[str, Any]:
        inspected: dict[str, Any] = json.loads(self.run("container", "inspect", name).stdout)[0]
        return inspected


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("wordpress"))
    try:
        stack.run("image", "bootstrap", "debian:bookworm-slim")
        stack.compose("up", "-d", "--build", "--wait")
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "5", check=False)
        stack.run("engine", "stop", "--force", check=False)
        assert_nothing_left(stack.root)
        shutil.rmtree(stack.root)


def test_all_services_are_healthy(stack: Stack) -> None:
    services = stack.ps()
    assert {name: (row["State"], row["Health"]) for name, row in services.items()} == {
        name: ("running", "healthy") for name in ("db", "wordpress", "web")
    }
    assert {row["Name"] for row in services.values()} == {"wordpress-db-1", "wordpress-wordpress-1", "wordpress-web-1"}


def test_install_through_the_published_port(stack: Stack) -> None:
    page = stack.site.get("/")
    assert (page.status, page.headers["location"]) == (302, f"http://127.0.0.1:{stack.port}/wp-admin/install.php")
    page = stack.site.install(TITLE)
    assert page.status == 200
    assert "Success!" in page.text
    front = stack.site.get("/")
    assert front.status == 200
    assert f"<title>{TITLE}</title>" in front.text


def test_each_container_sees_its_own_processes_only(stack: Stack) -> None:
    listing = stack.compose("exec", "-T", "web", "bash", "-c", "cat /proc/[0-9]*/comm").stdout.split()
    assert set(listing) <= {"apache2", "bash", "cat"}
    on_the_host = {comm.read_text().strip() for comm in Path("/proc").glob("[0-9]*/comm") if comm.exists()}
    assert "mariadbd" in on_the_host


def test_killed_engine_and_keeper_stop_no_page(stack: Stack) -> None:
    for victims in (("pid",), ("pid", "keeper_pid")):
        status = stack.run.engine()
        for victim in victims:
            os.kill(status[victim], signal.SIGKILL)
        for _ in range(5):
            front = stack.site.get("/")
            assert front.status == 200
            assert TITLE in front.text
        services = stack.ps()
        assert {row["State"] for row in services.values()} == {"running"}
        assert stack.run.engine()["pid"] != status["pid"]


def test_exit_while_nobody_watches_is_told(stack: Stack) -> None:
    container = stack.container("wordpress-web-1")
    stack.run("container", "update", "--restart", "no", "wordpress-web-1")
    status = stack.run.engine()
    os.kill(status["keeper_pid"], signal.SIGKILL)
    os.kill(status["pid"], signal.SIGKILL)
    os.kill(container["State"]["Pid"], signal.SIGKILL)
    row = stack.ps()["web"]
    assert (row["State"], row["ExitCode"]) == ("exited", 137)
    stack.compose("up", "-d", "--wait")
    assert stack.site.get("/").status == 200


def test_killed_shim_harms_no_other_service(stack: Stack) -> None:
    before = {name: row["ID"] for name, row in stack.ps().items()}
    record = json.loads(
        (stack.root / "state" / "containers" / stack.container("wordpress-web-1")["Id"] / "status.json").read_text()
    )
    os.kill(record["shim_pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while stack.ps()["web"]["State"] == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    services = stack.ps()
    assert services["db"]["State"] == services["wordpress"]["State"] == "running"
    assert services["web"]["State"] in ("exited", "restarting", "running")
    stack.compose("up", "-d", "--wait")
    assert stack.ps()["db"]["ID"] == before["db"]
    assert stack.site.get("/").status == 200


def test_down_keeps_the_site_and_down_v_does_not(stack: Stack) -> None:
    stack.compose("down")
    assert stack.ps() == {}
    stack.compose("up", "-d", "--wait")
    front = stack.site.get("/")
    assert f"<title>{TITLE}</title>" in front.text
    stack.compose("down", "--volumes")
    stack.compose("up", "-d", "--wait")
    page = stack.site.get("/")
    assert (page.status, page.headers["location"]) == (302, f"http://127.0.0.1:{stack.port}/wp-admin/install.php")


def test_unchanged_build_runs_nothing(stack: Stack) -> None:
    before = {row["ID"] for row in map(json.loads, stack.run("image", "ls", "--format", "json").stdout.splitlines())}
    stack.compose("build")
    after = {row["ID"] for row in map(json.loads, stack.run("image", "ls", "--format", "json").stdout.splitlines())}
    assert after == before
