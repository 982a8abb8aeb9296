"""Requests of clients that speak HTTP only: builds with BuildKit and no session, and answers that are judged by their status."""

from __future__ import annotations

import json
import select
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from support.archives import tar

if TYPE_CHECKING:
    import docker
    from support.engine_root import EngineRoot

pytestmark = pytest.mark.root


def _context(**files: str) -> bytes:
    return tar({name: text.encode() for name, text in files.items()})


def _build(engine: EngineRoot, context: bytes, query: str = "") -> list[dict[str, Any]]:
    """What is told besides BuildKit's own traces."""
    started = time.monotonic()
    status, answer = engine.request("POST", f"/v1.47/build?version=2&{query}", context, timeout=60)
    assert status == 200, answer
    assert time.monotonic() - started < 30
    told = [json.loads(line) for line in answer.splitlines()]
    return [one for one in told if one.get("id") != "moby.buildkit.trace"]


def test_buildkit_builds_what_comes_with_the_request(engine: EngineRoot, client: docker.DockerClient) -> None:
    """As @docker/node-sdk asks for builds: version 2, a tar, and no session."""
    context = _context(Dockerfile="FROM busybox\nARG WHO\nCOPY a /a\nRUN echo $WHO >> /a\nCMD cat /a\n", a="A\n")
    args = quote(json.dumps({"WHO": "me"}))
    (told,) = _build(engine, context, f"t=plain:1&buildargs={args}")
    assert told["id"] == "moby.image.id" and told["aux"]["ID"] == client.images.get("plain:1").id
    assert client.containers.run("plain:1", remove=True) == b"A\nme\n"
    # A quiet one tells the image's id, and nothing else.
    status, answer = engine.request("POST", f"/build?version=2&q=1&t=plain:1&buildargs={args}", context)
    assert status == 200 and json.loads(answer) == {"stream": f"{told['aux']['ID']}\n"}
    client.images.remove("plain:1")


@pytest.mark.parametrize(
    ("dockerfile", "query", "words"),
    [
        ("FROM busybox\nRUN exit 3\n", "", 'process "/bin/sh -c exit 3" did not complete successfully: exit code: 3'),
        ("FROM busybox\nRUN --mount=type=secret,id=s,required true\n", "", "secret s: not found"),
        ("FROM busybox\nRUN --mount=type=ssh,required true\n", "", "unset ssh forward key default"),
        ("FROM busybox\n", "remote=client-session", "no local sources enabled"),
        ("FROM busybox\n", "session=gone", "no active session for gone"),
        (
            "FROM busybox\n",
            f"outputs={quote(json.dumps([{'Type': 'local', 'Attrs': {}}]))}",
            "not supported by the client",
        ),
    ],
)
def test_who_has_no_session_lends_nothing(engine: EngineRoot, dockerfile: str, query: str, words: str) -> None:
    (told,) = _build(engine, _context(Dockerfile=dockerfile), query)
    assert words in told["error"]


def test_an_answer_to_a_load_begins_when_something_is_loaded(engine: EngineRoot) -> None:
    """Clients that do not read it to its end go on when it begins."""
    assert engine.request("POST", "/images/busybox/tag?repo=loaded&tag=1")[0] == 201
    status, archive = engine.request("GET", "/images/loaded:1/get")
    assert status == 200 and engine.request("DELETE", "/images/loaded:1")[0] == 200
    with engine.connect() as connection:
        head = f"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: {len(archive)}\r\n\r\n"
        connection.sendall(head.encode() + archive[: len(archive) // 2])
        assert not select.select([connection], [], [], 0.5)[0]
        connection.sendall(archive[len(archive) // 2 :])
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert engine.request("GET", "/images/loaded:1/json")[0] == 200
    engine.request("DELETE", "/images/loaded:1")


def test_a_load_that_fails_says_so_inside_its_answer(engine: EngineRoot) -> None:
    status, answer = engine.request("POST", "/images/load", _context(nothing="here"))
    assert status == 200 and json.loads(answer)["error"]
