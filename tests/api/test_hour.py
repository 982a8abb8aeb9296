"""The hour of samples that the engine keeps of each container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import wait_for

from pycompose.engine.containers.view.hour import PERIOD, SAMPLES, Ring, Sample

if TYPE_CHECKING:
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
    busy.remove(force=True)
    assert engine.request("GET", f"/pycompose/containers/{busy.id}/hour")[0] == 404
