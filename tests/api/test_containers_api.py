"""The life of a container through docker-py."""

from __future__ import annotations

import io
import json
import tarfile
import urllib.parse
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pytest
from support.engine_root import wait_for

if TYPE_CHECKING:
    from support.engine_root import EngineRoot

pytestmark = pytest.mark.root


def test_the_usual_places_are_there_before_a_container_has_run(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["true"])
    stream, found = container.get_archive("/etc/resolv.conf")
    assert found["name"] == "resolv.conf" and found["size"] == 0
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        assert tar.getnames() == ["resolv.conf"]
    assert container.diff() in (None, [])


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


def test_update_keeps_the_times_of_a_restart_policy(engine: EngineRoot) -> None:
    policy = {"Name": "always", "MaximumRetryCount": 3, "Delay": 2_000_000_000, "Window": 7_000_000_000}
    body = {"Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {"RestartPolicy": policy}}
    id = engine.json("POST", "/containers/create", body)["Id"]

    def updated(given: dict[str, Any]) -> dict[str, Any]:
        engine.json("POST", f"/containers/{id}/update", {"RestartPolicy": given})
        found: dict[str, Any] = engine.json("GET", f"/containers/{id}/json")["HostConfig"]["RestartPolicy"]
        return found

    try:
        engine.json("POST", f"/containers/{id}/start")
        assert updated({"Name": "on-failure", "MaximumRetryCount": 5}) == {
            **policy,
            "Name": "on-failure",
            "MaximumRetryCount": 5,
        }
        assert updated({"Name": "on-failure", "Delay": 1})["Delay"] == 1
        assert updated({"Name": "no"}) == {"Name": "no", "MaximumRetryCount": 0}
        status, answer = engine.request("POST", f"/containers/{id}/update", {"RestartPolicy": {"Name": "never"}})
        assert (status, json.loads(answer)["message"]) == (400, "invalid restart policy 'never'")
    finally:
        engine.json("DELETE", f"/containers/{id}?force=1")


def test_an_exec_is_ended_with_its_children(engine: EngineRoot, client: docker.DockerClient) -> None:
    """Our own call: Docker has none."""
    container = client.containers.run("busybox", ["sleep", "600"], detach=True)
    command = ["sh", "-c", "trap 'exit 7' USR1; sleep 4711 & touch /ready; wait"]
    ident = client.api.exec_create(container.id, command)["Id"]
    path = f"/pycompose/exec/{ident}/kill"
    assert engine.request("POST", path)[0] == 409, "nothing runs yet"
    client.api.exec_start(ident, detach=True)
    wait_for(lambda: container.exec_run(["test", "-f", "/ready"]).exit_code == 0, lambda: "it does not run")
    assert engine.request("POST", f"{path}?signal=SIGFOO")[0] == 400
    assert engine.request("POST", f"{path}?signal=USR1")[0] == 204
    wait_for(lambda: not client.api.exec_inspect(ident)["Running"], lambda: "it does not end")
    assert client.api.exec_inspect(ident)["ExitCode"] == 7
    assert [row[-1] for row in container.top()["Processes"]] == ["sleep 600"]
    assert engine.request("POST", path)[0] == 409, "it has ended"
    assert engine.request("POST", "/pycompose/exec/nothing/kill")[0] == 404


@pytest.mark.parametrize(("stop_signal", "after"), [("", "running"), ("SIGTERM", "paused")])
def test_a_signal_to_a_paused_container(client: docker.DockerClient, stop_signal: str, after: str) -> None:
    """It goes on, unless it has a stop signal of its own and this is another one."""
    program = ["sh", "-c", "trap 'echo usr1' USR1; while :; do sleep 0.05; done"]
    container = client.containers.run("busybox", program, detach=True, stop_signal=stop_signal or None)
    container.pause()
    container.kill("SIGUSR1")
    container.reload()
    assert container.status == after
    container.kill()
    container.reload()
    assert container.status == "exited"


def test_a_start_without_its_network_keeps_the_code_of_the_run_before(client: docker.DockerClient) -> None:
    network = client.networks.create("goes")
    container = client.containers.run("busybox", ["sleep", "1000"], detach=True, network="goes")
    container.kill()
    network.remove()
    with pytest.raises(docker.errors.NotFound, match="network goes not found"):
        container.start()
    assert client.api.inspect_container(container.id)["State"]["ExitCode"] == 137


@pytest.mark.parametrize("noun", ["containers", "networks", "images"])
def test_until_is_one_moment(engine: EngineRoot, noun: str) -> None:
    status, answer = engine.request("POST", f'/{noun}/prune?filters={{"until":["0","1h"]}}'.replace('"', "%22"))
    assert (status, json.loads(answer)["message"]) == (400, "more than one until filter specified")


@pytest.mark.parametrize(
    ("filters", "answered"),
    [
        ({"until": ["1h", "2h"]}, 400),
        ({"bogus": ["1"]}, 400),
        ({"type": ["regular"]}, 501),
        ({"unused-for": ["1h"]}, 200),
    ],
)
def test_no_filter_of_the_build_cache_is_passed_over(
    engine: EngineRoot, filters: dict[str, list[str]], answered: int
) -> None:
    """It would take more than was asked for."""
    query = urllib.parse.quote(json.dumps(filters))
    assert engine.request("POST", f"/build/prune?filters={query}")[0] == answered


def test_all_volumes_or_not(engine: EngineRoot) -> None:
    status, answer = engine.request("POST", "/volumes/prune?filters=%7B%22all%22:[%22true%22,%22false%22]%7D")
    assert (status, b"only one value is expected" in answer) == (400, True)


def test_a_commit_has_what_the_program_changed(client: docker.DockerClient) -> None:
    """And nothing of what the engine has put there: an unchanged container adds no layer."""

    def committed(program: str) -> tuple[list[str], list[str]]:
        container = client.containers.create("busybox", ["sh", "-c", program])
        container.start()
        container.wait()
        image = container.commit("committed")
        names = []
        with tarfile.open(fileobj=io.BytesIO(b"".join(image.save()))) as archive:
            listed = archive.extractfile("manifest.json")
            assert listed is not None
            (manifest,) = json.loads(listed.read())
            for layer in manifest["Layers"][1:]:
                with tarfile.open(fileobj=archive.extractfile(layer)) as inner:
                    names += inner.getnames()
        client.images.remove("committed")
        return manifest["Layers"], names

    assert len(committed("true")[0]) == 1
    layers, names = committed("touch /tmp/x; rm /etc/group")
    assert (len(layers), sorted(names)) == (2, [".", "etc", "etc/.wh.group", "tmp", "tmp/x"])


def test_memory_alone_beside_swap_without_a_limit(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", ["true"])
    with pytest.raises(docker.errors.APIError, match="update the memoryswap at the same time") as caught:
        container.update(mem_limit="64m")
    assert caught.value.status_code == 409
    container.update(mem_limit="64m", memswap_limit="128m")


def test_a_start_that_is_not_complete_is_shown(engine: EngineRoot) -> None:
    """By a label that is the engine's alone, until its client says that it is."""
    labels = {"io.pycompose.pending": "copied", "a": "b"}
    wanted = json.dumps({"label": ["io.pycompose.pending"]})
    id = engine.json("POST", "/containers/create", {"Image": "busybox", "Labels": labels})["Id"]

    def shown() -> dict[str, str]:
        found: dict[str, str] = engine.json("GET", f"/containers/{id}/json")["Config"]["Labels"]
        rows = engine.json("GET", f"/containers/json?all=1&filters={urllib.parse.quote(wanted)}")
        assert [row["Id"] for row in rows] == ([id] if "io.pycompose.pending" in found else [])
        return found

    assert shown() == {"a": "b"}
    path = f"/pycompose/containers/{id}/pending"
    engine.json("PUT", path, {"pending": True})
    assert shown() == {"a": "b", "io.pycompose.pending": "true"}
    engine.json("PUT", path, {"pending": False})
    assert shown() == {"a": "b"}
    assert engine.request("PUT", path, {"pending": "no"})[0] == 400
    engine.json("DELETE", f"/containers/{id}")


def test_zero_and_false_are_shown(engine: EngineRoot) -> None:
    body = {"Image": "busybox", "Cmd": ["true"], "StopTimeout": 0, "HostConfig": {"Init": False}}
    id = engine.json("POST", "/containers/create", body)["Id"]
    shown = engine.json("GET", f"/containers/{id}/json")
    assert (shown["Config"]["StopTimeout"], shown["HostConfig"]["Init"]) == (0, False)
    engine.json("DELETE", f"/containers/{id}")
