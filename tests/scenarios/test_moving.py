"""Coming from Docker and going back: a project with its volumes, networks and containers from engine to engine, killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.cutting_proxy import CuttingProxy
from support.engine_root import assert_nothing_left
from support.peering import dockerd
from support.peering.engines import Peer

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.root

PROJECT = """
name: shop
services:
  web:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    environment: {A: "1", B: two words}
    labels: {tier: front}
    depends_on: [db]
    healthcheck: {test: [CMD, "true"], interval: 5s}
    networks: {front: {aliases: [www]}, back: }
    ports: ["127.0.0.1::80"]
    mem_limit: 64m
    restart: unless-stopped
  db:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    user: "1000:1000"
    volumes: ["data:/data", "./:/src:ro", /anon]
    networks: [back]
networks: {front: , back: {internal: true}}
volumes: {data: {labels: {keep: "yes"}}}
"""
SEED = """
cd /data; chown 33:44 .; chmod 2750 .; echo hello >a; ln a b; ln -s a c; mkdir -p x/y; chown 7:8 x; mkfifo x/p; mknod x/n c 1 3
dd if=/dev/urandom of=big bs=1M count=8 2>/dev/null; truncate -s 30M holes; touch -d '2020-01-02 03:04:05' a
"""
LOOK = "cd /data; find . | sort | xargs stat -c '%n %A %u %g %h %s %N'; find . -type f | sort | xargs md5sum; date -r a"
ONLY_STARTS = ["start shop-db-1", "start shop-web-1"]


def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "compose.yaml").write_text(PROJECT)
    return directory


def steps(command: Command, *arguments: str) -> list[str]:
    found = command(*arguments, "plan", check=False).stdout.splitlines()
    return [line.partition(". ")[2].partition("  [")[0] for line in found if line[:1].isdigit()]


def rows(text: str) -> dict[tuple[str, str], dict[str, object]]:
    return {(row["Kind"], row["Name"]): row for row in map(json.loads, text.splitlines())}


def looked(command: Command) -> str:
    """The volume as a container sees it."""
    return command("container", "run", "--rm", "-v", "shop_data:/data", "busybox", "sh", "-c", LOOK).stdout


def had(command: Command) -> list[str]:
    """Everything an engine has, but times and states that go on by themselves."""
    words = (
        ("image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"),
        ("volume", "ls", "--format", "{{.Name}} {{.Labels}}"),
        ("network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"),
        ("container", "ls", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"),
    )
    return [command(*one).stdout for one in words]


def killed_after(command: Command, lines: int, *arguments: str) -> bool:
    """Run, and kill the command once it has told so much; whether it was still there."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "PYCOMPOSE_"))}
    process = subprocess.Popen(
        [str(PYCOMPOSE), "--root", str(command.root), *arguments],
        cwd=command.directory,
        env={**environment, "PYCOMPOSE_WARM": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process.stdout:
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        return process.wait(timeout=60) == -signal.SIGKILL


@pytest.mark.timeout(600)
def test_a_project_comes_over_and_up_has_only_to_start_it(tmp_path: Path) -> None:
    directory = project(tmp_path)
    source, target = Command(tmp_path / "source", directory), Command(tmp_path / "target", directory)
    for command in (source, target):
        command("engine", "status", check=False)
    try:
        source("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
        source("up", "-d")
        source("container", "run", "--rm", "-v", "shop_data:/data", "busybox", "sh", "-c", SEED)
        before, content = had(source), looked(source)
        words = ("import", "docker", "--from", f"unix://{tmp_path}/source/run/engine.sock", "--project", "shop")
        planned = rows(target("import", "docker", *words[2:], "--dry-run", "--format", "json").stdout)
        assert {row["State"] for row in planned.values()} == {"would be brought"}
        assert target("volume", "ls", "-q").stdout == ""
        for lines in range(len(planned)):
            killed_after(target, lines, *words)
        told = rows(target(*words, "--format", "json").stdout)
        assert told.keys() == planned.keys()
        assert {row["State"] for row in told.values()} <= {"brought", "there already"}
        assert had(source) == before
        assert steps(target) == ONLY_STARTS
        assert looked(target) == content
        source("stop")
        target("up", "-d")
        assert steps(target) == []
        assert {one["State"] for one in target.ps().values()} == {"running"}
        assert "keep=yes" in target("volume", "ls", "--format", "{{.Labels}}", "--filter", "name=shop_data").stdout
        again = rows(target(*words, "--format", "json").stdout)
        assert {row["State"] for row in again.values()} == {"there already"}
        target("exec", "db", "id")
        target("container", "run", "--rm", "-v", "shop_data:/data", "busybox", "rm", "/data/b")
        other = target(*words, check=False)
        assert other.returncode == 1
        assert "failed: there is another volume of this name, which holds something else" in other.stdout
    finally:
        for command in (target, source):
            command("down", "-v", check=False)
            command("engine", "stop", "--force", check=False)
    for root in (tmp_path / "target", tmp_path / "source"):
        assert_nothing_left(root)


@pytest.mark.timeout(600)
def test_an_engine_that_has_only_the_engine_api(tmp_path: Path) -> None:
    """Ours behind a socket that hides it. A volume of this machine is copied with what no archive of dockerd's holds; on the way back
    a helper container takes it in, and marks it as unfinished for as long."""
    source, target = Command(tmp_path / "source", tmp_path), Command(tmp_path / "target", tmp_path)
    socket = tmp_path / "docker.sock"
    words = ("docker", "--format", "json")
    for command in (source, target):
        command("engine", "status", check=False)
    try:
        source("image", "import", "-", "busybox", stdin=busybox_rootfs().read())
        source("container", "run", "--rm", "-v", "shop_data:/data", "busybox", "sh", "-c", SEED)
        content = looked(source)
        data = tmp_path / "source/state/volumes/shop_data/_data"
        os.setxattr(data / "big", "user.colour", b"red")
        os.utime(data / "big", ns=(1, 1_600_000_000_123_456_789))
        names, before = sorted(os.listdir(data)), had(source)
        with relay(socket, tmp_path / "source", "nothing", lambda: None):
            told = rows(target("import", *words, "--from", f"unix://{socket}").stdout)
            assert told["volume", "shop_data"]["State"] == "brought"
        copied = tmp_path / "target/state/volumes/shop_data/_data"
        assert os.getxattr(copied / "big", "user.colour") == b"red"
        assert (copied / "big").stat().st_mtime_ns == 1_600_000_000_123_456_789
        assert (copied / "holes").stat().st_blocks * 512 < 1 << 20
        assert looked(target) == content
        assert target("volume", "ls", "-q").stdout == "shop_data\n", "nothing is left to read by"
        assert had(source) == before and sorted(os.listdir(data)) == names

        source("volume", "rm", "shop_data")
        running: list[subprocess.Popen[bytes]] = []
        export = [str(PYCOMPOSE), "--root", str(target.root), "export", *words, "--to", f"unix://{socket}"]
        with relay(socket, tmp_path / "source", "PUT .*/archive", lambda: running[0].kill()) as proxy:
            process = subprocess.Popen(
                export, env={**os.environ, "PYCOMPOSE_WARM": "0"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            running.append(process)
            assert process.wait(timeout=120) == -signal.SIGKILL
            assert proxy.reached.is_set()
        helpers = ("container", "ls", "-aq", "--filter", "label=io.pycompose.moving.into=shop_data")
        assert source(*helpers).stdout != ""
        with relay(socket, tmp_path / "source", "nothing", lambda: None):
            told = rows(target("export", *words, "--to", f"unix://{socket}").stdout)
            assert told["volume", "shop_data"]["State"] == "brought"
            again = rows(target("export", *words, "--to", f"unix://{socket}").stdout)
        assert {row["State"] for row in again.values()} == {"there already"}
        assert source("container", "ls", "-aq").stdout == ""
        assert looked(source) == content
    finally:
        for command in (target, source):
            command("engine", "stop", "--force", check=False)
    for root in (tmp_path / "target", tmp_path / "source"):
        assert_nothing_left(root)


def relay(socket: Path, root: Path, pattern: str, cut: Callable[[], None]) -> CuttingProxy:
    engine = str(root / "run/engine.sock")
    return CuttingProxy(socket, engine, pattern, cut, answered=False, stranger=True)


_LACKING = dockerd.missing() or (None if which("docker", path=dockerd.search_path()) else "not installed: docker")


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.skipif(_LACKING is not None, reason=f"no dockerd to come from: {_LACKING}")
@pytest.mark.timeout(900)
def test_from_dockerd_and_back(tmp_path: Path) -> None:
    """A project of Docker Compose's; `docker compose up` finds its own containers again after the way back."""
    directory = project(tmp_path)
    here = Command(tmp_path / "root", directory)
    (tmp_path / ".docker").mkdir()
    plugins = Path(os.environ.get("PYCOMPOSE_PEER_DOCKERD", "/"), "usr/libexec/docker/cli-plugins")
    (tmp_path / ".docker/config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(plugins)]}))
    with dockerd.Dockerd(tmp_path / "d") as docker:
        environment = {
            **os.environ,
            "PATH": dockerd.search_path(),
            "DOCKER_HOST": docker.url,
            "HOME": str(tmp_path),
            "DOCKER_CONFIG": str(tmp_path / ".docker"),
        }

        def theirs(*words: str) -> str:
            done = subprocess.run(
                ["docker", *words],
                cwd=directory,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout + done.stderr

        def look() -> str:
            return theirs("run", "--rm", "-v", "shop_data:/data", "busybox", "sh", "-c", LOOK)

        made = "/images/create?fromSrc=-&repo=busybox&tag=latest&changes=CMD%20%5B%22%2Fbin%2Fsh%22%5D"
        assert Peer("dockerd", str(docker.socket)).request("POST", made, busybox_rootfs().read()).status == 200
        if subprocess.run(
            ["docker", "compose", "version"], env=environment, capture_output=True, check=False
        ).returncode:
            pytest.skip("no docker compose beside docker")
        try:
            theirs("compose", "up", "-d")
            theirs("run", "--rm", "-v", "shop_data:/data", "busybox", "sh", "-c", SEED)
            theirs("volume", "create", "loose")
            content, before = look(), theirs("ps", "-aq", "--no-trunc")
            for lines in (2, 4):
                killed_after(here, lines, "import", "docker", "--from", docker.url)
            here("import", "docker", "--from", docker.url)
            assert theirs("ps", "-aq", "--no-trunc") == before
            assert steps(here) == ONLY_STARTS
            assert looked(here) == content
            assert "loose" in here("volume", "ls", "-q").stdout
            theirs("compose", "down", "-v")
            assert killed_after(here, 3, "export", "docker", "--to", docker.url)
            here("export", "docker", "--to", docker.url)
            assert "Recreate" not in theirs("compose", "up", "-d")
            assert look() == content
            assert theirs("ps", "-aq", "--filter", "label=io.pycompose.moving") == ""
        finally:
            here("down", "-v", check=False)
            here("engine", "stop", "--force", check=False)
    assert_nothing_left(tmp_path / "root")
