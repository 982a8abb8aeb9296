"""A project that was remembered is the project that was loaded: for plans, and for clusters, which read its extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pycompose.compose.deploy.extensions import extension
from pycompose.compose.load import load_project
from pycompose.compose.load.cache import recall
from pycompose.compose.model import LoadOptions

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
name: shop
x-top: {when: 2024-05-06, list: [1, {a: b}]}
services:
  nightly:
    image: busybox
    x-schedule: 0 3 * * *
    x-since: 2024-05-06
    mem_limit: 64m
    stop_grace_period: 90s
    build: {context: ., x-of-build: {deep: [true, null, 1.5]}}
    volumes: [{type: volume, source: data, target: /d, x-of-mount: 1}]
jobs:
  migrate: {image: busybox, triggers: {manual: true}, x-of-job: [a]}
volumes:
  data: {x-kubernetes: {size: 5Gi}}
networks:
  default: {x-of-network: true}
"""


def test_what_is_remembered_has_its_extensions(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(FILE)
    options = LoadOptions(cwd=tmp_path, environment={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    loaded = load_project(options)
    remembered = recall(options)
    assert remembered is not None and remembered is not loaded
    for one in (loaded, remembered):
        nightly, volume = one.services["nightly"], one.volumes["data"]
        assert extension(nightly, "x-schedule") == "0 3 * * *"
        assert extension(nightly, "x-since") == "2024-05-06T00:00:00Z"
        assert extension(nightly["build"], "x-of-build") == {"deep": [True, None, 1.5]}
        assert extension(nightly["volumes"][0], "x-of-mount") == 1
        assert extension(one.jobs["migrate"], "x-of-job") == ["a"]
        assert extension(volume, "x-kubernetes") == {"size": "5Gi"}
        assert extension(one.networks["default"], "x-of-network") is True
        assert (str(nightly["mem_limit"]), str(nightly["stop_grace_period"])) == ("67108864", "1m30s")
    assert (remembered.services, remembered.volumes, remembered.jobs) == (loaded.services, loaded.volumes, loaded.jobs)
    assert remembered.extensions["x-top"] == {"when": "2024-05-06T00:00:00Z", "list": [1, {"a": "b"}]}
