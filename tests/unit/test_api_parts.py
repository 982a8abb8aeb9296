"""Pure parts of engine/api and engine/events: routing, versions, event filters; the store of volumes without privileges."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine.api.http import encode
from pycompose.engine.api.router import API_VERSION, Route, Router
from pycompose.engine.api.routes import ROUTES
from pycompose.engine.errors import Conflict, InvalidParameter, NotFound
from pycompose.engine.events import Event, Events, matches
from pycompose.engine.layout import Layout
from pycompose.engine.shapes import decode
from pycompose.engine.store import Store
from pycompose.engine.trash import Trash
from pycompose.engine.volumes import Volumes

if TYPE_CHECKING:
    from pathlib import Path


async def handler(engine: object, request: object) -> None:
    """Never called here."""


def request(method: str, path: str) -> Any:
    return SimpleNamespace(method=method, path=path, params={}, version=None)


def test_routes_are_found_with_and_without_version() -> None:
    router = Router([Route("GET", "/images/{name:path}/json", handler), Route("GET", "/images/json", handler)])
    wanted = request("GET", "/v1.41/images/a/b:c/json")
    assert router.match(wanted).pattern == "/images/{name:path}/json"
    assert wanted.params == {"name": "a/b:c"} and wanted.version == (1, 41)
    plain = request("GET", "/images/json")
    assert router.match(plain).pattern == "/images/json" and plain.version == API_VERSION
    with pytest.raises(NotFound):
        router.match(request("GET", "/nowhere"))
    with pytest.raises(NotFound):  # as dockerd answers: its router takes a wrong method for a path that is not there
        router.match(request("PUT", "/images/json"))
    for version in ("1.23", "1.56", "9.0"):
        with pytest.raises(InvalidParameter):
            router.match(request("GET", f"/v{version}/images/json"))


def test_no_route_is_shadowed() -> None:
    """Every row is reached by a path made from its own pattern."""
    router = Router(ROUTES)
    for route in ROUTES:
        path = route.pattern.replace("{name:path}", "n").replace("{rest:path}", "r").replace("{alias:path}", "a")
        path = path.replace("{id}", "i").replace("{name}", "n").replace("{key}", "k")
        found = router.match(request(route.method, path))
        assert found.handler is route.handler, (route.method, route.pattern, found.pattern)


EVENT = Event("container", "exec_create: ls", "abc123", {"name": "web", "image": "nginx:1", "tier": "front"}, 5)


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({}, True),
        ({"type": ["container", "image"]}, True),
        ({"type": ["image"]}, False),
        ({"event": ["exec_create"]}, True),
        ({"event": ["exec"]}, False),
        ({"container": ["web"]}, True),
        ({"container": ["abc"]}, True),
        ({"container": ["other"]}, False),
        ({"image": ["nginx"]}, True),
        ({"image": ["nginx:1"]}, True),
        ({"image": ["redis"]}, False),
        ({"label": ["tier"]}, True),
        ({"label": ["tier=front"]}, True),
        ({"label": ["tier=back"]}, False),
        ({"volume": ["web"]}, False),
        ({"type": ["container"], "event": ["die"]}, False),
    ],
)
def test_event_filters(filters: dict[str, list[str]], passes: bool) -> None:
    assert matches(EVENT, filters) is passes


@pytest.mark.parametrize("backend", ["asyncio"])
def test_history_and_subscription_have_no_gap(backend: str) -> None:
    import anyio

    async def main() -> None:
        events = Events()
        for number in range(5):
            events.publish("container", "start", str(number), {})
        with events.subscribe(since=0) as (past, subscription):
            events.publish("container", "die", "5", {})
            assert [event.id for event in past] == ["0", "1", "2", "3", "4"]
            following = await subscription.next()
            assert following is not None and following.id == "5"
            assert following.time > past[-1].time

    anyio.run(main, backend=backend)


# volumes ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    layout = Layout.for_root(tmp_path)
    return Volumes(layout, Store(layout.database), lambda *event: None, Trash())


def test_volumes_are_made_once_and_kept(volumes: Volumes) -> None:
    first = volumes.create("data", labels={"a": "b"})
    (volumes.path("data") / "file").write_text("precious")
    again = volumes.create("data")
    assert again == first and (volumes.path("data") / "file").read_text() == "precious"
    volumes.protect(lambda name: ["container"] if name == "data" else [])
    with pytest.raises(Conflict, match="in use"):
        volumes.remove("data")
    assert volumes.prune({"all": ["true"]}) == ([], 0)
    volumes.protect(lambda name: [])
    assert volumes.prune() == ([], 0)  # named: only with all=true
    assert volumes.prune({"all": ["true"]})[0] == ["data"]


def test_anonymous_volumes_have_hexadecimal_names_and_a_label(volumes: Volumes) -> None:
    volume = volumes.create()
    assert len(volume.name) == 64 and volume.labels == {"com.docker.volume.anonymous": ""}
    assert volumes.prune()[0] == [volume.name]


@pytest.mark.parametrize("name", ["x", "../x", "a/b", "-a", ".a", "a b", "ä" * 3, "a" * 300])
def test_bad_volume_names(volumes: Volumes, name: str) -> None:
    with pytest.raises(InvalidParameter):
        volumes.create(name)


@pytest.mark.parametrize("options", [{"nonsense": "1"}, {"type": "nfs"}, {"device": "x"}, {"size": "1g"}])
def test_bad_driver_options(volumes: Volumes, options: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        volumes.create("name", options=options)


def test_volume_filters(volumes: Volumes) -> None:
    volumes.create("one", labels={"a": "1"})
    volumes.create("two", labels={"a": "2"})
    volumes.protect(lambda name: ["c"] if name == "one" else [])

    def names(**filters: list[str]) -> list[str]:
        return [volume.name for volume in volumes.list(filters)]

    assert names(label=["a"]) == ["one", "two"] and names(label=["a=2"]) == ["two"]
    assert names(dangling=["true"]) == ["two"] and names(dangling=["false"]) == ["one"]
    assert names(name=["w"]) == ["two"] and names(driver=["other"]) == []
    with pytest.raises(InvalidParameter):
        names(nonsense=["x"])
    with pytest.raises(NotFound, match="no such volume"):
        volumes.get("three")


def test_a_failure_nobody_foresaw_is_told_in_the_stream() -> None:
    """A disk that is full in the middle of a build must not look like a connection that broke."""
    import asyncio
    import socket

    from pycompose.engine.api import transfer
    from pycompose.engine.api.http import Connection
    from pycompose.engine.api.wire import Wire
    from pycompose.engine.containers.life.workers import Workers

    async def handler(request: Any) -> None:
        def work(progress: Any) -> None:
            progress({"stream": "Step 1"})
            raise OSError(28, "No space left on device", "layer")

        layout = SimpleNamespace(state="/", run="/")
        workers = Workers(2)
        workers.begin()
        try:
            await transfer.with_progress(SimpleNamespace(transfers=workers, layout=layout), request, work)
        finally:
            workers.close()

    async def exchange() -> bytes:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"POST /build HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            await asyncio.wait_for(Connection(Wire(ours), list).serve(handler), 10)
            ours.shutdown(socket.SHUT_WR)
            answer = b""
            while data := await asyncio.to_thread(theirs.recv, 65536):
                answer += data
            return answer

    answer = asyncio.run(exchange())
    assert b'"stream":"Step 1"' in answer
    assert b'"error":"/: No space left on device: make room' in answer, (
        "a name below a descriptor is told by the disk it is on"
    )


def test_answers_are_utf_8_whatever_a_file_is_called() -> None:
    assert json.loads(encode({"Path": "/a\udcff\ud800"}).decode()) == {"Path": "/a" + "\ufffd" * 6}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "\\ud800x"}', {"a": "\ufffd\ufffd\ufffdx"}),
        ('{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        ("[1, 2.5]", [1, 2.5]),
    ],
)
def test_json_of_strangers(text: str, value: object) -> None:
    assert decode(text) == value


@pytest.mark.parametrize("text", ['{"a": "\\u0000"}', '{"\\u0000": 1}', "NaN", "[Infinity]", "[" * 100_000, "1" * 5000])
def test_json_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)
