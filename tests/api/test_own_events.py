"""What our engine tells beyond Docker's API: events of types that Docker lacks, on a path of their own, and what builds do."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

import docker
import pytest
from support.engine_root import EngineRoot, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    """One that has told of nothing yet."""
    with EngineRoot(tmp_path_factory.mktemp("engine")) as running:
        running.import_busybox()
        yield running


def _told(engine: EngineRoot, path: str) -> list[tuple[str, str, dict[str, str]]]:
    status, body = engine.request("GET", f"{path}?since=0&until={time.time():.9f}")[:2]
    assert status == 200
    events = [json.loads(line) for line in body.splitlines()]
    return [(one["Type"], one["Action"], one["Actor"]["Attributes"]) for one in events]


def test_events_that_docker_lacks_have_a_path_of_their_own(engine: EngineRoot, client: docker.DockerClient) -> None:
    bad = client.containers.create("busybox", ["no-such-command"], name="bad", labels={"a": "b"})
    with pytest.raises(docker.errors.APIError):
        bad.start()
    engine.json("PUT", "/pycompose/jobs/nightly", {"Container": {"Image": "busybox", "Cmd": ["true"]}})
    engine.json("POST", "/pycompose/jobs/nightly/pause")
    own = _told(engine, "/pycompose/events")
    (failure,) = [about for kind, action, about in own if (kind, action) == ("failure", "start")]
    assert failure["name"] == "bad" and failure["a"] == "b" and failure["exitCode"] == "127"
    assert "no-such-command" in failure["error"]
    assert [(action, about["name"]) for kind, action, about in own if kind == "job"] == [
        ("register", "nightly"),
        ("pause", "nightly"),
    ]
    # A client that knows Docker's types alone meets no other, and misses none of those.
    dockers = _told(engine, "/events")
    assert dockers == [one for one in own if one[0] not in ("failure", "job")]
    assert ("container", "create") in [one[:2] for one in dockers]


def test_what_builds_do(engine: EngineRoot, client: docker.DockerClient) -> None:
    def builds(after: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = engine.json("GET", f"/pycompose/builds?after={after}")
        return found

    assert builds()["Builds"] == []
    client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN echo told\nCMD true\n"), tag="sound", rm=True)
    first = builds()
    (sound,) = first["Builds"]
    assert (sound["Name"], sound["State"], sound["Error"]) == ("sound", "done", "")
    assert sound["Created"] < sound["Finished"] and sound["Image"].startswith("sha256:")
    (step,) = [one for one in sound["Steps"] if one["Text"] == "RUN echo told"]
    assert (step["State"], step["Output"]) == ("done", "told\n")
    with pytest.raises(docker.errors.BuildError):
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN echo told\nRUN echo no >&2; exit 7\n"), tag="bad")
    # The client has the failure before the engine has put everything of the build away.
    wait_for(lambda: builds()["Builds"][-1]["Finished"], lambda: "the build goes on")
    second = builds(first["Revision"])
    assert len(second["Ids"]) == 2 and second["Revision"] > first["Revision"]
    (bad,) = second["Builds"]
    assert bad["State"] == "failed" and "exit code: 7" in bad["Error"] and bad["Image"] == ""
    states = {one["Text"]: one["State"] for one in bad["Steps"]}
    assert states["RUN echo told"] == "cached" and states["RUN echo no >&2; exit 7"] == "failed"
    assert builds(second["Revision"])["Builds"] == []
    # A revision that is another engine's says nothing: all is told.
    assert len(builds(second["Revision"] + 1000)["Builds"]) == 2
    kinds = [one[:2] for one in _told(engine, "/pycompose/events") if one[0] == "build"]
    assert kinds == [("build", "start"), ("build", "finish"), ("build", "start"), ("build", "fail")]
