"""BuildKit's protocols on the engine's socket, spoken by grpcio: builds, failures, and clients that are hostile or vanish."""

from __future__ import annotations

import base64
import io
import json
import shutil
import socket
import tarfile
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from support.buildkit_client import BuildKitClient, Entry, Lent, hijack
from support.engine_root import EngineRoot, wait_for

from pycompose.engine.buildkit.messages import control, fsutil, gateway, rpc

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

pytestmark = pytest.mark.root

_STAT, _DATA = 0, 2
_DIRECTORY = 1 << 31


def _lent(dockerfile: str, *entries: Entry) -> Lent:
    return Lent({"dockerfile": [Entry("Dockerfile", dockerfile.encode())], "context": list(entries)})


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A directory with a short name: the address of a socket holds 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="bk"))
    yield directory
    shutil.rmtree(directory)


def test_a_build_as_buildx_drives_it(engine: EngineRoot, client: docker.DockerClient, sockets: Path) -> None:
    dockerfile = """FROM busybox AS one
RUN --mount=type=secret,id=token cp /run/secrets/token /token; echo told
FROM one
ARG WHO
COPY here sub/*.txt /got/
RUN echo $WHO >> /got/here
"""
    lent = _lent(
        dockerfile,
        Entry("here", b"h" * 5000, 0o600),
        Entry("not", b"not wanted"),
        Entry("sub", None),
        Entry("sub/a.txt", b"a"),
        Entry("sub/b.txt", b"", link="sub/a.txt"),
    )
    lent.secrets["token"] = b"s3cret"
    told: list[Any] = []
    with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit:
        reading = threading.Thread(target=lambda: told.extend(buildkit.status()))
        reading.start()
        attributes = {"build-arg:WHO": "me", "label:x": "y"}
        answer = buildkit.build(attributes, name="docker.io/library/bk:one,bk:two")
        reading.join(30)
    image = client.images.get("bk:two")
    try:
        assert answer["containerimage.digest"] == image.id == client.images.get("bk:one").id
        assert answer["image.name"] == "docker.io/library/bk:one,docker.io/library/bk:two"
        assert image.labels == {"x": "y"}
        show = "cat /token; wc -c < /got/here; cat /got/a.txt /got/b.txt; stat -c %a /got/here"
        output = client.containers.run("bk:two", ["sh", "-c", show], remove=True)
        assert output == b"s3cret5003\naa600\n"
    finally:
        client.images.remove("bk:one")
        client.images.remove("bk:two")
    names = list(dict.fromkeys(vertex.name for response in told for vertex in response.vertexes))
    assert names == [
        "[internal] load build definition from Dockerfile",
        "[internal] load metadata for docker.io/library/busybox:latest",
        "[internal] load .dockerignore",
        "[internal] load build context",
        "[one 1/2] FROM docker.io/library/busybox:latest",
        "[one 2/2] RUN --mount=type=secret,id=token cp /run/secrets/token /token; echo told",
        "[stage-1 1/2] COPY here sub/*.txt /got/",
        "[stage-1 2/2] RUN echo me >> /got/here",
        "exporting to image",
    ]
    assert b"told\n" in [log.msg for response in told for log in response.logs]
    # Only what the instructions read was asked for.
    wanted = [fields.get("followpaths") for fields in lent.asked if fields["dir-name"] == ["context"]]
    assert wanted == [[".dockerignore"], ["here", "sub/*.txt"]]


def test_a_failing_step_says_where(engine: EngineRoot, sockets: Path) -> None:
    lent = _lent("FROM busybox\nRUN exit 3\n")
    with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit, pytest.raises(grpc.RpcError) as failed:
        buildkit.build({})
    assert failed.value.code() is grpc.StatusCode.UNKNOWN
    assert failed.value.details() == 'process "/bin/sh -c exit 3" did not complete successfully: exit code: 3'
    (raw,) = (value for name, value in failed.value.trailing_metadata() if name == "grpc-status-details-bin")
    (detail,) = rpc.Status.FromString(raw).details
    assert detail.type_url == "github.com/moby/buildkit/errdefs.Source+json"
    place = json.loads(detail.value)
    assert base64.b64decode(place["info"]["data"]) == b"FROM busybox\nRUN exit 3\n"
    assert place["ranges"] == [{"start": {"line": 2}, "end": {"line": 2}}]


def test_a_result_is_looked_into_and_used_by_another_build(
    engine: EngineRoot, client: docker.DockerClient, sockets: Path
) -> None:
    """How buildx links the targets of a bake file: one build's result is another's base."""
    lent = _lent("FROM busybox\nRUN echo first > /first && mknod /device c 1 5\n")
    with BuildKitClient(engine.layout.socket, sockets, lent) as first:
        solving = first.solve()
        request = gateway.SolveRequest(
            Frontend="dockerfile.v0", FrontendOpt={}, allowResultReturn=True, allowResultArrayRef=True
        )
        result = first.gateway("Solve", request, gateway.SolveResponse).result
        read = first.gateway(
            "ReadFile", gateway.ReadFileRequest(Ref=result.ref.id, FilePath="first"), gateway.ReadFileResponse
        )
        assert read.Data == b"first\n"
        for path in ("device", "bin"):  # a device is not opened, let alone read: it would be the host's
            asked = gateway.ReadFileRequest(Ref=result.ref.id, FilePath=path)
            with pytest.raises(grpc.RpcError, match="not a regular file"):
                first.gateway("ReadFile", asked, gateway.ReadFileResponse)
        inner = sockets / "second"
        inner.mkdir()
        lent = _lent("FROM given\nRUN cat /first > /second\n")
        with BuildKitClient(engine.layout.socket, inner, lent) as second:
            building = second.solve(Exporters=[control.Exporter(Type="moby", Attrs={"name": "bk:linked"})])
            request = gateway.SolveRequest(
                Frontend="dockerfile.v0",
                FrontendOpt={"context:given": "input:first"},
                FrontendInputs={"first": getattr(result.ref, "def")},
                allowResultReturn=True,
                allowResultArrayRef=True,
            )
            linked = second.gateway("Solve", request, gateway.SolveResponse).result
            second.gateway("Return", gateway.ReturnRequest(result=linked), gateway.ReturnResponse)
            building.result()
        first.gateway("Return", gateway.ReturnRequest(result=result), gateway.ReturnResponse)
        solving.result()
    assert client.containers.run("bk:linked", "cat /second", remove=True) == b"first\n"
    client.images.remove("bk:linked")


def test_only_what_has_changed_is_sent_again(engine: EngineRoot, client: docker.DockerClient, sockets: Path) -> None:
    entries = [
        Entry("a", b"one"),
        Entry("dir", None),
        Entry("dir/b", b"two"),
        Entry("dir/deep", None),
        Entry("dir/deep/c", b"three", 0o755),
        Entry("linked", b"", link="a"),
        Entry("z", b"last"),
    ]
    dockerfile = "FROM busybox\nCOPY . /all\nRUN cd /all; find . -type f | sort | xargs tail -n +1 > /listing\n"

    def build(*entries: Entry) -> tuple[list[str], bytes]:
        where = Path(tempfile.mkdtemp(dir=sockets))
        lent = _lent(dockerfile, *entries)
        with BuildKitClient(engine.layout.socket, where, lent, shared_key="same") as buildkit:
            buildkit.build({}, name="bk:changed")
        shown = client.containers.run("bk:changed", "cat /listing", remove=True)
        return lent.wanted[1:], b"".join(line for line in shown.splitlines() if not line.startswith(b"="))

    assert build(*entries) == (["a", "dir/b", "dir/deep/c", "z"], b"onetwothreeonelast")
    # What has two names is sent again; all else is there.
    assert build(*entries) == (["a"], b"onetwothreeonelast")
    fewer = [entries[0], Entry("dir", b"now a file"), Entry("z", b"more!")]
    assert build(*fewer) == (["a", "dir", "z"], b"onenow a filemore!")
    assert build(*entries[:2], Entry("dir/b", b"TWO", 0o600)) == (["dir/b"], b"oneTWO")
    client.images.remove("bk:changed")
    kept = [entry for entry in client.df()["BuildCache"] if entry["Type"] == "source.local"]
    assert [entry["Description"] for entry in kept] == ["local source for context of same"]


def test_questions_about_a_dockerfile(engine: EngineRoot, sockets: Path) -> None:
    lent = _lent("FROM busybox AS one\nARG A=1\nRUN --mount=type=secret,id=s,required true\nFROM one\nARG B\n")

    def ask(what: str) -> Any:
        options = {"requestid": f"frontend.{what}", "build-arg:B": "b"}
        request = gateway.SolveRequest(Frontend="dockerfile.v0", FrontendOpt=options, allowResultReturn=True)
        return buildkit.gateway("Solve", request, gateway.SolveResponse).result.metadata

    with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit:
        solving = buildkit.solve(Internal=True)
        assert ask("targets")["result.txt"] == b"TARGET    DESCRIPTION\none       \n(default) \n"
        outline = json.loads(ask("outline")["result.json"])
        assert {one["name"]: one.get("value") for one in outline["args"]} == {"A": "1", "B": "b"}
        assert [(one["name"], one["required"]) for one in outline["secrets"]] == [("s", True)]
        assert ask("lint")["result.statuscode"] == b"0"
        with pytest.raises(grpc.RpcError) as failed:
            ask("moon")
        assert failed.value.details() == "frontend.moon: unsupported request"
        lent.directories["dockerfile"] = [Entry("Dockerfile", b"FROM busybox\nWORKDIR x\nMAINTAINER me\n")]
        found = json.loads(ask("lint")["result.json"])["warnings"]
        assert {(one["ruleName"], one["location"]["ranges"][0]["start"]["line"]) for one in found} == {
            ("WorkdirRelativePath", 2),
            ("MaintainerDeprecated", 3),
        }
        lent.directories["dockerfile"] = [Entry("Dockerfile", b"FROM busybox\nNO\n")]
        with pytest.raises(grpc.RpcError) as failed:
            ask("targets")
        assert "grpc-status-details-bin" in dict(failed.value.trailing_metadata())
        assert json.loads(ask("lint")["result.json"])["buildError"]["location"]["ranges"][0]["start"]["line"] == 2
        buildkit.gateway("Return", gateway.ReturnRequest(result=gateway.Result()), gateway.ReturnResponse)
        assert not solving.result().ExporterResponse


@pytest.mark.parametrize(
    "paths",
    [["../out"], ["/abs"], ["a", "a/b"], ["b/c"], ["a//b"], ["x", "x"], [".."]],
    ids=["above", "absolute", "below a file", "before its parent", "empty part", "twice", "parent"],
)
def test_a_hostile_context_writes_nothing_elsewhere(engine: EngineRoot, sockets: Path, paths: list[str]) -> None:
    lent = _lent("FROM busybox\nCOPY . /all\n", *(Entry(path) for path in paths))
    with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit, pytest.raises(grpc.RpcError) as failed:
        buildkit.build({})
    assert "the client sent" in failed.value.details()


def test_packets_that_nobody_asked_for(engine: EngineRoot, sockets: Path) -> None:
    def packets(name: str) -> Iterator[Any]:
        yield fsutil.Packet(type=_STAT, stat=fsutil.Stat(path="link", mode=1 << 27 | 0o777, linkname="/etc"))
        yield fsutil.Packet(type=_STAT, stat=fsutil.Stat(path="link/passwd", mode=0o644))
        yield fsutil.Packet(type=_DATA, ID=7, data=b"x")

    lent = _lent("FROM busybox\nCOPY . /all\n")
    lent.extra = packets
    with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit, pytest.raises(grpc.RpcError) as failed:
        buildkit.build({})
    assert failed.value.details() == "the client sent 'link/passwd' out of order"


def test_a_client_that_vanishes_has_its_build_cancelled(engine: EngineRoot, sockets: Path) -> None:
    lent = _lent("FROM busybox\nRUN echo begun; sleep 1000\n")
    with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit:
        solving = buildkit.solve(Frontend="dockerfile.v0", FrontendAttrs={"no-cache": ""})
        for response in buildkit.status():
            if any(log.msg.startswith(b"begun") for log in response.logs):
                break
        assert list(engine.layout.build_runs.iterdir())
        buildkit.drop_session()
        with pytest.raises(grpc.RpcError):
            solving.result()
    wait_for(lambda: not list(engine.layout.build_runs.iterdir()), "the step goes on")
    work = engine.layout.build_cache / "work"
    wait_for(lambda: not work.is_dir() or not list(work.iterdir()), "the build's files are left")


def test_the_build_cache_is_shown_and_pruned(engine: EngineRoot, sockets: Path) -> None:
    lent = _lent("FROM busybox\nRUN echo pruned > /file\n")
    with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit:
        buildkit.solve(Frontend="dockerfile.v0").result()

        def usage() -> list[str]:
            request = control.DiskUsageRequest(filter=[""])
            answer = buildkit.call("/moby.buildkit.v1.Control/DiskUsage", request, control.DiskUsageResponse)
            return [record.Description for record in answer.result().record]

        assert any("echo pruned" in text for text in usage())
        assert any("echo pruned" in record.Description for record in buildkit.prune(control.PruneRequest(all=True)))
        assert not usage()
        with pytest.raises(grpc.RpcError) as failed:
            buildkit.prune(control.PruneRequest(filter=["id~=x"]))
        assert "filters of the build cache (id~=x)" in failed.value.details()


def test_what_is_not_offered_is_refused(engine: EngineRoot, sockets: Path) -> None:
    with BuildKitClient(engine.layout.socket, sockets, _lent("FROM scratch\n")) as buildkit:
        with pytest.raises(grpc.RpcError) as failed:
            buildkit.call("/no.such/Method", control.InfoRequest(), control.InfoResponse).result()
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
        definition = control.SolveRequest().Definition
        getattr(definition, "def").append(b"\x1a\x00")
        with pytest.raises(grpc.RpcError) as failed:
            buildkit.solve(Definition=definition).result()
        assert "LLB" in failed.value.details()
        buildkit.ref = "other"
        with pytest.raises(grpc.RpcError) as failed:
            buildkit.solve(Frontend="dockerfile.v0", Exporters=[control.Exporter(Type="moon")]).result()
        assert "moon exporter" in failed.value.details()


def test_bytes_that_are_no_http2_end_their_connection_only(engine: EngineRoot, sockets: Path) -> None:
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100):
        with hijack(engine.layout.socket, "/grpc", []) as connection:
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    with BuildKitClient(engine.layout.socket, sockets, _lent("FROM scratch\n")) as buildkit:
        workers = buildkit.call(
            "/moby.buildkit.v1.Control/ListWorkers", control.ListWorkersRequest(), control.ListWorkersResponse
        ).result()
        assert workers.record[0].platforms[0].OS == "linux"
    assert "Traceback" not in engine.log()


def test_several_builds_share_a_session_within_the_control_connection(
    engine: EngineRoot, client: docker.DockerClient, sockets: Path
) -> None:
    lent = _lent("FROM busybox\nARG N\nCOPY f /f\nRUN echo $N >> /f\n", Entry("f", b"shared "))
    attributes = [{"build-arg:N": str(number)} for number in range(3)]
    with BuildKitClient(engine.layout.socket, sockets, lent, within=True) as buildkit:
        exporters = [[control.Exporter(Type="moby", Attrs={"name": f"within:{number}"})] for number in range(3)]
        solving: list[Any] = []
        for exporter, asked in zip(exporters, attributes, strict=True):
            buildkit.ref = f"{buildkit.ref[:20]}{len(solving)}"
            solving.append(buildkit.solve(Frontend="dockerfile.v0", FrontendAttrs=asked, Exporters=exporter))
        for one in solving:
            assert one.result().ExporterResponse["containerimage.digest"]
    names = [f"within:{number}" for number in range(3)]
    try:
        said = [client.containers.run(name, ["cat", "/f"], remove=True) for name in names]
        assert said == [b"shared 0\n", b"shared 1\n", b"shared 2\n"]
    finally:
        for name in names:
            client.images.remove(name)


def test_a_session_within_the_control_connection_ends_with_its_client(engine: EngineRoot, sockets: Path) -> None:
    lent = _lent("FROM busybox\nRUN sleep 600\n")
    with BuildKitClient(engine.layout.socket, sockets, lent, within=True) as buildkit:
        solving = buildkit.solve(Frontend="dockerfile.v0")
        for response in buildkit.status():
            if any("RUN" in vertex.name and vertex.HasField("started") for vertex in response.vertexes):
                break
        buildkit.drop_session()
        with pytest.raises(grpc.RpcError) as failed:
            solving.result()
        assert failed.value.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)


def test_a_session_needs_an_id_of_its_own(engine: EngineRoot, sockets: Path) -> None:
    with BuildKitClient(engine.layout.socket, sockets, _lent("FROM busybox\n"), within=True) as buildkit:
        with pytest.raises(grpc.RpcError, match="already exists"):
            list(buildkit.open_session(buildkit.id))
        with pytest.raises(grpc.RpcError, match="is missing"):
            list(buildkit.open_session(""))


def _history(buildkit: BuildKitClient, **fields: Any) -> list[Any]:
    return list(buildkit.history(control.BuildHistoryRequest(EarlyExit=True, **fields)))


def test_builds_are_remembered_told_again_and_forgotten(tmp_path: Path, sockets: Path) -> None:
    lent = _lent("FROM busybox\nRUN echo remember-me\n")
    with EngineRoot(tmp_path) as engine:
        engine.import_busybox()
        with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit:
            good = buildkit.ref
            buildkit.build({"build-arg:X": "y"}, name="remembered:1")
            buildkit.ref = bad = f"{good[:10]}bad"
            with pytest.raises(grpc.RpcError):
                buildkit.solve(Frontend="dockerfile.v0", FrontendAttrs={"target": "none"}).result()
            buildkit.ref = f"{good[:10]}internal"
            buildkit.solve(Frontend="dockerfile.v0", Internal=True).result()
            found = {event.record.Ref: event.record for event in _history(buildkit)}
            assert found.keys() == {good, bad}
            assert not found[good].HasField("error") and found[good].HasField("CompletedAt")
            assert found[good].numTotalSteps == found[good].numCompletedSteps >= 4
            assert found[good].ExporterResponse["image.name"] == "docker.io/library/remembered:1"
            assert 'target stage "none" could not be found' in found[bad].error.message
            assert [event.record.Ref for event in _history(buildkit, Filter=["status==error"])] == [bad]
            assert [event.record.Ref for event in _history(buildkit, Limit=1)] == [bad]
            with pytest.raises(grpc.RpcError, match="builds are filtered by"):
                _history(buildkit, Filter=["size>1"])
        engine.stop()
        engine.start()
        with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit:
            assert {event.record.Ref for event in _history(buildkit)} == {good, bad}
            buildkit.ref = good
            logs = b"".join(log.msg for response in buildkit.status() for log in response.logs)
            assert logs == b"remember-me\n"
            buildkit.forget(control.UpdateBuildHistoryRequest(Ref=good, Delete=True))
            with pytest.raises(grpc.RpcError, match="no such build"):
                buildkit.forget(control.UpdateBuildHistoryRequest(Ref=good, Delete=True))
            buildkit.forget(control.UpdateBuildHistoryRequest(Ref=bad, Pinned=True))
            ((record),) = (event.record for event in _history(buildkit))
            assert record.Ref == bad and record.pinned
        assert [path.name for path in (engine.layout.build_cache / "history").iterdir()] == [bad]


def test_who_listens_hears_of_builds_that_come(engine: EngineRoot, sockets: Path) -> None:
    heard: list[tuple[int, str]] = []
    begun = threading.Event()
    with BuildKitClient(engine.layout.socket, sockets, _lent("FROM busybox\n")) as buildkit:
        events = buildkit.history(control.BuildHistoryRequest(Ref=buildkit.ref))

        def listen() -> None:
            begun.set()
            for event in events:
                heard.append((event.type, event.record.Ref))
                if event.type == 1:
                    break

        listening = threading.Thread(target=listen)
        listening.start()
        begun.wait(10)
        buildkit.solve(Frontend="dockerfile.v0").result()
        listening.join(30)
        events.cancel()
        assert heard[-1] == (1, buildkit.ref) and heard[0][1] == buildkit.ref


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("", 400, "the Dockerfile (Dockerfile) cannot be empty"),
        ("FROM busybox\nNONSENSE x\n", 400, "dockerfile parse error on line 2: unknown instruction: NONSENSE"),
        ("RUN x\n", 400, "no build stage in current context"),
        ("FROM busybox\nCOPY --from=9 a b\n", 400, "invalid stage index 9"),
    ],
)
def test_an_error_before_the_first_step_has_a_status(engine: EngineRoot, text: str, status: int, words: str) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    found, body = engine.request("POST", "/v1.41/build?t=early", context.getvalue())
    assert found == status and words in json.loads(body)["message"]


def test_attestations_are_made_when_asked_for_and_served(
    engine: EngineRoot, client: docker.DockerClient, sockets: Path
) -> None:
    dockerfile = """FROM busybox
RUN mkdir -p /lib/apk/db && printf 'P:musl\\nV:1\\nA:x\\n' > /lib/apk/db/installed
"""
    lent = _lent(dockerfile)
    with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit:
        buildkit.build({"attest:provenance": "mode=min,inline-only=true"}, name="attested:1")
        assert engine.json("GET", "/images/attested:1/attestations") == []
        buildkit.ref += "x"
        wanted = {"attest:provenance": "mode=max,version=v1", "attest:sbom": "", "build-arg:WHO": "me"}
        buildkit.build(wanted, name="attested:1")
        buildkit.ref += "y"
        with pytest.raises(grpc.RpcError, match="SBOM generators"):
            buildkit.build({"attest:sbom": "generator=x/y"})
    try:
        brief = engine.json("GET", "/v1.55/images/attested:1/attestations")
        assert {one["PredicateType"] for one in brief} == {
            "https://slsa.dev/provenance/v1",
            "https://spdx.dev/Document",
        }
        assert all("Statement" not in one and one["Descriptor"]["size"] > 100 for one in brief)
        (full,) = engine.json(
            "GET", "/v1.55/images/attested:1/attestations?statement=1&type=https://slsa.dev/provenance/v1"
        )
        statement = full["Statement"]
        manifests = engine.json("GET", "/v1.55/images/attested:1/json?manifests=1")["Manifests"]
        assert [one["Kind"] for one in manifests] == ["image", "attestation"]
        identity = engine.json("GET", "/v1.55/images/attested:1/json")["Identity"]
        assert set(identity) == {"Build"} and identity["Build"][-1]["Ref"] == buildkit.ref.removesuffix("y")
        assert "Identity" not in engine.json("GET", "/v1.52/images/attested:1/json")
        assert statement["subject"][0]["digest"]["sha256"] == manifests[0]["ID"].removeprefix("sha256:")
        request = statement["predicate"]["buildDefinition"]["externalParameters"]["request"]
        assert request["args"] == {"build-arg:WHO": "me"}
        (spdx,) = engine.json("GET", "/images/attested:1/attestations?statement=1&type=https://spdx.dev/Document")
        assert [one["name"] for one in spdx["Statement"]["predicate"]["packages"]] == ["musl"]
        engine.request("POST", "/images/prune")
        assert len(engine.json("GET", "/images/attested:1/attestations?statement=1")) == 2
    finally:
        client.images.remove("attested:1")


def test_sessions_are_checked(engine: EngineRoot) -> None:
    assert engine.request("POST", "/session")[0] == 400
    assert engine.request("POST", "/grpc")[0] == 400


def test_an_engine_that_ends_cancels_its_builds(tmp_path: Path, sockets: Path) -> None:
    with EngineRoot(tmp_path) as engine:
        engine.import_busybox()
        lent = _lent("FROM busybox\nRUN echo begun; sleep 1000\n")
        with BuildKitClient(engine.layout.socket, sockets, lent) as buildkit:
            solving = buildkit.solve(Frontend="dockerfile.v0")
            for response in buildkit.status():
                if any(log.msg.startswith(b"begun") for log in response.logs):
                    break
            engine.stop(force=False)
            with pytest.raises(grpc.RpcError) as failed:
                solving.result()
        assert failed.value.details() == "context canceled"
