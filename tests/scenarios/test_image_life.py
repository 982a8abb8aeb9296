"""Images as a user moves them: through the installed command and a real registry, over bad lines, past kills and liars."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from support.busybox_image import busybox_rootfs
from support.command import PYCOMPOSE, Command
from support.engine_root import assert_nothing_left, docker_cli, wait_for
from support.fake_registry import fake_registry
from support.registry import available, registry
from support.throttle import relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.skipif(not available(), reason="docker-registry is not installed"),
]

DOCKERFILE = """FROM busybox
COPY --chown=12:34 --chmod=4750 data /data
COPY small /small
RUN rm /small && mkdir /empty && echo x > /file && ln /file /hard && ln -s data /soft && mkfifo /pipe
"""
SIZE = 12_000_000


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    root = tmp_path / "root"
    run = Command(root, tmp_path)
    rootfs = busybox_rootfs()
    (tmp_path / "rootfs.tar").write_bytes(rootfs.read() if isinstance(rootfs, io.BytesIO) else rootfs)
    run("image", "import", str(tmp_path / "rootfs.tar"), "busybox")
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "data").write_bytes(os.urandom(SIZE))
    os.setxattr(context / "data", "user.note", b"kept")
    (context / "small").write_text("small")
    yield run
    run("engine", "stop", "--force", check=False)
    assert_nothing_left(root)


def build(command: Command, ref: str) -> str:
    command("image", "build", "-q", "-t", ref, str(command.directory / "context"))
    return image_id(command, ref)


def image_id(command: Command, ref: str) -> str:
    return str(inspect(command, ref)["Id"])


def inspect(command: Command, ref: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command("image", "inspect", ref).stdout)[0]
    return found


def content(command: Command, ref: str) -> dict[str, tuple[Any, ...]]:
    """All files of an image with what they are made of, by docker export's form."""
    name = command("container", "create", ref, "true").stdout.strip()
    path = command.directory / "export.tar"
    command("container", "export", "-o", str(path), name)
    command("container", "rm", name)
    with tarfile.open(path) as archive:
        return {
            entry.name: (
                entry.type,
                entry.mode,
                entry.uid,
                entry.gid,
                entry.size,
                entry.linkname,
                int(entry.mtime),
                {key: value for key, value in entry.pax_headers.items() if key.startswith("SCHILY.xattr.")},
            )
            for entry in archive
            if entry.name not in (".", ".dockerenv")  # as old as the container
        }


def test_push_remove_pull(command: Command, tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as address:
        ref = f"{address}/team/app:1"
        before = build(command, ref)
        files = content(command, ref)
        assert files["data"][1:4] == (0o4750, 12, 34)
        command("image", "push", ref)
        pushed = inspect(command, ref)["RepoDigests"]
        command("image", "rm", ref)
        command("builder", "prune", "-af", check=False)
        assert command("image", "inspect", ref, check=False).returncode
        command("image", "pull", ref)
        assert (image_id(command, ref), inspect(command, ref)["RepoDigests"]) == (before, pushed)
        assert content(command, ref) == files
        # by digest, and through Docker's own command
        command("image", "rm", ref)
        digest = pushed[0].partition("@")[2]
        assert command("image", "pull", f"{address}/team/app@{digest}").returncode == 0
        if docker := docker_cli():
            socket = f"unix://{command.root}/run/engine.sock"
            for verb in (["pull", ref], ["push", ref], ["pull", "-a", f"{address}/team/app"]):
                result = subprocess.run([docker, "-H", socket, *verb], capture_output=True, text=True, timeout=60)
                assert result.returncode == 0 and digest in result.stdout, result


def test_a_build_pulls_its_base(command: Command, tmp_path: Path) -> None:
    """Its progress comes as events of the build, by `image build` and by `up`."""
    with registry(tmp_path / "registry") as address:
        ref = f"{address}/base:1"
        build(command, ref)
        command("image", "push", ref)
        (tmp_path / "context" / "Dockerfile").write_text(f"FROM {ref}\nLABEL a=b\n")
        (tmp_path / "compose.yaml").write_text("name: pulled\nservices:\n  app: {build: context, command: 'true'}\n")
        for words in (["image", "build", "--progress", "plain", "-t", "derived", "context"], ["build"]):
            command("image", "rm", ref)
            command("builder", "prune", "-af", check=False)
            command("image", "prune", "-f")
            done = command(*words)
            assert "Download" in done.stdout + done.stderr, done


def test_a_line_that_breaks(command: Command, tmp_path: Path) -> None:
    chance = random.Random(5)
    with (
        registry(tmp_path / "registry") as address,
        relay(address, cut=lambda: chance.randrange(200_000, 4_000_000)) as line,
    ):
        before = build(command, f"{address}/app:1")
        command("image", "push", f"{address}/app:1")
        command("image", "rm", f"{address}/app:1")
        command("builder", "prune", "-af", check=False)
        command("image", "pull", f"{line.address}/app:1")
        assert image_id(command, f"{line.address}/app:1") == before
        assert line.sent < 1.5 * SIZE  # what had come was not fetched again


def test_the_engine_is_killed_while_it_pulls(command: Command, tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as address, relay(address, rate=4_000_000) as line:
        before = build(command, f"{address}/app:1")
        command("image", "push", f"{address}/app:1")
        command("image", "rm", f"{address}/app:1")
        command("builder", "prune", "-af", check=False)
        ref = f"{line.address}/app:1"
        pull = subprocess.Popen(
            [str(PYCOMPOSE), "--root", str(command.root), "image", "pull", ref],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        ingest = command.root / "state" / "ingest"

        def came() -> int:
            return sum(path.stat().st_size for path in ingest.glob("*.partial"))

        wait_for(lambda: came() > SIZE // 4, came)
        os.kill(command.engine()["pid"], signal.SIGKILL)
        said = pull.communicate(timeout=30)[1]
        assert pull.returncode and "engine" in said and "Traceback" not in said
        there, line.rate, line.sent = came(), 0, 0
        assert there > SIZE // 4
        command("image", "pull", ref)
        assert image_id(command, ref) == before
        assert line.sent < SIZE - there + 1_500_000  # the base image's layer is small


def test_a_registry_that_lies(command: Command) -> None:
    with fake_registry() as server:
        ref = f"{server.address}/app:1"
        build(command, ref)
        command("image", "push", ref)
        command("image", "rm", ref)
        command("builder", "prune", "-af", check=False)
        blobs = server.blobs["app"]
        largest = max(blobs, key=lambda digest: len(blobs[digest]))
        honest = blobs[largest]
        for lie, words in (
            (bytes(len(honest)), f"content does not match its digest: expected {largest}"),
            (honest + b"more", f"sends more than {len(honest)} bytes"),
        ):
            blobs[largest] = lie
            refused = command("image", "pull", ref, check=False)
            assert refused.returncode == 1 and words in refused.stderr, refused
            assert command("image", "inspect", ref, check=False).returncode
        blobs[largest] = honest
        command("image", "pull", ref)


def test_layers_of_a_stopped_container_stay(command: Command, tmp_path: Path) -> None:
    build(command, "app")
    command("container", "run", "--name", "one", "app", "true")
    command("image", "rm", "-f", "app")
    command("builder", "prune", "-af", check=False)
    command("container", "start", "one")
    files = tmp_path / "out.tar"
    command("container", "export", "-o", str(files), "one")
    with tarfile.open(files) as archive:
        assert archive.getmember("data").size == SIZE
    command("container", "rm", "-f", "one")
