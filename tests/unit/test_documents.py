"""What outlives a process is read by other releases: those to come add members, those before lack some. The state files of each
release stay in tests/data/states, and every reader has to read them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pycompose.engine import documents
from pycompose.engine.build.cache import CacheRecord
from pycompose.engine.containers.life.health import Health
from pycompose.engine.containers.spec.record import ContainerRecord
from pycompose.engine.images.types import Layer
from pycompose.engine.leases.record import Lease
from pycompose.engine.networks import zones
from pycompose.engine.networks.types import Endpoint, Network, PortBinding, Resolver
from pycompose.engine.runtime import bundle, dnszone, protocol, restart, statusfile
from pycompose.engine.runtime.client import Exited, ShimClient, ShimState, Started
from pycompose.engine.runtime.connection import RequestError
from pycompose.engine.store import Store
from pycompose.engine.volumes.snapshots import Snapshot
from pycompose.engine.volumes.types import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STATES = Path(__file__).parents[1] / "data" / "states"
RELEASES = sorted(path for path in STATES.iterdir() if path.is_dir())

READERS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "container": ContainerRecord.from_body,
    "endpoint": Endpoint.from_record,
    "health": Health.from_body,
    "lease": Lease.from_record,
    "network": Network.from_record,
    "published": lambda body: [PortBinding.from_record(one) for one in body["ports"]],
    "resolver": Resolver.from_record,
    "snapshot": Snapshot.from_record,
    "volume": Volume.from_record,
}
OPEN = ("port", "image", "layer", "tag", "volume-layer")
"""Kinds whose members are looked up one by one, where they are needed."""


def records(release: Path) -> dict[str, dict[str, dict[str, Any]]]:
    content: dict[str, dict[str, dict[str, Any]]] = json.loads((release / "records.json").read_text())
    return content


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_records_of_a_release_are_read(release: Path, tmp_path: Path) -> None:
    found = records(release)
    assert found.keys() == {*READERS, *OPEN}
    store = Store(tmp_path / "engine.db")
    for kind, bodies in found.items():
        for id, body in bodies.items():
            store.put(kind, id, body)
        assert store.all(kind) == bodies
        for body in bodies.values() if kind in READERS else ():
            READERS[kind](body)
    store.close()
    web = next(one for one in map(ContainerRecord.from_body, found["container"].values()) if one.name == "web")
    assert web.spec.restart.maximum_retry_count == 3 and [one.network for one in web.spec.endpoints] == ["net"]
    (snapshot,) = map(Snapshot.from_record, found["snapshot"].values())
    (volume,) = map(Volume.from_record, found["volume"].values())
    assert snapshot.volumes["data"] == volume.layers != ()
    (health,) = map(Health.from_body, found["health"].values())
    assert health.status == "healthy" and health.log[-1].exit_code == 0


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_files_of_a_release_are_read(release: Path) -> None:
    running = statusfile.read(str(release / "web.status.json"))
    ended = statusfile.read(str(release / "ended.status.json"))
    assert running is not None and ended is not None
    assert ShimState.parse(running).status == "running" and ShimState.parse(ended).exit_code == 7
    for path in release.glob("*.launch.json"):
        spec = bundle.read(str(path))
        assert spec.terminal is False and spec.network_mode == "new"
        assert bundle.ShimSpec.parse(spec.for_shim().document()) == spec.for_shim()
    zone = dnszone.Zone(str(release / "zone.json"))
    zone.refresh()
    assert zone.find("www") == zone.find("web") is not None
    names = dnszone.Names(str(release / "auto.resolver.json"))
    names.refresh()
    assert names.servers == ("192.0.2.53",)


def test_lists_of_records_before_versions() -> None:
    body = {"layer": ["d", "c", 3], "parent": "", "text": "RUN x", "created": 1.0, "used": 1.0, "uses": 1, "extra": {}}
    old = CacheRecord.parse("k", body)
    assert old.layer == Layer("d", "c", 3)
    assert CacheRecord.parse("k", json.loads(json.dumps(old.document()))) == old
    assert Health.from_body({"log": [[1, 2, 0, "ok"]]}).log[0].output == "ok"


UNKNOWN: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.text(min_size=1, max_size=5).map(lambda name: f"new {name}"),
    st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2), st.just({"a": {}})),
    max_size=3,
)

NEEDED = {
    "container": {"id", "name", "created", "image", "config", "host"},
    "endpoint": {"id", "network_id", "network_name", "container"},
    "network": {"id", "name", "created"},
    "lease": {"id", "owner"},
    "volume": {"name", "created"},
    "snapshot": {"group", "name", "created"},
    "published": {"ports"},
}

EXAMPLES = [
    (kind, body) for kind, bodies in records(RELEASES[0]).items() if kind in READERS for body in bodies.values()
]


@given(st.data(), UNKNOWN)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_records_of_releases_to_come_and_long_gone(data: st.DataObject, unknown: dict[str, Any]) -> None:
    kind, body = data.draw(st.sampled_from(EXAMPLES))
    optional = sorted(body.keys() - NEEDED.get(kind, set()))
    dropped = data.draw(st.sets(st.sampled_from(optional))) if optional else set()
    kept = {name: value for name, value in body.items() if name not in dropped}
    whole, some = READERS[kind](body), READERS[kind]({**kept, **unknown})
    assert type(some) is type(whole)
    for name in kept.keys() & set(getattr(type(whole), "__match_args__", ())):
        assert getattr(some, name) == getattr(whole, name)


@given(st.data(), UNKNOWN)
def test_messages_of_shims_to_come_and_long_gone(data: st.DataObject, unknown: dict[str, Any]) -> None:
    examples: list[tuple[type[Any], dict[str, Any], set[str]]] = [
        (
            Started,
            {"pid": 1, "pid_starttime": 2, "started_at": 3, "warnings": ["w"]},
            {"pid", "pid_starttime", "started_at"},
        ),
        (Exited, {"exit_code": 1, "finished_at": 2, "oom_killed": True, "error": "e"}, {"exit_code", "finished_at"}),
        (
            ShimState,
            {"status": "running", "pid": 4, "pid_starttime": 5, "shim_pid": 1, "shim_starttime": 2},
            {"status", "shim_pid", "shim_starttime"},
        ),
        (restart.Policy, {"name": "always", "delay": 2.0}, {"name"}),
    ]
    kind, body, needed = data.draw(st.sampled_from(examples))
    dropped = data.draw(st.sets(st.sampled_from(sorted(body.keys() - needed))))
    kept = {name: value for name, value in body.items() if name not in dropped}
    found = documents.build(kind, {**kept, **unknown})
    assert {name: getattr(found, name) for name in kept} == kept


@given(
    st.sets(st.sampled_from(["resolver", "pid_namespace", "runtime", "log.compress", "log.syslog", "restart.delay"])),
    UNKNOWN,
)
def test_a_specification_of_an_engine_to_come(dropped: set[str], unknown: dict[str, Any]) -> None:
    spec = bundle.read(str(RELEASES[0] / "auto.launch.json")).for_shim()
    document = json.loads(json.dumps(spec.document()))
    for path in dropped:
        outer, _, inner = path.rpartition(".")
        del (document[outer] if outer else document)[inner]
    found = bundle.ShimSpec.parse({**document, **unknown, "log": {**document["log"], **unknown}})
    assert (found.id, found.status, found.log.directory) == (spec.id, spec.status, spec.log.directory)


def test_what_cannot_be_missed_is_named() -> None:
    with pytest.raises(documents.Incomplete, match=r"ContainerSpec: missing .*'host'"):
        ContainerRecord.from_body({"id": "1", "name": "n", "created": 1, "image": "i", "config": {}})


def test_a_status_file_with_less_and_with_more(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text(json.dumps({"v": 1, "status": "exited", "shim_pid": 5, "shim_starttime": 6, "mood": "good"}))
    status = statusfile.read(str(path))
    assert status is not None and status["exit_code"] == 0 and status["manual"] is False
    path.write_text(json.dumps({"exit_code": 3}))
    assert statusfile.read(str(path)) is None


@pytest.mark.parametrize("version", [2, 99])
def test_files_that_are_newer(tmp_path: Path, version: int, capfd: pytest.CaptureFixture[str]) -> None:
    status = tmp_path / "status.json"
    status.write_text(json.dumps({**statusfile.created(), "v": version}))
    with pytest.raises(documents.NewerFormat, match=rf"{status}: version {version} .*: install the newer one again"):
        statusfile.read(str(status))
    launch = tmp_path / "launch.json"
    launch.write_text(json.dumps({**json.loads((RELEASES[0] / "web.launch.json").read_text()), "v": version}))
    with pytest.raises(ValueError, match=rf"{launch}: version {version} "):
        bundle.read(str(launch))
    # A shim goes on with the names it knows.
    path = tmp_path / "zone.json"
    zones.write(path, {"network": "1", "name": "n", "names": {"db": ["192.0.2.1"]}, "reverse": {}})
    zone = dnszone.Zone(str(path))
    zone.refresh()
    path.write_text(json.dumps({"v": version, "names": ["another", "shape"]}))
    zone.refresh()
    assert zone.find("db") is not None
    assert f"{path}: version {version} " in capfd.readouterr().err


@pytest.mark.parametrize("version", [-1, "1", 1.5, True, None])
def test_what_is_no_version(version: object) -> None:
    with pytest.raises(ValueError, match="is no version"):
        documents.checked({"v": version}, 1, "file")


def test_a_keeper_before_versions_takes_positions() -> None:
    spec = bundle.read(str(RELEASES[0] / "auto.launch.json")).for_shim()
    assert bundle.ShimSpec.parse(json.loads(json.dumps(spec.positions()))) == spec
    assert len(spec.positions()) == 15 and len(spec.positions()[7]) == 7 and len(spec.positions()[8]) == 4


def test_hellos_of_a_shim() -> None:
    """One that knows less is asked for no more, one that is newer for nothing; from one that says none all is hoped for."""

    async def scenario() -> None:
        for said, refusal in (
            (
                {"event": "hello", "v": 1, "ops": ["start"], "mood": "good"},
                "is of an older pycompose and knows no 'hold'",
            ),
            ({"event": "hello", "v": 2, "ops": ["hold"]}, "version 2 was written by a newer pycompose"),
        ):
            ours, theirs = protocol.pair()
            with theirs:
                protocol.send(theirs, said)
                shim = ShimClient(ours)
                await asyncio.sleep(0)
                protocol.send(theirs, {"event": "prepared", "state": {**statusfile.created(), "new": 1}})
                with pytest.raises(RequestError, match=refusal):
                    await asyncio.wait_for(_prepared_then_hold(shim), 5)
                shim.close()

    async def _prepared_then_hold(shim: ShimClient) -> None:
        with contextlib.suppress(documents.NewerFormat):
            await shim.prepared()
        await shim.hold(())

    asyncio.run(scenario())
