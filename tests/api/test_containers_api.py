"""The life of a container through docker-py."""

from __future__ import annotations

import docker
import docker.errors
import pytest

pytestmark = pytest.mark.root


def test_run_prints_what_the_program_writes(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"


def test_exit_code_and_streams(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", ["sh", "-c", "echo out; echo err >&2; exit 3"], detach=True)
    assert container.wait()["StatusCode"] == 3
    assert container.logs(stdout=True, stderr=False) == b"out\n"
    assert container.logs(stdout=False, stderr=True) == b"err\n"
    container.reload()
    assert container.status == "exited"


def test_missing_program_is_127(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["no-such-program"])
    with pytest.raises(docker.errors.APIError, match="executable file not found") as caught:
        container.start()
    assert caught.value.status_code == 400
    assert client.api.inspect_container(container.id)["State"]["ExitCode"] == 127
