"""Projects as Swarm's specs, a stack file, and Kubernetes' manifests: every attribute that a target carries out, compared as text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from pycompose.compose.deploy.columns import columns, uses
from pycompose.compose.deploy.findings import Findings
from pycompose.compose.deploy.images import by_tag
from pycompose.compose.deploy.jobs import with_scheduled
from pycompose.compose.deploy.kubernetes.convert import convert as to_kubernetes
from pycompose.compose.deploy.kubernetes.facts import WRITTEN_FOR, Facts
from pycompose.compose.deploy.kubernetes.manifests import write_manifests
from pycompose.compose.deploy.swarm.convert import convert as to_swarm
from pycompose.compose.deploy.swarm.observe import comparable
from pycompose.compose.deploy.swarm.stackfile import escaped, write_stack
from pycompose.compose.deploy.swarm.versions import check as check_versions
from pycompose.compose.load import load_project
from pycompose.compose.model import LoadOptions

if TYPE_CHECKING:
    from pycompose.compose.client.bodies.swarm import Mount
    from pycompose.compose.model import Project

HERE = Path(__file__).parent
INPUTS = HERE / "clusters"
DATA = HERE / "data" / "clusters"
KINDS = ("swarm", "kubernetes")
FILES = [("common", kind) for kind in KINDS] + [(kind, kind) for kind in KINDS]


def load(name: str) -> Project:
    environment = {"PASSWORD": "hidden$word"}
    # What is remembered has no extensions.
    options = LoadOptions(files=(str(INPUTS / f"{name}.yaml"),), environment=environment, cwd=INPUTS)
    return load_project(options, cached=False)


def compare(path: Path, text: str, update: bool) -> None:
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def swarm_objects(name: str) -> list[Any]:
    project = load(name)
    findings = Findings(project)
    wanted = to_swarm(project, by_tag(project, ""), findings, allow_binds=True)
    assert [str(one) for one in findings.refused] == []
    return wanted


@pytest.mark.parametrize("name", ["common", "swarm"])
def test_swarm_specs(name: str, update_golden: bool) -> None:
    trees = [
        {"kind": one.kind, "name": one.name, "wait": one.wait, "needs": one.needs, "body": one.body}
        for one in swarm_objects(name)
    ]
    compare(DATA / f"{name}.swarm.json", json.dumps(trees, indent=1) + "\n", update_golden)


def test_stack_file(update_golden: bool) -> None:
    written: dict[str, bytes] = {}
    (DATA).mkdir(parents=True, exist_ok=True)
    project = load("stack")
    findings = Findings(project)
    write_stack(project, to_swarm(project, by_tag(project, ""), findings), written.__setitem__)
    assert findings.refused == []
    assert written["secrets/password"] == b"hidden$word"  # files are not interpolated
    compare(DATA / "stack.yaml", written["stack.yaml"].decode(), update_golden)


def test_what_an_older_manager_does_not_know_is_refused() -> None:
    project = load("common")
    wanted = to_swarm(project, {}, Findings(project), allow_binds=True)
    for api, paths in (
        ((1, 41), {"healthcheck.start_interval", "security_opt", "volumes"}),
        ((1, 44), {"volumes"}),
        ((1, 45), set()),
    ):
        findings = Findings(project)
        check_versions(wanted, api, findings)
        assert {".".join(map(str, one.path[2:])) for one in findings.refused} == paths
        assert all(one.mark is not None for one in findings.refused)


def test_every_dollar_of_a_stack_file_is_doubled() -> None:
    assert escaped({"a": ["$x", 1, {"b": "$$"}]}) == {"a": ["$$x", 1, {"b": "$$$$"}]}


@pytest.mark.parametrize("name", ["common", "kubernetes"])
def test_manifests(name: str, update_golden: bool) -> None:
    text = "".join(f"# {file}\n{content}" for file, content in sorted(manifests(name).items()))
    compare(DATA / f"{name}.kubernetes.yaml", text, update_golden)


def manifests(name: str, minor: int = WRITTEN_FOR) -> dict[str, str]:
    project = with_scheduled(load(name))
    findings = Findings(project)
    facts = Facts("shop", by_tag(project, ""), minor=minor)
    written: dict[str, bytes] = {}
    write_manifests(project, to_kubernetes(project, facts, findings), written.__setitem__)
    assert [str(one) for one in findings.refused] == []
    return {file: content.decode() for file, content in written.items()}


@pytest.mark.parametrize("minor", [25, 31, 37])
def test_manifests_are_valid_by_the_published_schemas(minor: int) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for name in ("common", "kubernetes"):
        for text in manifests(name, minor).values():
            for tree in yaml.safe_load_all(text):
                validate.validate(tree, f"1.{minor}", strict=True)


def test_an_older_server_gets_the_cron_jobs_that_it_knows() -> None:
    project = with_scheduled(load("kubernetes"))
    findings = Findings(project)
    objects = to_kubernetes(project, Facts("shop", minor=20), findings)
    assert {one.body["apiVersion"] for one in objects if one.kind == "CronJob"} == {"batch/v1beta1"}
    (refused,) = findings.refused  # a zone that its schedules cannot name
    assert re.search(r"kubernetes.yaml:\d+:\d+: .*timezone", str(refused))


def test_a_kubelet_that_can_wait_waits_by_itself() -> None:
    for minor, handler in ((29, "exec"), (30, "sleep")):
        trees = [tree for text in manifests("common", minor).values() for tree in yaml.safe_load_all(text)]
        (web,) = [tree for tree in trees if tree["kind"] == "Deployment" and tree["metadata"]["name"] == "web"]
        (container,) = web["spec"]["template"]["spec"]["containers"]
        assert set(container["lifecycle"]["preStop"]) == {handler}


@pytest.mark.parametrize(("name", "kind"), FILES)
def test_the_files_hold_nothing_that_their_target_refuses(name: str, kind: str) -> None:
    assert [path for path, status, _ in uses(load(name), kind) if status == "refused"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_that_is_supported_occurs_in_a_golden_file(kind: str) -> None:
    words = {
        word
        for name, one in FILES
        if one == kind
        for word in re.findall(r"[\w-]+", (INPUTS / f"{name}.yaml").read_text())
    }
    elsewhere = re.compile(r"services\.\*\.(build|env_file|extends|label_file|profiles)\b|include|version|name")
    leaves = {
        key: key.removesuffix(".*").rpartition(".")[2]
        for key, column in columns().items()
        if column[kind].status == "supported" and not elsewhere.match(key)
    }
    del leaves["services.*.volumes.bind.propagation"]  # for binds that a flag allows: see below
    assert [key for key, leaf in leaves.items() if leaf not in words] == []


def test_binds_that_are_allowed_are_paths_of_the_nodes() -> None:
    project = load("swarm")
    findings = Findings(project)
    objects = to_kubernetes(project, Facts("shop", allow_binds=True), findings)
    (body,) = [one.body for one in objects if one.key == "DaemonSet web"]
    spec = cast("Any", body["spec"])["template"]["spec"]
    (name,) = [one["name"] for one in spec["volumes"] if one.get("hostPath")]
    (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == name]
    assert mount["mountPropagation"] == "HostToContainer"


def test_what_a_manager_forgets_of_a_bind_mount_is_no_change() -> None:
    """dockerd 28 keeps no CreateMountpoint: the second deployment would update the service, and each one after it."""
    sent: Mount = {"Type": "bind", "Source": "/a", "Target": "/b", "BindOptions": {"CreateMountpoint": True}}
    back: Mount = {"Type": "bind", "Source": "/a", "Target": "/b"}
    assert comparable({"Mounts": [sent]}) == comparable({"Mounts": [back]})
    assert comparable({"Mounts": [{**sent, "BindOptions": {"NonRecursive": True}}]}) != comparable({"Mounts": [back]})


@pytest.mark.parametrize("kind", KINDS)
def test_binds_are_refused_with_their_place(kind: str) -> None:
    project = load("swarm")
    findings = Findings(project)
    if kind == "swarm":
        to_swarm(project, {}, findings)
    else:
        to_kubernetes(project, Facts("shop"), findings)
    assert any(
        re.search(r"swarm.yaml:\d+:\d+: services.web.volumes\[2\]: /srv is a path", str(one)) or "/srv:" in str(one)
        for one in findings.refused
    )
