"""The hour of samples that the engine keeps of each container."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import wait_for

from pycompose.engine.containers.view import hour as hours
from pycompose.engine.containers.view.hour import PERIOD, SAMPLES, Ring, Sample

if TYPE_CHECKING:
    from pathlib import Path

    import docker
    from support.engine_root import EngineRoot


def test_a_ring_keeps_the_newest_hour() -> None:
    ring = Ring()
    assert ring.columns()["at"] == []
    for at in range(SAMPLES + 50):
        ring.add(Sample(float(at), 1, 2, 3, 4, 5, 6, 7, 8))
    found = ring.columns()
    assert len(ring) == SAMPLES and SAMPLES * PERIOD == 3600
    assert (found["at"][0], found["at"][-1]) == (50.0, SAMPLES + 49.0)
    assert {name: set(values) for name, values in found.items() if name != "at"} == {
        name: {float(value)} for value, name in enumerate(Sample._fields) if name != "at"
    }


def _sample(at: float) -> Sample:
    return Sample(at, 1, 2, 3, 4, 5, 6, 7, 8)


def test_a_file_keeps_the_newest_hour_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "hour"
    assert hours.read(path) == []
    moments = [1e9 + number * (PERIOD + 0.01) for number in range(SAMPLES + 50)]
    for at in moments:
        hours.write(path, _sample(at))
    found = hours.read(path)
    assert path.stat().st_size < 27_000
    # Its place follows from its time, and samples come a little later than every ten seconds: a place may be left out.
    assert SAMPLES - 1 <= len(found) <= SAMPLES and [one.at for one in found][-300:] == moments[-300:]
    since = moments[-1] - 3600
    assert min(Ring(found).columns(since)["at"]) >= since
    assert Ring(found).columns(moments[-1] + 1)["at"] == []
    # Cut short by a full disk, of another version, or no file of ours at all: nothing is made up of it.
    path.write_bytes(path.read_bytes()[: 16 + 72 * 3 + 40])
    assert len(hours.read(path)) <= 3
    for strange in (b"", b"pycompose hour 9" + bytes(7200), b"\xff" * 500):
        path.write_bytes(strange)
        assert hours.read(path) == []
        hours.write(path, _sample(2e9))
        assert hours.read(path) == [_sample(2e9)]
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        hours.write(path, _sample(2e9))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.root
@pytest.mark.timeout(180)
def test_the_engine_takes_samples_of_what_runs(engine: EngineRoot, client: docker.DockerClient) -> None:
    busy = client.containers.run("busybox", ["sh", "-c", "while :; do :; done"], detach=True)
    idle = client.containers.create("busybox", ["true"])

    def hour(id: str) -> dict[str, Any]:
        found: dict[str, Any] = engine.json("GET", f"/pycompose/containers/{id}/hour")
        return found

    wait_for(lambda: len(hour(busy.id)["At"]) >= 2, lambda: "no two samples", patience=120)
    found = hour(busy.id)
    assert {len(values) for values in found.values()} == {len(found["At"])}
    assert found["At"][1] - found["At"][0] >= PERIOD * 0.9
    assert found["Processor"][1] > found["Processor"][0] > 0
    assert found["Memory"][0] > 0 and found["Limit"][0] > found["Memory"][0] and found["Pids"][0] >= 1
    assert set(map(len, hour(idle.id).values())) == {0}
    # The next engine goes on with what one that was killed has taken.
    killed, before = int(engine.json("GET", "/pycompose/engine")["pid"]), found["At"][:2]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: engine.json("GET", "/pycompose/engine")["pid"] != killed, lambda: "no other engine")
    assert hour(busy.id)["At"][:2] == before
    wait_for(lambda: len(hour(busy.id)["At"]) >= 3, lambda: "no third sample", patience=60)
    assert hour(busy.id)["At"][:2] == before
    busy.remove(force=True)
    assert engine.request("GET", f"/pycompose/containers/{busy.id}/hour")[0] == 404
