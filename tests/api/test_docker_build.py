"""``docker build`` and ``docker compose`` with nothing set: their BuildKit talks to this engine. Every client that is installed
is tried; those before 23 have another protocol."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import subprocess
import tarfile
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest
from support import registry
from support.engine_root import wait_for

if TYPE_CHECKING:
    import docker
    from support.engine_root import EngineRoot


def _has_buildkit(command: str) -> bool:
    """Since version 23 the docker command has BuildKit in its buildx plugin, which is a package of its own; before, within."""
    version = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    major = re.search(r"version (\d+)\.", version)
    if major and int(major.group(1)) < 23:
        return True
    return subprocess.run([command, "buildx", "version"], capture_output=True, timeout=20, check=False).returncode == 0


_CLIENTS = [
    command
    for command in dict.fromkeys(
        filter(None, (which("docker"), which("docker", path="/usr/bin"), which("docker-trixie")))
    )
    if _has_buildkit(command)
]

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.skipif(not _CLIENTS, reason="no docker command that has BuildKit (the buildx plugin)"),
]

_DOCKERFILE = """FROM busybox AS base
ARG WHO=nobody
RUN --mount=type=secret,id=token cp /run/secrets/token /token; echo $WHO >> /token
FROM base
WORKDIR /app
COPY . .
RUN --mount=type=cache,target=/c ls > /listing; echo said >&2
CMD ["sh", "-c", "cat /token /listing"]
"""


@pytest.fixture(params=_CLIENTS)
def cli(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "kept").mkdir(parents=True)
    (root / "kept" / "file").write_text("kept")
    (root / "dropped").write_text("dropped")
    (root / ".dockerignore").write_text("dropped\nDockerfile\n.dockerignore\n")
    (root / "Dockerfile").write_text(_DOCKERFILE)
    (tmp_path / "token").write_text("s3cret\n")
    return root


def _run(engine: EngineRoot, cli: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "BUILDX_"))}
    return subprocess.run(
        [cli, *arguments], env={**environment, "DOCKER_HOST": engine.url}, capture_output=True, timeout=60, **options
    )


def test_build(engine: EngineRoot, client: docker.DockerClient, cli: str, context: Path) -> None:
    iidfile = context.parent / "iid"
    words = ("build", "--progress", "plain", "--no-cache", "-t", "cli:a", "-t", "cli:b", "--build-arg", "WHO=me")
    secret = f"id=token,src={context.parent}/token"
    built = _run(engine, cli, *words, "--secret", secret, "--iidfile", str(iidfile), str(context), text=True)
    assert built.returncode == 0, built.stderr
    for line in ("[base 2/2] RUN --mount=type=secret", "[stage-1 2/3] COPY . .", "said", "exporting to image"):
        assert line in built.stderr
    image = client.images.get("cli:b")
    assert iidfile.read_text() == image.id
    assert client.containers.run("cli:a", remove=True) == b"s3cret\nme\nkept\n"
    again = _run(
        engine, cli, *[word for word in words if word != "--no-cache"], "--secret", secret, str(context), text=True
    )
    assert again.stderr.count("CACHED") == 4
    client.images.remove("cli:a")
    client.images.remove("cli:b")


def test_a_failure_is_an_exit_code_and_words(engine: EngineRoot, cli: str, context: Path) -> None:
    dockerfile = "FROM busybox\nRUN echo before; exit 5\n"
    built = _run(engine, cli, "build", "--progress", "plain", "-f", "-", str(context), input=dockerfile, text=True)
    assert built.returncode == 1
    assert 'process "/bin/sh -c echo before; exit 5" did not complete successfully: exit code: 5' in built.stderr
    assert "before" in built.stderr


def test_outputs_and_contexts_on_standard_input(engine: EngineRoot, cli: str, context: Path) -> None:
    out = context.parent / "out"
    dockerfile = "FROM scratch\nCOPY kept /there\n"
    built = _run(engine, cli, "build", "-o", str(out), "-f", "-", str(context), input=dockerfile, text=True)
    assert built.returncode == 0, built.stderr
    assert (out / "there" / "file").read_text() == "kept"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(context, ".")
    built = _run(engine, cli, "build", "-q", "-", input=packed.getvalue())
    assert built.returncode == 0, built.stderr
    assert built.stdout.startswith(b"sha256:")


@pytest.mark.skipif(not registry.available(), reason="no docker-registry")
def test_a_base_behind_a_login(engine: EngineRoot, client: docker.DockerClient, cli: str, context: Path) -> None:
    """The client's login goes by way of its session; the file of the logins is the client's alone."""
    home = context.parent / "home"
    with registry.registry(context.parent / "registry", user=("me", "pass")) as place:
        base = f"{place}/base:1"
        client.images.get("busybox").tag(base)
        login = {"auths": {place: {"auth": base64.b64encode(b"me:pass").decode()}}}
        home.mkdir()
        (home / "config.json").write_text(json.dumps(login))
        config = ("--config", str(home))
        plugins = Path.home() / ".docker" / "cli-plugins"
        if plugins.is_dir():
            (home / "cli-plugins").symlink_to(plugins)
        assert _run(engine, cli, *config, "push", base).returncode == 0
        client.images.remove(base)
        dockerfile = f"FROM {base}\nRUN true\n"
        words = ("build", "--progress", "plain", "-f", "-", str(context))
        without = _run(engine, cli, *words, input=dockerfile, text=True)
        assert without.returncode == 1
        assert "unauthorized" in without.stderr.lower() or "no basic auth" in without.stderr.lower()
        built = _run(engine, cli, *config, *words, input=dockerfile, text=True)
        assert built.returncode == 0, built.stderr
        assert f"[internal] load metadata for {base}" in built.stderr
        client.images.remove(base)


def test_an_interrupt_ends_the_build(engine: EngineRoot, cli: str, context: Path) -> None:
    environment = {**os.environ, "DOCKER_HOST": engine.url}
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo begun; sleep 1000\n")
    with subprocess.Popen(
        [cli, "build", "--no-cache", "--progress", "plain", str(context)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as build:
        assert build.stderr is not None
        assert any("begun" in line and "RUN" not in line for line in build.stderr)
        build.send_signal(signal.SIGINT)
        build.stderr.read()
        assert build.wait(20) != 0
    wait_for(lambda: not list(engine.layout.build_runs.iterdir()), "the step goes on")


def test_compose_up_builds(engine: EngineRoot, cli: str, context: Path) -> None:
    if _run(engine, cli, "compose", "version").returncode:
        pytest.skip("this client has no compose")
    (context / "compose.yaml").write_text(f"""name: bkup
services:
  one: {{build: {{context: ., args: {{WHO: one}}, secrets: [token]}}}}
  two: {{build: {{context: ., dockerfile_inline: "FROM busybox\\nCOPY --from=more token /more\\nCMD cat /more",
         additional_contexts: {{more: {context.parent}}}}}}}
secrets: {{token: {{file: {context.parent}/token}}}}
""")
    words = ("compose", "--progress", "plain", "--project-directory", str(context))
    try:
        up = _run(engine, cli, *words, "up", "--build", "--no-color", text=True)
        assert up.returncode == 0, up.stderr
        assert {line.split("| ")[1] for line in up.stdout.splitlines() if "| " in line} >= {"s3cret", "one", "kept"}
    finally:
        down = _run(engine, cli, *words, "down", "--rmi", "all", "-t", "0", text=True)
    assert down.returncode == 0, down.stderr
