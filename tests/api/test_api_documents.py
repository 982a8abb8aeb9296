"""Answers and bodies beside the published documents of the Docker Engine API, version by version (support/api_documents.py)."""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import tarfile
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import h11
import pytest
from support.api_documents import Document, versions

from pycompose.engine.api.http import Request
from pycompose.engine.api.router import MIN_API_VERSION, Router
from pycompose.engine.api.routes import ROUTES
from pycompose.engine.containers.spec.fields import CONFIG, HOST_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.engine_root import EngineRoot

pytestmark = pytest.mark.root

_ALL = versions()


class Client(http.client.HTTPConnection):
    """Requests of one version of the API."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))

    def ask(self, verb: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        self.request(verb, path, content, {"Content-Type": kind, **(headers or {})})
        answer = self.getresponse()
        data = answer.read()
        if answer.headers.get("Content-Type", "").startswith("application/json") and data:
            try:
                return answer.status, json.loads(data)
            except ValueError:
                return answer.status, [json.loads(line) for line in data.splitlines() if line]
        return answer.status, data


@pytest.fixture
def ask(engine: EngineRoot) -> Iterator[Client]:
    connection = Client(engine.layout.socket)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def things(engine: EngineRoot) -> Iterator[dict[str, str]]:
    """One of everything: ids by the words of the documents' paths."""
    made = Client(engine.layout.socket)
    with ExitStack() as stack:
        stack.callback(made.close)

        def create(path: str, body: Any) -> Any:
            status, answer = made.ask("POST", path, body)
            assert status in (200, 201), answer
            return answer

        create("/networks/create", {"Name": "documents", "Labels": {"a": "b"}, "Options": {}})
        stack.callback(made.ask, "DELETE", "/networks/documents")
        create("/volumes/create", {"Name": "documents", "Labels": {"a": "b"}})
        stack.callback(made.ask, "DELETE", "/volumes/documents")
        container = create(
            "/containers/create?name=documents",
            {
                "Image": "busybox",
                "Cmd": ["sleep", "600"],
                "ExposedPorts": {"80/tcp": {}, "81/udp": {}},
                "Labels": {"x": "y"},
                "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9},
                "HostConfig": {
                    "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
                    "Binds": ["documents:/data"],
                    "Mounts": [{"Type": "tmpfs", "Target": "/t"}],
                    "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}],
                    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
                    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
                    "Init": True,
                    "NetworkMode": "documents",
                },
                "NetworkingConfig": {"EndpointsConfig": {"documents": {"Aliases": ["me"]}}},
            },
        )["Id"]
        stack.callback(made.ask, "DELETE", f"/containers/{container}?force=1&v=1")
        assert made.ask("POST", f"/containers/{container}/start")[0] == 204
        made.ask("POST", "/networks/bridge/connect", {"Container": container})
        exec_ = create(f"/containers/{container}/exec", {"Cmd": ["true"], "AttachStdout": True})["Id"]
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            text = b"FROM busybox\nLABEL a=b\nENV C=d\nEXPOSE 80\nVOLUME /v\nRUN true\nHEALTHCHECK CMD true\n"
            member = tarfile.TarInfo("Dockerfile")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        assert made.ask("POST", "/build?t=documents:1", context.getvalue())[0] == 200
        stack.callback(made.ask, "DELETE", "/images/documents:1")
        yield {
            "container": container,
            "exec": exec_,
            "image": "documents:1",
            "network": "documents",
            "volume": "documents",
        }


_GETS = {
    "GET /containers/json": "/containers/json?all=1&size=1",
    "GET /containers/{id}/json": "/containers/{container}/json?size=1",
    "GET /containers/{id}/top": "/containers/{container}/top",
    "GET /containers/{id}/changes": "/containers/{container}/changes",
    "GET /containers/{id}/stats": "/containers/{container}/stats?stream=0&one-shot=1",
    "GET /exec/{id}/json": "/exec/{exec}/json",
    "GET /images/json": "/images/json",
    "GET /images/{name}/json": "/images/{image}/json",
    "GET /images/{name}/history": "/images/{image}/history",
    "GET /images/{name}/attestations": "/images/{image}/attestations",
    "GET /networks": "/networks",
    "GET /networks/{id}": "/networks/{network}",
    "GET /volumes": "/volumes",
    "GET /volumes/{name}": "/volumes/{volume}",
    "GET /info": "/info",
    "GET /version": "/version",
    "GET /plugins": "/plugins",
    "GET /events": "/events?since=0&until=1",
    "GET /system/df": "/system/df",
}


# What dockerd answers as well, although the documents have it otherwise.
_EXCUSED = (
    # Go's pointers to numbers: null until there is a value, which clients wait for.
    "GET /exec/{id}/json .ExitCode: null, not integer",
    "GET /containers/{id}/json .HostConfig.OomKillDisable: null, not boolean",
    "GET /containers/{id}/json .HostConfig.MemorySwappiness: null, not integer",
)
_EXCUSED_IN = {
    "1.41": ("GET /system/df .BuilderSize: no such field",),  # the change log: removed in 1.42
    # The change log: "API v1.52 returns both the legacy and current fields".
    "1.52": tuple(
        f"GET /system/df .{name}: no such field"
        for name in ("LayersSize", "Images", "Containers", "Volumes", "BuildCache")
    ),
    # dockerd 29 goes on sending it, and Docker's SDK for Python goes on expecting it.
    **{newer: ("GET /system/df .LayersSize: no such field",) for newer in ("1.53", "1.54", "1.55")},
}


@pytest.mark.parametrize("version", _ALL)
def test_every_get_answers_as_published(ask: Client, things: dict[str, str], version: str) -> None:
    document = Document(version)
    wrong = []
    for call, path in _GETS.items():
        if call not in document.calls:
            continue
        status, answer = ask.ask("GET", f"/v{version}{path.format(**things)}")
        assert status == 200, (call, answer)
        if "200" in document.calls[call]["answers"] and answer != b"":
            wrong += [f"{call} {one}" for one in document.answer(call, answer)]
    if "verbose" in document.calls["GET /system/df"]["query"]:
        wrong += document.answer("GET /system/df", ask.ask("GET", f"/v{version}/system/df?verbose=1")[1])
    wrong = [one for one in wrong if one not in (*_EXCUSED, *_EXCUSED_IN.get(version, ()))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("version", ["1.41", "1.44", "1.47", "1.51", "1.52", "1.55"])
def test_every_post_answers_as_published(ask: Client, things: dict[str, str], version: str) -> None:
    document = Document(version)
    wrong: list[Any] = []

    def post(call: str, path: str, body: Any, code: int = 201) -> Any:
        status, answer = ask.ask("POST", f"/v{version}{path}", body)
        assert status == code, (call, answer)
        wrong.extend(f"{call} {one}" for one in document.answer(f"POST {call}", answer, str(code)))
        return answer

    made = post("/containers/create", "/containers/create", {"Image": "busybox", "Cmd": ["true"]})["Id"]
    assert ask.ask("POST", f"/v{version}/containers/{made}/start")[0] == 204
    post("/containers/{id}/wait", f"/containers/{made}/wait", None, 200)
    post("/containers/{id}/update", f"/containers/{made}/update", {"CpuShares": 512}, 200)
    post("/containers/{id}/exec", f"/containers/{things['container']}/exec", {"Cmd": ["true"]})
    image = post("/commit", f"/commit?container={made}&repo=documents&tag=commit", {})["Id"]
    network = post("/networks/create", "/networks/create", {"Name": f"post-{version}"})["Id"]
    volume = post("/volumes/create", "/volumes/create", {"Name": f"post-{version}"})["Name"]
    for noun in ("containers", "networks", "volumes", "images"):
        post(f"/{noun}/prune", f"/{noun}/prune", None, 200)
    post("/build/prune", "/build/prune", None, 200)
    assert ask.ask("DELETE", f"/volumes/{volume}")[0] in (204, 404)
    assert ask.ask("DELETE", f"/networks/{network}")[0] == 404
    removed = ask.ask("DELETE", f"/v{version}/images/{image}")[1]
    wrong += document.answer("DELETE /images/{name}", removed)
    assert not wrong, "\n".join(wrong)


_BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "POST /commit": ("/commit?container={container}&repo=documents&tag=body", {}),
    "POST /containers/create": ("/containers/create", {"Image": "none"}),
    "POST /containers/{id}/exec": ("/containers/none/exec", {"Cmd": ["true"]}),
    "POST /containers/{id}/update": ("/containers/{container}/update", {}),
    "POST /exec/{id}/start": ("/exec/none/start", {}),
    "POST /networks/create": ("/networks/create", {"Name": "host"}),
    "POST /networks/{id}/connect": ("/networks/{network}/connect", {"Container": "none"}),
    "POST /networks/{id}/disconnect": ("/networks/{network}/disconnect", {"Container": "none"}),
    "POST /volumes/create": ("/volumes/create", {"Name": "bodies"}),
}
_OTHERS = {
    "POST /containers/{id}/update": ".Init",  # which an update does not read, with dockerd 28 neither
    "POST /networks/{id}/connect": ".Container",
    "POST /networks/{id}/disconnect": ".Container",
    "POST /volumes/create": ".ClusterVolumeSpec",
}
_NO_BODY = re.compile(r"POST /(auth|swarm|services|secrets|configs|plugins|session|build|images|nodes)")
"""What is refused whatever its body is, and bodies that are no JSON. What is asked for would be refused for its name, so nothing is made."""


@pytest.mark.parametrize("version", ["1.41", "1.44", "1.47", "1.51", "1.52", "1.55"])
def test_every_member_of_a_body_is_read_as_published(ask: Client, things: dict[str, str], version: str) -> None:
    """An empty value of the published kind is never refused for its kind, and one of another kind always is."""
    document = Document(version)
    found = []
    bodies = [call for call, one in document.calls.items() if "body" in one and call.startswith("POST")]
    for call in bodies:
        if _NO_BODY.match(call):
            continue
        path, body = _BODIES[call]
        for member, right, wrong in document.values(call):
            if member.endswith((".Volumes.x", ".ExposedPorts.x")) or ".PortBindings.x" in member:
                continue  # keys are paths and ports, and what empty objects hold is not looked at
            if member.startswith(_OTHERS.get(call, "-")):
                continue
            for value, refused in ((right, False), (wrong, True)):
                status, answer = ask.ask("POST", f"/v{version}{path.format(**things)}", body | value)
                words = str(answer.get("message")) if isinstance(answer, dict) else ""
                if status >= 500 or (status == 400 and words.startswith("invalid JSON")) != refused:
                    found.append(f"{call} {member}: {json.dumps(value)}: {status} {words}")
    ask.ask("DELETE", "/volumes/bodies")
    assert not found, "\n".join(found)


def test_every_published_call_has_an_answer() -> None:
    """What this engine does not offer is refused in words, and is not taken for a path that does not exist."""
    router = Router(ROUTES)
    for version in _ALL:
        for call in Document(version).calls:
            verb, path = call.split(" ")
            target = f"/v{version}{path.replace('{', '').replace('}', '')}"
            request = h11.Request(method=verb, target=target, headers=[("Host", "localhost")])
            assert router.match(Request(None, request)), call


def test_every_published_member_of_a_container_is_known() -> None:
    for version in _ALL:
        document = Document(version)
        given = document.body("POST /containers/create")
        assert set(given) - set(CONFIG) - {"HostConfig", "NetworkingConfig"} == set()
        assert set(document.members(given["HostConfig"])) - set(HOST_CONFIG) == set()


def test_versions_that_are_not_spoken(ask: Client) -> None:
    status, answer = ask.ask("GET", "/v1.56/info")
    assert (status, answer["message"]) == (
        400,
        "client version 1.56 is too new. Maximum supported API version is 1.55",
    )
    assert ask.ask("GET", "/v1.23/info")[0] == 400
    assert ask.ask("GET", f"/v{MIN_API_VERSION[0]}.{MIN_API_VERSION[1]}/info")[0] == 200


def test_old_fields_are_in_old_answers_only(ask: Client, things: dict[str, str]) -> None:
    image = f"/images/{things['image']}/json"
    assert (
        "VirtualSize" in ask.ask("GET", f"/v1.43{image}")[1]
        and "VirtualSize" not in ask.ask("GET", f"/v1.44{image}")[1]
    )
    assert ask.ask("GET", f"/v1.49{image}")[1]["Config"]["Hostname"] == ""
    assert "Hostname" not in ask.ask("GET", f"/v1.50{image}")[1]["Config"]
    assert "Parent" not in ask.ask("GET", f"/v1.52{image}")[1]
    container = f"/containers/{things['container']}/json"
    old = ask.ask("GET", f"/v1.51{container}")[1]["NetworkSettings"]
    new = ask.ask("GET", f"/v1.52{container}")[1]["NetworkSettings"]
    assert "IPAddress" in old and "IPAddress" not in new and new["Networks"]["documents"]["IPAddress"]
    assert ask.ask("GET", "/v1.50/images/json")[1][0]["Containers"] == -1
    rows = ask.ask("GET", "/v1.51/images/json")[1]
    assert {row["Containers"] for row in rows if "busybox:latest" in row["RepoTags"]} == {1}
    assert "KernelMemory" in ask.ask("GET", "/v1.41/info")[1] and "KernelMemory" not in ask.ask("GET", "/v1.42/info")[1]


def test_disk_usage_of_new_versions(ask: Client, things: dict[str, str]) -> None:
    brief, whole = (ask.ask("GET", f"/v1.55/system/df{query}")[1] for query in ("", "?verbose=1"))
    assert whole.keys() == {"ImageUsage", "ContainerUsage", "VolumeUsage", "BuildCacheUsage"}
    assert brief.keys() == {*whole.keys(), "LayersSize"}
    assert "Items" not in brief["ImageUsage"]
    assert whole["ContainerUsage"]["TotalCount"] == len(whole["ContainerUsage"]["Items"]) == 1
    assert brief["ContainerUsage"]["ActiveCount"] == brief["VolumeUsage"]["ActiveCount"] == 1
    assert 0 <= brief["ImageUsage"]["Reclaimable"] < brief["ImageUsage"]["TotalSize"]
    both = ask.ask("GET", "/v1.52/system/df")[1]
    assert both["ImageUsage"] == brief["ImageUsage"] and both["LayersSize"] == brief["ImageUsage"]["TotalSize"]


def test_how_full_a_network_is(ask: Client, things: dict[str, str]) -> None:
    before = ask.ask("GET", "/v1.52/networks/documents")[1]
    ((subnet, status),) = before["Status"]["IPAM"]["Subnets"].items()
    size = 2 ** (32 - int(subnet.partition("/")[2]))
    # The network's own address, its broadcast, the gateway and one container.
    assert status == {"IPsInUse": 4, "DynamicIPsAvailable": size - 4}
    assert before["EnableIPv4"] is True
    assert "EnableIPv4" not in ask.ask("GET", "/v1.47/networks/documents")[1]


@pytest.mark.parametrize(
    ("accept", "kind", "begins"),
    [
        ("", "application/json", b"{"),
        ("application/json-seq", "application/json-seq", b"\x1e{"),
        ("application/x-ndjson;q=0.5, application/jsonl", "application/jsonl", b"{"),
        ("text/html, application/json-seq;q=0", "application/json", b"{"),
        ("application/x-ndjson;q=x", "application/json", b"{"),
    ],
)
def test_events_come_in_the_form_that_was_asked_for(
    ask: Client, things: dict[str, str], accept: str, kind: str, begins: bytes
) -> None:
    ask.request("GET", f"/v1.52/events?since=0&until={time.time():.9f}", headers={"Accept": accept} if accept else {})
    answer = ask.getresponse()
    data = answer.read()
    assert answer.headers["Content-Type"] == kind
    assert data.startswith(begins) and data.endswith(b"}\n")
    first = json.loads(data.splitlines()[0].strip(b"\x1e"))
    assert "status" not in first and first["Type"]


def test_platforms_are_asked_for(ask: Client, things: dict[str, str]) -> None:
    here = ask.ask("GET", f"/images/{things['image']}/json")[1]
    good = json.dumps({"os": "linux", "architecture": here["Architecture"]}).replace(" ", "")
    other = "s390x" if here["Architecture"] != "s390x" else "arm64"
    bad = json.dumps({"os": "linux", "architecture": other}).replace(" ", "")
    for path in ("json?x=", "history?x=", "get?x=", "attestations?x="):
        assert ask.ask("GET", f"/images/{things['image']}/{path}&platform={good}")[0] == 200
        status, answer = ask.ask("GET", f"/images/{things['image']}/{path}&platform={bad}")
        assert status == 404 and f"does not provide the specified platform (linux/{other})" in answer["message"]
        assert ask.ask("GET", f"/images/{things['image']}/{path}&platform=nonsense")[0] == 400
        assert ask.ask("GET", f"/images/{things['image']}/{path}&platform=[[]]")[0] == 400
    status, answer = ask.ask("GET", f"/images/{things['image']}/json?manifests=1&platform={good}")
    assert status == 400 and "cannot both be set" in answer["message"]
    assert ask.ask("DELETE", f"/images/{things['image']}?platforms=[{bad}]")[0] == 409  # as dockerd: only by force
    assert ask.ask("DELETE", f"/images/{things['image']}?force=1&platforms=[{bad}]")[0] == 404
    assert ask.ask("GET", "/images/nothing/attestations")[0] == 404
