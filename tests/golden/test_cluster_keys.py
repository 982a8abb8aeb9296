"""Nothing is dropped in silence: every key of the schemas, with values that differ, on both targets.

A value has been seen when it changes what would be made, or when a refusal or a warning names its place. Two values that give the
same are values that nobody has read, unless they mean the same: those are listed here.
"""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from pycompose.compose.deploy.columns import columns, uses
from pycompose.compose.deploy.findings import Findings
from pycompose.compose.deploy.jobs import with_scheduled
from pycompose.compose.deploy.kubernetes import convert as kubernetes
from pycompose.compose.deploy.kubernetes.facts import Facts
from pycompose.compose.deploy.swarm import convert as swarm
from pycompose.compose.errors import LoadError
from pycompose.compose.load import load_project, schema
from pycompose.compose.model import LoadOptions

pytestmark = pytest.mark.timeout(400)

KINDS = ("swarm", "kubernetes")
INPUTS = Path(__file__).parent / "clusters"
VALUES: dict[str, list[Any]] = yaml.safe_load((INPUTS / "values.yaml").read_text())

BASE: dict[str, Any] = {
    "name": "shop",
    "services": {
        "web": {
            "image": "registry.example.com/web:1",
            "networks": {"front": {}},
            "configs": [{"source": "site"}],
            "secrets": [{"source": "key"}],
        },
        "db": {"image": "registry.example.com/db:1", "networks": {"front": {}}},
    },
    "jobs": {"tick": {"image": "registry.example.com/tick:1", "triggers": {"schedule": [{"cron": "0 3 * * *"}]}}},
    "networks": {"front": {}},
    "volumes": {"data": {}, "more": {}},
    "configs": {"site": {"content": "site"}, "second": {"content": "second"}},
    "secrets": {"key": {"environment": "PASSWORD"}, "second": {"file": "./site.conf"}},
    "models": {"llm": {"model": "small"}},
}
NAMES = {
    "configs": "site",
    "depends_on": "db",
    "jobs": "tick",
    "models": "llm",
    "networks": "front",
    "secrets": "key",
    "services": "web",
    "ulimits": "nofile",
    "volumes": "data",
}
"""What stands for the ``*`` after a word."""

AROUND: dict[str, Any] = {
    "networks.*.ipam.config": [{"subnet": "10.9.0.0/24"}],
    "services.*.blkio_config.device_read_bps": [{"path": "/dev/a", "rate": 1}],
    "services.*.blkio_config.device_read_iops": [{"path": "/dev/a", "rate": 1}],
    "services.*.blkio_config.device_write_bps": [{"path": "/dev/a", "rate": 1}],
    "services.*.blkio_config.device_write_iops": [{"path": "/dev/a", "rate": 1}],
    "services.*.blkio_config.weight_device": [{"path": "/dev/a", "weight": 20}],
    "services.*.depends_on": {"db": {"condition": "service_started"}},
    "services.*.deploy.placement.preferences": [{"spread": "node.labels.rack"}],
    "services.*.deploy.resources.reservations.devices": [{"capabilities": ["gpu"]}],
    "services.*.deploy.resources.reservations.generic_resources": [
        {"discrete_resource_spec": {"kind": "SSD", "value": 1}}
    ],
    "services.*.develop.watch": [{"path": ".", "action": "sync", "target": "/a"}],
    "services.*.devices": [{"source": "/dev/a", "target": "/dev/a"}],
    "services.*.gpus": [{}],
    "services.*.healthcheck": {"test": ["CMD", "true"], "start_period": "20s"},
    "services.*.healthcheck.x-http": {"port": 80},
    "services.*.healthcheck.x-tcp": {"port": 80},
    "services.*.models": {"llm": {}},
    "services.*.ports": [{"target": 80}],
    "services.*.post_start": [{"command": ["a"]}],
    "services.*.pre_start": [{"command": ["a"]}],
    "services.*.pre_stop": [{"command": ["a"]}],
    "services.*.provider": {"type": "there"},
    "services.*.ulimits": {"nofile": {"soft": 1, "hard": 2}},
    "services.*.volumes": [{"type": "volume", "source": "data", "target": "/data"}],
}
"""What has to stand around a key for it to be allowed."""

MOUNTS: dict[str, Any] = {
    "services.*.volumes.bind": {"type": "bind", "source": "./tree", "target": "/tree", "read_only": True},
    "services.*.volumes.image": {"type": "image", "source": "alpine", "target": "/image"},
    "services.*.volumes.tmpfs": {"type": "tmpfs", "target": "/tmpfs"},
}
CONTENTS = frozenset(
    f"{noun}.*.{word}" for noun in ("configs", "secrets") for word in ("content", "environment", "external", "file")
)
"""Of these a file of a project has one."""

ELSEWHERE = (
    "services.*.build",
    "services.*.env_file",
    "services.*.extends",
    "services.*.label_file",
    "services.*.profiles",
)
"""What reading and building are made of: `deploy` sees what became of it."""


class Outcome(NamedTuple):
    """What becomes of a file: the objects as text, and the places of what is refused or ignored."""

    objects: str
    told: frozenset[tuple[str, ...]]


QUIET = frozenset(
    {
        "services.*.expose",  # on Swarm
        "services.*.ports.app_protocol",
        "services.*.ports.name",
        "services.*.volumes.bind.selinux",
        "services.*.volumes.consistency",
        "networks.*.ipam.options",  # told where the file is read
        "jobs.*.triggers.manual",  # asked by `run`
    }
)
"""What is for documentation, or what others than `deploy` ask for."""

AS_BEFORE: dict[str, list[Any]] = {
    "jobs.*.triggers.schedule.concurrency": ["forbid", "queue"],  # the table says how both are carried out
    "jobs.*.triggers.schedule.missed_fires": ["one"],
    "networks.*.driver": ["overlay"],
    "services.*.depends_on.*.required": [True],
    "services.*.deploy.endpoint_mode": ["vip", "dnsrr"],  # without a port a name always stands for the pods
    "services.*.deploy.mode": ["replicated"],
    "services.*.deploy.placement.constraints": [["node.role == worker"], ["engine.labels.zone == a"]],
    "services.*.deploy.restart_policy.condition": ["any"],
    "services.*.deploy.rollback_config.failure_action": ["pause"],
    "services.*.deploy.rollback_config.order": ["start-first"],
    "services.*.deploy.update_config.failure_action": ["rollback"],
    "services.*.deploy.update_config.monitor": ["0s", "500ms"],
    "services.*.deploy.update_config.order": ["start-first"],
    "services.*.deploy.update_config.parallelism": [0, 1],  # all at once, of one
    "services.*.dns_search": [["a"], ["b"]],
    "services.*.healthcheck": [{"test": ["NONE"]}, {"disable": True}],
    "services.*.healthcheck.interval": ["1500ms", "0s"],  # probes have whole seconds
    "services.*.healthcheck.start_interval": ["0s"],
    "services.*.healthcheck.start_period": ["0s"],
    "services.*.healthcheck.test": [["NONE"]],
    "services.*.healthcheck.timeout": ["1500ms", "0s"],
    "services.*.ipc": ["shareable"],
    "services.*.ports.host_ip": ["0.0.0.0"],
    "services.*.ports.mode": ["ingress"],
    "services.*.ports.protocol": ["tcp"],
    "services.*.pre_start.environment": [["b"]],
    "services.*.restart": ["always", "unless-stopped"],
    "services.*.stop_grace_period": ["500ms"],
    "services.*.tmpfs": [["/a:noexec"]],
    "services.*.volumes": [["data:/a:nocopy"]],
    "services.*.volumes.bind.create_host_path": [True],
    "services.*.volumes.volume.nocopy": [True],
    "volumes.*.driver": ["local"],
}
"""Values that may mean the same as nothing, or as the one before."""


def keys() -> dict[str, tuple[Any, str]]:
    """Every key below the name of something: its node in the schemas, and the file that this stands in."""
    found: dict[str, tuple[Any, str]] = {}

    def walk(node: Any, home: str, path: tuple[str, ...], depth: int) -> None:
        if depth > 24:
            return
        if "$ref" in node:
            target, file = schema.follow(node["$ref"], home)
            walk(target, file, path, depth + 1)
        for key, below in node.get("properties", {}).items():
            found.setdefault(".".join((*path, key)), (below, home))
            walk(below, home, (*path, key), depth + 1)
        for pattern, below in node.get("patternProperties", {}).items():
            if pattern != "^x-":
                walk(below, home, (*path, "*"), depth + 1)
        for below in (*node.get("oneOf", ()), *([node["items"]] if "items" in node else ())):
            walk(below, home, path, depth + 1)

    walk(schema.document("compose.json"), "compose.json", (), 0)
    return {key: found[key] for key in columns() if ".*." in key and not key.startswith(ELSEWHERE) and key not in QUIET}


def values(node: Any, home: str) -> list[Any]:
    """Some that the schema allows; none for what only holds further keys."""
    if "$ref" in node:
        node, home = schema.follow(node["$ref"], home)
    if "enum" in node:
        return list(node["enum"])
    if "oneOf" in node:
        return [value for one in node["oneOf"] for value in values(one, home)]
    kinds = node.get("type", "object")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "boolean" in kinds:
        return [True]
    if "integer" in kinds or "number" in kinds:
        return [node.get("minimum", 1) + 1, node.get("minimum", 1) + 2]
    if "string" in kinds:
        return ["a", "b"]
    if "array" in kinds:
        return [[one] for one in values(node.get("items", {"type": "string"}), home)]
    return [{"a": "1"}, {"a": "2"}] if node.get("patternProperties", {}).keys() - {"^x-"} else []


def named(key: str) -> list[str]:
    """The key's words, with a name for each ``*``."""
    parts = key.split(".")
    return [NAMES[parts[index - 1]] if part == "*" else part for index, part in enumerate(parts)]


def document(key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A file with all that the key needs around it and not the key itself, and the mapping in it where the key would stand."""
    top: dict[str, Any] = copy.deepcopy(BASE)
    web = top["services"]["web"]
    for start, mount in MOUNTS.items():
        if f"{key}.".startswith(f"{start}."):
            web["volumes"] = [copy.deepcopy(mount)]
    # What nobody uses is not made.
    if key.startswith("models."):
        web["models"] = ["llm"]
    if key.startswith("volumes."):
        web["volumes"] = ["data:/data"]
    if key.startswith("services.*.healthcheck.x-"):
        web["healthcheck"] = {}
    if key == "services.*.network_mode":
        del web["networks"]
    tree: Any = top
    *above, last = named(key)
    for index, word in enumerate(above):
        tree = tree[0] if isinstance(tree, list) else tree
        if tree.get(word) is None:
            tree[word] = copy.deepcopy(AROUND.get(".".join(key.split(".")[: index + 1]), {}))
        tree = tree[word]
    tree = tree[0] if isinstance(tree, list) else tree
    tree.pop(last, None)
    return top, tree


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    shutil.copytree(INPUTS / "tree", tmp_path / "tree")
    shutil.copy(INPUTS / "site.conf", tmp_path)
    return tmp_path


def outcome(tree: dict[str, Any], directory: Path, kind: str) -> Outcome | None:
    """None for a file that cannot be read, which is told with its place."""
    path = directory / "compose.yaml"
    path.write_text(json.dumps(tree))
    options = LoadOptions(files=(str(path),), environment={"PASSWORD": "hidden"}, cwd=directory)
    try:
        project = with_scheduled(load_project(options, cached=False))
    except LoadError as error:
        assert all(one.mark is not None for one in error.diagnostics), str(error)
        return None
    findings = Findings(project)
    for place, _, reason in uses(project, kind):
        findings.ignore(place, reason)
    if kind == "swarm":
        objects = swarm.convert(project, {}, findings)
        gates = [swarm.gates(project, name) for name in project.services]
    else:
        objects = kubernetes.convert(project, Facts("shop"), findings)
        running = {one.service: one.key for one in objects if one.service}
        gates = [kubernetes.gates(project, name, running) for name in project.services]
    told = [*findings.refused, *findings.ignored]
    assert all(one.mark is not None for one in told), told
    bodies = [(one.key, one.wait, one.needs, one.body) for one in objects]
    places = frozenset(tuple(word for word in one.path if isinstance(word, str)) for one in told)
    return Outcome(json.dumps([bodies, gates], sort_keys=True), places)


def is_told(key: str, found: Outcome) -> bool:
    """Whether a refusal or a warning stands at the key, around it or within."""
    words = named(key)
    return any(len(place) > 2 and all(a == b for a, b in zip(place, words, strict=False)) for place in found.told)


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_is_dropped_in_silence(kind: str, directory: Path) -> None:
    silent: list[str] = []
    untried: list[str] = []
    for key, (node, home) in keys().items():
        tree, place = document(key)
        seen: dict[str, object] = {}
        before = outcome(tree, directory, kind)
        if before is not None:
            seen[before.objects] = None
        tried = VALUES.get(key) or values(node, home)
        were_read = []
        for value in tried:
            place.clear() if key in CONTENTS else None
            place[key.rpartition(".")[2]] = value
            found = outcome(tree, directory, kind)
            were_read.append(found is not None)
            if found is None or is_told(key, found):
                continue
            if found.objects in seen and value not in AS_BEFORE.get(key, ()):
                silent.append(f"{key}: {json.dumps(value)} is as {json.dumps(seen[found.objects])}")
            seen[found.objects] = value
        if tried and not any(were_read):
            untried.append(key)
    assert not untried, "\n".join(untried)
    assert not silent, "\n".join(silent)
