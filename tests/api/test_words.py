"""What Docker's tools compare: the words, statuses and exit codes of errors, and the small print of answers.

Each was taken from dockerd, by running the same command against both.
"""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    import docker
    from support.engine_root import EngineRoot

pytestmark = pytest.mark.root


def create(engine: EngineRoot, name: str, host: dict[str, Any] | None = None, **config: Any) -> str:
    body = {"Image": "busybox", "Cmd": ["sleep", "300"], "HostConfig": host or {}, **config}
    return str(engine.json("POST", f"/containers/create?name={name}", body)["Id"])


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/containers/nosuch/kill?signal=BOGUS", 400, "Invalid signal: BOGUS"),
        ("POST", "/containers/words/kill?signal=99", 400, "The linux daemon does not support signal 99"),
        ("GET", "/containers/words/top", 409, "Container "),
        ("POST", "/containers/words/rename?name=b%40d", 400, "Error when allocating new name: Invalid container name (/b@d)"),
        ("GET", "/containers/words/archive?path=", 400, "bad parameter: pathcannot be empty"),
        ("GET", "/containers/words/archive?path=/nodir/.", 404, "Could not find the file /nodir in container words"),
        ("GET", '/containers/json?filters={"status":["x"]}', 400, "invalid filter 'status=x'"),
        ("GET", '/containers/json?filters={"health":["x"]}', 400, "Unrecognised filter value for health: x"),
        ("GET", '/containers/json?filters={"before":["nosuch"]}', 404, "no such container nosuch"),
        ("GET", '/containers/json?filters={"exited":["x"]}', 400, 'strconv.Atoi: parsing "x": invalid syntax'),
        ("POST", '/containers/prune?filters={"bogus":["1"]}', 400, "invalid filter 'bogus'"),
        ("POST", '/containers/prune?filters={"until":["x"]}', 400, "failed to parse value as time or duration"),
        ("POST", '/volumes/prune?filters={"bogus":["1"]}', 400, "invalid filter 'bogus'"),
        ("POST", '/networks/prune?filters={"bogus":["1"]}', 400, "invalid filter 'bogus'"),
        ("GET", '/volumes?filters={"dangling":["x"]}', 400, "invalid filter 'dangling=[x]'"),
        ("POST", "/images/busybox/tag?repo=sha256&tag=abc", 400, "refusing to create an ambiguous tag"),
        ("GET", "/images/search?term=x&limit=200", 400, "Limit 200 is outside the range of [1, 100]"),
        ("GET", "/images/nosuch/get", 404, "No such image: nosuch"),
        ("GET", "/services", 503, "This node is not a swarm manager. Use"),
    ],
)  # fmt: skip
def test_errors_are_dockers(engine: EngineRoot, method: str, path: str, status: int, words: str) -> None:
    status_of_create, answer = engine.request(
        "POST", "/containers/create?name=words", {"Image": "busybox", "Cmd": ["true"]}
    )
    assert status_of_create in (201, 409), answer
    got, body = engine.request(method, quote(path, safe="/?&=%"))
    assert (got, words in json.loads(body)["message"]) == (status, True), body


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"VolumesFrom": ["nosuch"]}, "No such container: nosuch"),
        ({"PidMode": "container:nosuch"}, "No such container: nosuch"),
        ({"Links": ["nosuch:x"]}, "could not get container for nosuch: No such container: nosuch"),
        ({"RestartPolicy": {"Name": "bogus"}}, "invalid restart policy 'bogus'"),
        ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}, "maximum retry count cannot be used with"),
        ({"CpusetCpus": "999"}, "Requested CPUs are not available - requested 999, available: 0"),
        ({"Isolation": "bogus"}, "Invalid isolation: \"bogus\" - linux only supports 'default'"),
        ({"Mounts": [{"Type": "bogus", "Target": "/x"}]}, 'invalid mount config for type "bogus": mount type unknown'),
    ],
)
def test_what_is_missing_is_no_reason_to_pull(engine: EngineRoot, host: dict[str, Any], words: str) -> None:
    """A 404 at creation tells clients that the image is missing."""
    got, body = engine.request("POST", "/containers/create", {"Image": "busybox", "HostConfig": host})
    assert (got, words in json.loads(body)["message"]) == (400, True), body


def test_exec_that_cannot_begin_says_why_by_its_exit_code(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", ["sleep", "300"], detach=True)
    for options, expected, words in (
        ({"cmd": ["nosuch"]}, 127, b'exec: "nosuch": executable file not found in $PATH'),
        ({"cmd": ["/etc"]}, 126, b'exec: "/etc": permission denied'),
        ({"cmd": ["pwd"], "workdir": "/nosuch"}, 127, b"no such file or directory"),
        ({"cmd": ["pwd"], "workdir": "relative"}, 128, b"Cwd must be an absolute path"),
    ):
        code, output = container.exec_run(**options)
        assert (code, words in output) == (expected, True), output


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("nosuch", "unable to find user nosuch: no matching entries in passwd file"),
        ("1:nosuch", "unable to find group nosuch: no matching entries in group file"),
    ],
)
def test_an_unknown_user_is_told_when_the_exec_is_created(
    engine: EngineRoot, client: docker.DockerClient, user: str, words: str
) -> None:
    container = client.containers.run("busybox", ["sleep", "300"], detach=True)
    status, body = engine.request("POST", f"/containers/{container.id}/exec", {"Cmd": ["id"], "User": user})
    assert (status, json.loads(body)["message"]) == (400, words)
    known = {"Cmd": ["id"], "User": "user:audio"}
    assert engine.request("POST", f"/containers/{container.id}/exec", known)[0] == 201


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/containers/nosuch/exec", {}, 400),
        ("POST", "/exec/nosuch/start", ["x"], 400),
        ("POST", "/exec/nosuch/resize?h=x&w=1", None, 400),
        ("POST", "/containers/nosuch/resize?h=1", None, 400),
        ("POST", "/containers/nosuch/restart?t=x", None, 400),
        ("POST", "/containers/nosuch/stop?t=1.5", None, 400),
        ("POST", "/containers/nosuch/kill?signal=99", None, 400),
        ("POST", "/containers/nosuch/rename?name=", None, 400),
        ("POST", "/containers/nosuch/wait?condition=x", None, 400),
        ("POST", "/containers/nosuch/start?checkpoint=x", None, 400),
        ("POST", "/containers/nosuch/update", {"CpusetCpus": "99"}, 400),
        ("POST", "/containers/nosuch/update", {"RestartPolicy": {"Name": "x"}}, 400),
        ("POST", "/containers/nosuch/update", {"MemorySwap": 67108864}, 404),
        ("GET", "/containers/nosuch/archive?path=", None, 400),
        ("GET", "/containers/nosuch/logs", None, 400),
        ("POST", "/containers/nosuch/attach?detachKeys=bogus", None, 400),
        ("POST", "/commit?container=nosuch&repo=BAD", None, 400),
        ("POST", "/commit?container=nosuch&repo=a&tag=b%40d", None, 400),
        ("POST", "/images/nosuch/tag?repo=BAD", None, 400),
        ("POST", "/images/nosuch/tag?repo=a&tag=b%40d", None, 400),
        ("POST", "/containers/nosuch/exec", {"Cmd": ["x"]}, 404),
    ],
)  # fmt: skip
def test_what_a_request_says_is_checked_before_what_it_names(
    engine: EngineRoot, method: str, path: str, body: Any, status: int
) -> None:
    assert engine.request(method, path, body)[0] == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/containers/json/x/y?force=1", 404),
        ("PUT", "/version", 404),
        ("POST", "/nodes", 404),
        ("DELETE", "/services", 404),
        ("POST", "/services/create", 503),
        ("GET", "/networks/bridge?scope=local", 200),
        ("GET", "/networks/bridge?scope=swarm", 404),
        ("GET", "/networks/bridge?verbose=x", 400),
        ("GET", '/networks?filters={"type":["x"],"name":["nosuch"]}', 400),
        ("GET", '/networks?filters={"dangling":["1","0"]}', 400),
        ("POST", '/networks/prune?filters={"until":["1h","2h"]}', 400),
        ("POST", '/networks/prune?filters={"until":["x"]}', 400),
        ("GET", '/volumes?filters={"dangling":["x","0"]}', 200),
        ("GET", '/volumes?filters={"dangling":["1","0"]}', 400),
        ("GET", '/volumes?filters={"dangling":["yes"]}', 400),
        ("POST", '/images/prune?filters={"dangling":["x"]}', 400),
        ("GET", '/images/json?filters={"label":[1]}', 400),
        ("GET", "/system/df?type=bogus", 400),
    ],
)  # fmt: skip
def test_statuses_are_dockers(engine: EngineRoot, method: str, path: str, status: int) -> None:
    assert engine.request(method, quote(path, safe="/?&=%"))[0] == status


def test_an_empty_filter_is_none(engine: EngineRoot, client: docker.DockerClient) -> None:
    client.volumes.create("filtered")
    assert [one["Name"] for one in engine.json("GET", "/volumes?filters=%7B%22name%22%3A%5B%5D%7D")["Volumes"]]


def test_a_link_is_removed_and_never_its_container(engine: EngineRoot, client: docker.DockerClient) -> None:
    create(engine, "linked")
    status, body = engine.request("DELETE", "/containers/linked?link=1&force=1&v=1")
    assert (status, "default link name" in json.loads(body)["message"]) == (500, True)
    assert engine.request("GET", "/containers/linked/json")[0] == 200


def test_endpoints_that_are_given_are_all_that_count(engine: EngineRoot, client: docker.DockerClient) -> None:
    network = client.networks.create("given")
    try:
        create(engine, "only", NetworkingConfig={"EndpointsConfig": {"given": {}}})
        shown = engine.json("GET", "/containers/only/json")
        assert (list(shown["NetworkSettings"]["Networks"]), shown["HostConfig"]["NetworkMode"]) == (["given"], "bridge")
        create(engine, "both", NetworkingConfig={"EndpointsConfig": {"given": {}, "default": {}}})
        assert set(engine.json("GET", "/containers/both/json")["NetworkSettings"]["Networks"]) == {"given", "bridge"}
    finally:
        for name in ("only", "both"):
            engine.request("DELETE", f"/containers/{name}?force=1")
        network.remove()


def test_a_limit_of_processes_below_zero_is_none(engine: EngineRoot, client: docker.DockerClient) -> None:
    id = create(engine, "limitless")
    engine.json("POST", f"/containers/{id}/update", {"PidsLimit": -5})
    assert engine.json("GET", f"/containers/{id}/json")["HostConfig"]["PidsLimit"] == 0


def test_the_main_address_is_that_on_the_default_bridge(engine: EngineRoot, client: docker.DockerClient) -> None:
    network = client.networks.create("beside")
    try:
        id = create(engine, "joined", {"NetworkMode": "beside"})
        engine.request("POST", f"/containers/{id}/start")
        settings = engine.json("GET", f"/v1.47/containers/{id}/json")["NetworkSettings"]
        assert (settings["IPAddress"], bool(settings["Networks"]["beside"]["IPAddress"])) == ("", True)
        assert engine.request("POST", "/networks/bridge/connect", {"Container": id})[0] == 200
        settings = engine.json("GET", f"/v1.47/containers/{id}/json")["NetworkSettings"]
        assert settings["IPAddress"] == settings["Networks"]["bridge"]["IPAddress"] != ""
    finally:
        engine.request("DELETE", f"/containers/{id}?force=1")
        network.remove()


def test_a_network_that_is_gone_can_be_left(engine: EngineRoot, client: docker.DockerClient) -> None:
    network = client.networks.create("vanishing")
    id = create(engine, "left")
    network.connect(id)
    network.remove()
    body = {"Container": id}
    assert engine.request("POST", "/networks/vanishing/disconnect", body)[0] == 200
    assert engine.request("POST", "/networks/vanishing/disconnect", body)[0] == 500
    assert engine.request("POST", f"/containers/{id}/start")[0] == 204
    assert engine.request("POST", "/networks/vanishing/disconnect", body)[0] == 404


def test_volumes_are_told_of_while_they_are_in_use(engine: EngineRoot, client: docker.DockerClient) -> None:
    began = time.time()
    id = create(engine, "mounting", {"Binds": ["told:/data:ro"]})
    for call in ("start", "stop?t=0"):
        assert engine.request("POST", f"/containers/{id}/{call}")[0] == 204
    _, text = engine.request("GET", f"/events?since={began:.9f}&until={time.time() + 0.5:.9f}")
    rows = [json.loads(line) for line in text.splitlines()]
    volumes = [
        (row["Action"], row["Actor"]["ID"], row["Actor"]["Attributes"]) for row in rows if row["Type"] == "volume"
    ]
    in_use = {"driver": "local", "container": id, "destination": "/data", "read/write": "false", "propagation": ""}
    assert volumes[-2:] == [("mount", "told", in_use), ("unmount", "told", {"driver": "local", "container": id})]


def test_what_is_ended_while_paused_is_told_to_be_unpaused(engine: EngineRoot, client: docker.DockerClient) -> None:
    began = time.time()
    for call in ("stop?t=0", "kill"):
        id = create(engine, "frozen")
        for each in ("start", "pause", call):
            assert engine.request("POST", f"/containers/{id}/{each}")[0] == 204
        engine.request("DELETE", f"/containers/{id}?force=1")
        rows = engine.request("GET", f"/events?since={began:.9f}&until={time.time() + 0.5:.9f}")[1].splitlines()
        actions = [row["Action"] for row in map(json.loads, rows) if row["Actor"]["ID"] == id]
        assert actions.count("unpause") == 1, actions


def test_execs_of_a_container_that_ended_are_gone_unless_they_ran(
    engine: EngineRoot, client: docker.DockerClient
) -> None:
    id = create(engine, "prepared")
    engine.request("POST", f"/containers/{id}/start")
    ran, waits = (engine.json("POST", f"/containers/{id}/exec", {"Cmd": ["true"]})["Id"] for _ in range(2))
    assert set(engine.json("GET", f"/containers/{id}/json")["ExecIDs"]) == {ran, waits}
    engine.request("POST", f"/exec/{ran}/start", {})
    assert engine.json("GET", f"/containers/{id}/json")["ExecIDs"] == [waits]
    engine.request("POST", f"/containers/{id}/stop?t=0")
    assert engine.json("GET", f"/exec/{ran}/json")["ExitCode"] == 0
    assert engine.request("GET", f"/exec/{waits}/json")[0] == 404


def test_a_file_that_is_copied_out_is_told(engine: EngineRoot, client: docker.DockerClient) -> None:
    id, began = create(engine, "read"), time.time()
    assert engine.request("GET", f"/containers/{id}/archive?path=/etc/passwd")[0] == 200
    assert engine.request("GET", f"/containers/{id}/archive?path=/etc/passwd/.")[0] == 400
    rows = engine.request("GET", f"/events?since={began:.9f}&until={time.time() + 0.5:.9f}")[1].splitlines()
    assert [row["Action"] for row in map(json.loads, rows)] == ["archive-path"]


def test_a_tag_counts_where_the_repository_has_one(engine: EngineRoot, client: docker.DockerClient) -> None:
    assert engine.request("POST", "/images/busybox/tag?repo=h:5000/a:b&tag=c")[0] == 201
    assert engine.request("DELETE", "/images/h:5000/a:c")[0] == 200
    assert engine.request("POST", "/images/busybox/tag?repo=a&tag=b%40c")[0] == 400


def test_a_mac_address_needs_the_network_of_the_mode(engine: EngineRoot) -> None:
    body = {
        "Image": "busybox",
        "MacAddress": "02:42:ac:11:00:99",
        "NetworkingConfig": {"EndpointsConfig": {"other": {}}},
    }
    status, answer = engine.request("POST", "/containers/create", body)
    assert (status, "container-wide MAC" in json.loads(answer)["message"]) == (400, True)


def test_names_of_event_filters_are_beginnings(engine: EngineRoot, client: docker.DockerClient) -> None:
    began = time.time()
    create(engine, "beginning")
    until = f"since={began:.9f}&until={time.time() + 0.5:.9f}"
    for name, count in (("beg", 1), ("ginning", 0)):
        text = engine.request("GET", f"/events?{until}&filters=" + quote(json.dumps({"container": [name]})))[1]
        assert len(text.splitlines()) == count, text


def test_a_commit_is_told_with_the_images_labels(engine: EngineRoot, client: docker.DockerClient) -> None:
    id, began = create(engine, "committed"), time.time()
    image = engine.json("POST", f"/commit?container={id}&repo=told&changes=LABEL%20a%3Db")["Id"]
    try:
        rows = engine.request("GET", f"/events?since={began:.9f}&until={time.time() + 0.5:.9f}")[1].splitlines()
        told = {(row["Type"], row["Action"]): row["Actor"]["Attributes"] for row in map(json.loads, rows)}
        assert told["image", "create"] == {"a": "b", "name": image}
        assert told["image", "tag"] == {"a": "b", "name": "told:latest"}
        assert told["container", "commit"]["imageRef"] == "told:latest"
    finally:
        engine.request("DELETE", "/images/told?force=1")


def test_a_flag_of_a_bridge_that_is_no_flag_is_refused(engine: EngineRoot) -> None:
    body = {"Name": "flagged", "Options": {"com.docker.network.bridge.enable_icc": "maybe"}}
    status, answer = engine.request("POST", "/networks/create", body)
    assert (status, "enable_icc value: maybe" in json.loads(answer)["message"]) == (400, True)


def test_what_was_written_counts_in_the_disk_usage_of_a_container(
    engine: EngineRoot, client: docker.DockerClient
) -> None:
    create(engine, "sized")
    row = engine.json("GET", "/v1.51/system/df?type=container")["Containers"][0]
    assert row["SizeRootFs"] > row["SizeRw"] >= 0


def test_a_pull_that_fails_says_nothing_before(engine: EngineRoot) -> None:
    status, body = engine.request("POST", "/images/create?fromImage=localhost:1/x&tag=latest")
    assert status == 503
    assert json.loads(body)["message"] == (
        'Get "http://localhost:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'
    )


def test_ancestor_is_not_every_image_with_the_same_files(engine: EngineRoot, client: docker.DockerClient) -> None:
    engine.import_busybox("twin:latest")
    client.containers.create("twin", ["true"], name="of-twin")
    made = client.containers.create("busybox", ["true"], name="of-busybox")
    child = made.commit("child")
    client.containers.create("child", ["true"], name="of-child")

    def names(ancestor: str) -> set[str]:
        return {one.name for one in client.containers.list(all=True, filters={"ancestor": ancestor})} & {
            "of-twin", "of-busybox", "of-child",
        }  # fmt: skip

    assert names("twin") == {"of-twin"}
    assert names("busybox") == {"of-busybox", "of-child"}
    for container in client.containers.list(all=True):
        container.remove(force=True)
    client.images.remove("child")
    client.images.remove("twin")
    assert child.id


def test_a_volume_on_etc_does_not_hide_the_containers_own_files(client: docker.DockerClient) -> None:
    output = client.containers.run(
        "busybox", ["cat", "/etc/hosts"], remove=True, volumes={"onetc": {"bind": "/etc", "mode": "rw,nocopy"}}
    )
    assert b"127.0.0.1\tlocalhost" in output


def test_events_of_a_stop_that_took_too_long(engine: EngineRoot, client: docker.DockerClient) -> None:
    began = int(time.time())
    container = client.containers.run("busybox", ["sleep", "300"], detach=True, name="slow-to-stop")
    container.top()
    container.stop(timeout=0)
    until = int(time.time()) + 1
    wanted = {"since": began, "until": until, "filters": {"container": "slow-to-stop"}, "decode": True}
    told = [
        (event["Action"], event["Actor"]["Attributes"].get("signal", ""))
        for event in client.events(**wanted)
        if event["Type"] == "container"
    ]
    assert told == [
        ("create", ""), ("start", ""), ("top", ""), ("kill", "15"), ("kill", "9"), ("die", ""), ("stop", ""),
    ]  # fmt: skip


def test_what_is_stopped_is_not_healthy(client: docker.DockerClient) -> None:
    check = {"test": ["CMD", "true"], "interval": 1_000_000_000}
    container = client.containers.run("busybox", ["sleep", "300"], detach=True, healthcheck=check)
    deadline = time.monotonic() + 10
    while client.api.inspect_container(container.id)["State"]["Health"]["Status"] != "healthy":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    container.stop(timeout=0)
    assert client.api.inspect_container(container.id)["State"]["Health"]["Status"] == "unhealthy"


@pytest.mark.parametrize(("test", "code"), [("exit 3", "3"), ("sleep 60", "137")])
def test_probes_are_told_as_execs(client: docker.DockerClient, test: str, code: str) -> None:
    check = {"test": ["CMD-SHELL", test], "interval": 60_000_000_000, "timeout": 200_000_000}
    began = int(time.time())
    container = client.containers.run("busybox", ["sleep", "300"], detach=True, healthcheck=check)
    told: list[tuple[str, str]] = []
    probe = ""
    wanted = {"container": container.id, "event": ["exec_create", "exec_start", "exec_die"]}
    for event in client.events(since=began, until=began + 20, filters=wanted, decode=True):
        attributes = event["Actor"]["Attributes"]
        probe = probe or attributes["execID"]
        if attributes["execID"] == probe:
            told.append((event["Action"], attributes.get("exitCode", "")))
        if event["Action"] == "exec_die":
            break
    assert told == [(f"exec_create: /bin/sh -c {test}", ""), (f"exec_start: /bin/sh -c {test}", ""), ("exec_die", code)]


def test_a_probe_that_ends_with_its_container_is_no_failure(client: docker.DockerClient) -> None:
    """The program ends as soon as its check has begun: nothing can be said of its health."""
    script = "while [ ! -e /checked ]; do sleep 0.01; done"
    check = {"test": ["CMD-SHELL", "touch /checked; sleep 300"], "interval": 1_000_000_000}
    for _ in range(3):
        container = client.containers.run("busybox", ["sh", "-c", script], detach=True, healthcheck=check)
        container.wait(timeout=30)
        assert client.api.inspect_container(container.id)["State"]["Health"]["Log"] == []
        container.remove()


def test_archives_are_named_as_dockers(engine: EngineRoot, client: docker.DockerClient) -> None:
    import io
    import tarfile

    container = client.containers.create("busybox", ["true"])

    def archive(path: str) -> list[tarfile.TarInfo]:
        _, data = engine.request("GET", f"/containers/{container.id}/{path}")
        return tarfile.open(fileobj=io.BytesIO(data)).getmembers()

    assert archive("archive?path=/etc/.")[0].name == "."
    assert archive("archive?path=/etc")[0].name == "etc"
    exported = archive("export")
    assert {"dev/console", "etc/hosts", "proc", "sys", ".dockerenv"} <= {member.name for member in exported}
    assert {member.uname for member in exported if member.uid == 0} == {"root"}
    assert client.api.diff(container.id) is None


def test_a_process_that_is_killed_for_want_of_memory_is_told_at_once(client: docker.DockerClient) -> None:
    began = int(time.time())
    script = ["sh", "-c", "tail /dev/zero; exec sleep 300"]
    container = client.containers.run(
        "busybox", script, detach=True, mem_limit="16m", memswap_limit="16m", name="greedy"
    )
    events = client.events(since=began, filters={"container": "greedy", "event": "oom"}, decode=True)
    assert next(iter(events))["Action"] == "oom"
    events.close()
    container.reload()
    assert container.status == "running"
    container.kill()
    assert client.api.inspect_container(container.id)["State"]["OOMKilled"]
    until = int(time.time()) + 1
    told = client.events(since=began, until=until, filters={"container": "greedy", "event": "oom"}, decode=True)
    assert len(list(told)) == 1


def test_every_prune_is_told(engine: EngineRoot, client: docker.DockerClient) -> None:
    began = int(time.time())
    for path in ("containers", "networks", "volumes", "images", "build"):
        engine.json("POST", f"/{path}/prune")
    told = client.events(since=began, until=int(time.time()) + 1, filters={"event": "prune"}, decode=True)
    kinds = [event["Type"] for event in told if event["Actor"]["Attributes"]["reclaimed"].isdigit()]
    assert kinds[-5:] == ["container", "network", "volume", "image", "builder"]


def test_cached_steps_come_from_the_images_that_are_named(engine: EngineRoot, client: docker.DockerClient) -> None:
    text = b"FROM busybox\nENV A=b\nRUN true\n"

    def cached(**options: Any) -> int:
        lines = client.api.build(fileobj=io.BytesIO(text), decode=True, rm=True, **options)
        return sum("Using cache" in line.get("stream", "") for line in lines)

    cached(tag="earlier")
    assert cached() == 2
    assert cached(cache_from=["earlier"]) == 2
    assert cached(cache_from=["nosuch"]) == 0
