"""Clients that people point at a Docker socket, each with a session of real use. One that is not installed is skipped."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tarfile
import urllib.request
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest
from support.registry import available, registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.engine_root import EngineRoot

pytestmark = [pytest.mark.root, pytest.mark.peer]

_BAKE = {
    "group": {"default": {"targets": ["one", "two"]}},
    "target": {
        "base": {"dockerfile-inline": "FROM busybox\nRUN echo base > /base\n"},
        "one": {
            "dockerfile-inline": "FROM base\nRUN cat /base > /one\n",
            "contexts": {"base": "target:base"},
            "tags": ["bake-one:1"],
        },
        "two": {
            "context": ".",
            "dockerfile-inline": "FROM base AS x\nCOPY file /two\nFROM x\n",
            "contexts": {"base": "target:base"},
            "tags": ["bake-two:1"],
        },
    },
}
_COMPOSE = """name: clients
services:
  a:
    build: {context: ., dockerfile_inline: "FROM busybox\\nRUN echo a > /a\\n"}
    command: sleep 600
    init: true
    healthcheck: {test: "test -e /a", interval: 1s}
  b:
    build: {context: ., dockerfile_inline: "FROM busybox\\nCOPY file /b\\n"}
    command: sleep 600
    init: true
    depends_on: {a: {condition: service_healthy}}
"""


def _offers(*words: str) -> bool:
    command = which("docker")
    if command is None:
        return False
    return subprocess.run([command, *words], capture_output=True, timeout=30, check=False).returncode == 0


needs_buildx = pytest.mark.skipif(not _offers("buildx", "version"), reason="no docker command with buildx")
needs_compose = pytest.mark.skipif(not _offers("compose", "version"), reason="no docker command with compose")


@pytest.fixture
def docker_(engine: EngineRoot, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The docker command in a directory with one file; asserts success."""
    (tmp_path / "file").write_text("from the context\n")
    environment = {**os.environ, "DOCKER_HOST": engine.url, "BUILDX_CONFIG": str(tmp_path / "buildx")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    return run


@needs_buildx
def test_bake_of_targets_that_use_one_another(docker_: Any, tmp_path: Path) -> None:
    (tmp_path / "bake.json").write_text(json.dumps(_BAKE))
    docker_("buildx", "bake", "-f", "bake.json")
    try:
        assert docker_("run", "--rm", "bake-one:1", "cat", "/one").stdout == "base\n"
        assert docker_("run", "--rm", "bake-two:1", "cat", "/base", "/two").stdout == "base\nfrom the context\n"
        rows = docker_("buildx", "history", "ls", "--format", "{{.Ref}} {{.Status}}").stdout.split("\n")
        assert len([row for row in rows if row.endswith(" Completed")]) >= 2
        told = docker_("buildx", "history", "logs", rows[0].split()[0])
        assert "exporting to image" in told.stdout + told.stderr
        docker_("buildx", "history", "inspect", rows[0].split()[0])
        docker_("buildx", "history", "rm", "--all")
        assert docker_("buildx", "history", "ls", "--format", "{{.Ref}}").stdout.strip() == ""
    finally:
        docker_("rmi", "-f", "bake-one:1", "bake-two:1")


_SEVERAL = """FROM --platform=$BUILDPLATFORM busybox AS tools
RUN echo $BUILDPLATFORM > /made
FROM scratch
ARG TARGETARCH
COPY --from=tools /made /made-for-$TARGETARCH
"""


@needs_buildx
@pytest.mark.skipif(not available(), reason="docker-registry is not installed")
def test_buildx_builds_for_two_platforms_and_pushes_all_of_it(docker_: Any, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(_SEVERAL)
    both = ("--platform", "linux/amd64,linux/arm64")
    before = docker_("images", "-aq").stdout
    with registry(tmp_path / "registry") as address:
        name, meta = f"{address}/several:1", tmp_path / "meta.json"
        asked = ("--provenance=mode=max", "--sbom=true", "--metadata-file", str(meta), "--push", "-t", name)
        docker_("buildx", "build", *both, *asked, ".")
        digest = json.loads(meta.read_text())["containerimage.digest"]
        shown = json.loads(docker_("buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", name).stdout)
        assert shown["digest"] == digest
        kinds = [one["platform"]["architecture"] for one in shown["manifests"]]
        assert kinds == ["amd64", "arm64", "unknown", "unknown"]
        provenance = docker_("buildx", "imagetools", "inspect", "--format", "{{json .Provenance}}", name).stdout
        assert set(json.loads(provenance)) == {"linux/amd64", "linux/arm64"}
        # All of it goes on from the registry, and back through here.
        docker_("buildx", "imagetools", "create", "-t", f"{address}/created:1", name)
        docker_("pull", f"{address}/created:1")
        docker_("tag", f"{address}/created:1", f"{address}/again:1")
        docker_("push", f"{address}/again:1")
        again = docker_("buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", f"{address}/again:1")
        assert json.loads(again.stdout)["digest"] == digest
        for one in ("created", "again", "several"):
            docker_("rmi", f"{address}/{one}:1")
    docker_("buildx", "build", *both, "-o", f"type=oci,dest={tmp_path}/both.oci,name=both:1", ".")
    docker_("load", "-i", f"{tmp_path}/both.oci")
    found = docker_("inspect", "--format", "{{.Descriptor.mediaType}}", "both:1").stdout
    assert "index" in found
    docker_("rmi", "both:1")
    docker_("buildx", "build", *both, "-o", "out", ".")
    assert sorted(path.name for path in (tmp_path / "out").glob("*/made-*")) == ["made-for-amd64", "made-for-arm64"]
    assert docker_("images", "-aq").stdout == before


@needs_buildx
def test_several_outputs_of_one_build_and_directories_of_the_clients(docker_: Any, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox AS base\nRUN cat /proc/sys/kernel/random/uuid > /made\nFROM base\nCOPY file /\n"
    )
    before = docker_("images", "-aq").stdout
    outputs = ("local,dest=files", "tar,dest=files.tar", "oci,dest=image.oci,name=several:1", "docker,dest=image.tar")
    docker_("buildx", "build", "--no-cache", *(word for one in outputs for word in ("-o", f"type={one}")), ".")
    made = (tmp_path / "files/made").read_text()
    assert docker_("images", "-aq").stdout == before
    with tarfile.open(tmp_path / "files.tar") as tar:
        content = tar.extractfile("made")
        assert content is not None and content.read().decode() == made
    docker_("load", "-i", f"{tmp_path}/image.oci")
    assert docker_("run", "--rm", "several:1", "cat", "/made").stdout == made
    docker_("rmi", "several:1")
    # A directory of the client's is a layout that others read, and that another build can begin with.
    docker_("buildx", "build", "-o", "type=oci,dest=layout,tar=false,name=layout:1", ".")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "docker.io/library/layout:1"
    (tmp_path / "next").write_text("FROM base\nRUN cp /made /copied\n")
    layout = f"base=oci-layout://{tmp_path}/layout:1"
    docker_("buildx", "build", "--build-context", layout, "-f", "next", "-o", "copied", ".")
    assert (tmp_path / "copied/copied").read_text() == made
    assert docker_("images", "-aq").stdout == before


@needs_buildx
def test_a_cache_in_a_directory_of_the_clients(docker_: Any, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox AS base\nRUN cat /proc/sys/kernel/random/uuid > /made\nFROM base\nCOPY file /\n"
    )
    before = docker_("images", "-aq").stdout
    docker_("buildx", "build", "--cache-to", "type=local,dest=cache,mode=max", "-o", "first", ".")
    docker_("builder", "prune", "-af")
    docker_("buildx", "build", "--cache-from", "type=local,src=cache", "-o", "second", ".")
    assert (tmp_path / "second/made").read_text() == (tmp_path / "first/made").read_text()
    # What lies there and is no cache of this engine's is as good as none.
    for blob in (tmp_path / "cache/blobs/sha256").iterdir():
        blob.write_bytes(b"{}")
    docker_("builder", "prune", "-af")
    docker_("buildx", "build", "--cache-from", "type=local,src=cache", "-o", "third", ".")
    assert (tmp_path / "third/made").read_text() != (tmp_path / "first/made").read_text()
    assert docker_("images", "-aq").stdout == before


@needs_compose
def test_compose_builds_two_services_and_brings_them_up(docker_: Any, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(_COMPOSE)
    docker_("compose", "build")
    docker_("compose", "up", "-d", "--wait")
    try:
        assert docker_("compose", "exec", "-T", "b", "cat", "/b").stdout == "from the context\n"
        assert "(healthy)" in docker_("compose", "ps").stdout
    finally:
        docker_("compose", "down", "-v", "-t", "0", "--rmi", "all")


@pytest.mark.skipif(not which("docker"), reason="no docker command")
def test_the_docker_command_in_its_own_version(docker_: Any) -> None:
    docker_("create", "--name", "cli", "busybox", "sleep", "600")
    try:
        docker_("start", "cli")
        assert docker_("exec", "cli", "echo", "hello").stdout == "hello\n"
        assert docker_("inspect", "cli", "--format", "{{.State.Status}}").stdout == "running\n"
        for words in (("system", "df"), ("system", "df", "-v"), ("info",), ("stats", "--no-stream"), ("images",)):
            docker_(*words)
        docker_("network", "inspect", "bridge")
        docker_("history", "busybox")
    finally:
        docker_("rm", "-f", "cli")


def test_aiodocker(engine: EngineRoot) -> None:
    aiodocker = pytest.importorskip("aiodocker")

    async def session() -> None:
        async with aiodocker.Docker(url=engine.url) as docker:
            assert (await docker.version())["ApiVersion"] == "1.55"
            config = {"Image": "busybox", "Cmd": ["sh", "-c", "echo hi; sleep 600"]}
            container = await docker.containers.create(config, name="aiodocker")
            try:
                await container.start()
                execution = await container.exec(["echo", "inside"])
                async with execution.start(detach=False) as stream:
                    assert (await stream.read_out()).data == b"inside\n"
                    assert await stream.read_out() is None
                assert (await execution.inspect())["ExitCode"] == 0
                assert await container.log(stdout=True) == ["hi\n"]
                assert len(await container.stats(stream=False)) == 1
                assert (await docker.volumes.prune())["VolumesDeleted"] == []
            finally:
                await container.delete(force=True)

    asyncio.run(session())


@pytest.mark.skipif(not which("docker"), reason="no docker command, which python-on-whales calls")
def test_python_on_whales(engine: EngineRoot) -> None:
    whales = pytest.importorskip("python_on_whales")
    docker = whales.DockerClient(host=engine.url)
    container = docker.run("busybox", ["sleep", "600"], detach=True, name="whale", labels={"a": "b"})
    try:
        assert container.execute(["echo", "x"]) == "x" and container.state.running
        assert [one.name for one in docker.container.list(filters=[("label", "a=b")])] == ["whale"]
        assert docker.network.inspect("bridge").driver == "bridge"
        assert docker.system.info().server_version
    finally:
        container.remove(force=True)


def test_testcontainers(engine: EngineRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its reaper, whose image is on Docker Hub only."""
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    core = pytest.importorskip("testcontainers.core.container")
    strategies = pytest.importorskip("testcontainers.core.wait_strategies")
    network = pytest.importorskip("testcontainers.core.network")
    serve = ["sh", "-c", "echo served > /index.html; echo begun; exec httpd -f -p 80 -h /"]
    with network.Network() as shared:
        web = core.DockerContainer("busybox").with_command(serve).with_exposed_ports(80)
        web = web.with_network(shared).with_network_aliases("web")
        with web.waiting_for(strategies.LogMessageWaitStrategy("begun")) as running:
            address = f"http://{running.get_container_host_ip()}:{running.get_exposed_port(80)}/"
            with urllib.request.urlopen(address, timeout=30) as response:
                assert response.read() == b"served\n"
            assert b"begun" in running.get_logs()[0]
            with core.DockerContainer("busybox").with_command(["sleep", "600"]).with_network(shared) as other:
                assert other.exec(["wget", "-qO-", "http://web/"]).output == b"served\n"
                assert other.exec(["false"]).exit_code == 1
