"""Device requests resolved against CDI specifications."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine.containers.spec.cdi import Edits, edits
from pycompose.engine.errors import EngineError, InvalidParameter

if TYPE_CHECKING:
    from pathlib import Path

GPUS = {
    "cdiVersion": "0.6.0",
    "kind": "nvidia.com/gpu",
    "containerEdits": {"env": ["COMMON=1"]},
    "devices": [
        {"name": name, "containerEdits": {"env": [f"GPU_{name}=1"]}} for name in ("0", "1", "10", "2", "all", "GPU-abc")
    ],
}


def ask(directory: Path, **request: Any) -> Edits:
    return edits({"DeviceRequests": [request], "Runtime": ""}, [directory])


def gpus(directory: Path, **request: Any) -> list[str]:
    found = ask(directory, Capabilities=[["gpu"]], **request).env
    assert found[0] == "COMMON=1"
    return [line.removeprefix("GPU_").removesuffix("=1") for line in found[1:]]


def test_gpus_without_names(tmp_path: Path) -> None:
    (tmp_path / "nvidia.json").write_text(json.dumps(GPUS))
    assert gpus(tmp_path, Count=-1) == ["all"]
    assert gpus(tmp_path, Count=3) == ["0", "1", "2"]
    assert gpus(tmp_path, DeviceIDs=["1", "GPU-abc"], Driver="nvidia") == ["1", "GPU-abc"]
    with pytest.raises(InvalidParameter, match="5 GPUs were asked for, 4 are there"):
        gpus(tmp_path, Count=5)


def test_without_a_specification(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r'^could not select device driver "" with capabilities: \[\[gpu\]\]$'):
        gpus(tmp_path, Count=-1)
    with pytest.raises(InvalidParameter, match="could not select device driver"):
        ask(tmp_path, Driver="fpga", Count=1, Capabilities=[["fpga"]])
    with pytest.raises(InvalidParameter, match="unresolvable CDI devices a/b=c"):
        ask(tmp_path, Driver="cdi", DeviceIDs=["a/b=c"])
    with pytest.raises(InvalidParameter, match="invalid CDI device name"):
        ask(tmp_path, Driver="cdi", DeviceIDs=["../x"])


def test_yaml_mounts_and_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    device = "cdiVersion: 0.6.0\nkind: v.org/c\ndevices:\n- name: d\n  containerEdits:\n    %s\n"
    path.write_text(device % "mounts: [{hostPath: /a, containerPath: /b, options: [ro]}]")
    (mount,) = ask(tmp_path, DeviceIDs=["v.org/c=d"]).mounts
    assert mount == {"destination": "/b", "type": "bind", "source": "/a", "options": ["rbind", "ro"]}
    path.write_text(device % "hooks: [{hookName: createContainer, path: /bin/true}]")
    with pytest.raises(InvalidParameter, match=r"hooks.*runtime: runc"):
        ask(tmp_path, DeviceIDs=["v.org/c=d"])
    for wrong in ("intelRdt: {closID: x}", "mounts: [{hostPath: /a}]", "deviceNodes: [3]", "mounts: ["):
        path.write_text(device % wrong)
        with pytest.raises(EngineError, match="CDI specification"):
            ask(tmp_path, DeviceIDs=["v.org/c=d"])
