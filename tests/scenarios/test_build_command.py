"""`pycompose image build` as a user calls it: where contexts come from, and where results go."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from support.busybox_image import busybox_rootfs
from support.command import Command
from support.engine_root import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

_DOCKERFILE = """FROM scratch AS files
COPY --chmod=4750 data /deep/data
COPY data /plain

FROM busybox
COPY --from=files / /
RUN echo made > /made
"""


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    run = Command(tmp_path / "root", tmp_path)
    rootfs = busybox_rootfs()
    run("image", "import", "-", "busybox", stdin=rootfs.read())
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(_DOCKERFILE)
    (context / "data").write_text("content\n")
    yield run
    run("engine", "stop", "--force", check=False)
    assert_nothing_left(tmp_path / "root")


def _images(command: Command) -> set[str]:
    return set(command("image", "ls", "-aq", "--no-trunc").stdout.split())


def test_contexts_of_standard_input(command: Command) -> None:
    context = command.directory / "context"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(context / "Dockerfile", "Other")
        tar.add(context / "data", "data")
    built = command("image", "build", "-q", "-f", "Other", "-", stdin=packed.getvalue()).stdout
    assert built == command("image", "build", "-q", "context").stdout
    assert command("image", "build", "-q", "-f", "-", "context", stdin=_DOCKERFILE.encode()).stdout == built
    assert command("image", "build", "-q", "-", stdin=b"FROM busybox\nENV A=1\n").stdout.startswith("sha256:")
    refused = command("image", "build", "-f", "-", "context", stdin=packed.getvalue(), check=False)
    assert refused.returncode and "standard input is a tar" in refused.stderr


def test_outputs(command: Command) -> None:
    directory, before = command.directory, _images(command)
    command("image", "build", "--target", "files", "-o", "out", "context")
    assert sorted(
        os.path.relpath(os.path.join(at, f), directory / "out") for at, _, fs in os.walk(directory / "out") for f in fs
    ) == [
        "deep/data",
        "plain",
    ]
    assert os.stat(directory / "out/deep/data").st_mode & 0o7777 == 0o4750
    command("image", "build", "-o", "type=tar,dest=files.tar", "context")
    with tarfile.open(directory / "files.tar") as tar:
        made = tar.extractfile("made")
        assert made is not None and made.read() == b"made\n"
    assert _images(command) == before  # files only: no image was made
    command("image", "build", "-o", "type=oci,dest=oci", "-o", "type=docker", "context", check=True)
    assert tarfile.is_tarfile(directory / "oci")
    assert _images(command) == before  # an archive without a name leaves none either
    command("image", "build", "-t", "a:1", "-o", "type=oci,dest=layout,tar=false", "context")
    index = json.loads((directory / "layout/index.json").read_text())
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
    command("image", "build", "-t", "b:1", "--metadata-file", "meta.json", "--iidfile", "iid", "context")
    assert json.loads((directory / "meta.json").read_text()) == {
        "containerimage.config.digest": (directory / "iid").read_text(),
        "containerimage.digest": (directory / "iid").read_text(),
        "image.name": "b:1",
    }
    for bad in ("type=local", "type=odd,dest=x", "type=image,dest=x", "type=tar,dest=x,odd=1"):
        assert command("image", "build", "-o", bad, "context", check=False).returncode


def test_the_epoch_of_the_environment(command: Command) -> None:
    built = {
        command("image", "build", "-q", "--no-cache", "context", SOURCE_DATE_EPOCH="1700000000").stdout
        for _ in range(2)
    }
    (image,) = built
    found = json.loads(command("image", "inspect", image.strip()).stdout)[0]
    assert found["Created"].startswith("2023-11-14T22:13:20")


def test_checks(command: Command) -> None:
    (command.directory / "context/Dockerfile").write_text("FROM busybox\nARG A=$b\nCMD echo\n")
    found = command("image", "build", "--check", "context", check=False)
    assert found.returncode == 1 and "Check complete, 2 warnings have been found!" in found.stdout
    assert "   3 | >>> CMD echo" in found.stdout and "Usage of undefined variable '$b'" in found.stdout
    built = command("image", "build", "--progress", "plain", "context")
    assert built.stderr.endswith(
        "\n 2 warnings found:\n - UndefinedVar: Usage of undefined variable '$b' (line 2)\n"
        " - JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"
        " (line 3)\n"
    )
    failed = command("image", "build", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true", "context", check=False)
    assert failed.returncode and "lint violation found for rules: UndefinedVar, JSONArgsRecommended" in failed.stderr
    (command.directory / "context/Dockerfile").write_text("FROM busybox AS unused\nENV C=${A.x}\nFROM busybox\n")
    refused = command("image", "build", "--check", "context", check=False)
    assert refused.returncode == 1 and "complete" not in refused.stdout
    assert 'ERROR: failed to process "${A.x}": unsupported modifier (.) in substitution\nDockerfile:2' in refused.stdout
    assert command("image", "build", "context").returncode == 0  # what is not needed is not looked at
    (command.directory / "context/Dockerfile").write_text("FROM busybox\nARG A=$b\nCMD echo\n")
    (command.directory / "compose.yaml").write_text("services: {web: {build: context}}")
    assert "web: Check complete, 2 warnings" in command("build", "--check", check=False).stdout


def test_an_output_that_cannot_be_written(command: Command) -> None:
    failed = command("image", "build", "-o", "type=tar,dest=none/files.tar", "context", check=False)
    assert failed.returncode and "none/files.tar: No such file or directory" in failed.stderr
