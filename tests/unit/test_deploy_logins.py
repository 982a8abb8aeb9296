"""Logins of this machine as the Secrets that pods pull with: which there are, what is in them, and where they never show."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest
from support.composing import make_project
from support.registry import available, registry

from pycompose.compose.deploy.findings import Findings
from pycompose.compose.deploy.kubernetes.convert import convert
from pycompose.compose.deploy.kubernetes.facts import Facts, Login
from pycompose.compose.deploy.kubernetes.logins import look_up_logins
from pycompose.compose.deploy.kubernetes.observe import comparable, propose
from pycompose.compose.deploy.objects import Cluster, Found
from pycompose.compose.deploy.plan import Options, Rules, plan_deployment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pycompose.compose.deploy.kubernetes.bodies.meta import Object
    from pycompose.compose.deploy.kubernetes.client import Kube
    from pycompose.compose.deploy.objects import Wanted

SERVICES = {
    "a": {"image": "r.example.com:5000/team/a:1"},
    "b": {"image": "r.example.com:5000/team/b:1"},
    "c": {"image": "redis"},
    "d": {"image": "open.example.com/d"},
}
IMAGES = {name: tree["image"] for name, tree in SERVICES.items()}


def configure(monkeypatch: pytest.MonkeyPatch, directory: Path, tree: Mapping[str, object]) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps(tree))
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))


def pair(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def objects(logins: Mapping[str, Login]) -> dict[str, Wanted]:
    project = make_project(SERVICES)
    found = convert(project, Facts("demo", IMAGES, logins=logins), Findings(project))
    return {one.key: one for one in found}


def held(one: Wanted) -> dict[str, object]:
    """What the server would tell of the object."""
    return comparable(one.kind, cast("Object", one.body))


def pulling(one: Wanted) -> Any:
    body: Any = one.body
    return body["spec"]["template"]["spec"].get("imagePullSecrets")


def test_each_registry_that_has_a_login_has_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    auths = {
        "https://index.docker.io/v1/": pair("me", "hub:word"),
        "r.example.com:5000": pair("team", "hidden"),
        "unused.example.com": pair("x", "y"),
    }
    configure(monkeypatch, tmp_path, {"auths": auths})
    made = objects(look_up_logins(IMAGES.values()))
    secrets = {key: one for key, one in made.items() if one.kind == "Secret"}
    assert list(secrets) == ["Secret pull-r-example-com-5000", "Secret pull-docker-io"]
    body: Any = secrets["Secret pull-docker-io"].body
    assert body["type"] == "kubernetes.io/dockerconfigjson"
    content = json.loads(base64.b64decode(body["data"][".dockerconfigjson"]))
    assert content["auths"]["https://index.docker.io/v1/"] == {
        "username": "me",
        "password": "hub:word",
        **pair("me", "hub:word"),
    }
    assert secrets["Secret pull-r-example-com-5000"].path == ("services", "a", "image")
    for name in "ab":
        assert pulling(made[f"Deployment {name}"]) == [{"name": "pull-r-example-com-5000"}]
    assert pulling(made["Deployment c"]) == [{"name": "pull-docker-io"}]
    assert pulling(made["Deployment d"]) is None
    assert set(secrets) <= set(made["Deployment a"].needs)  # it is there before a node asks for it


def test_a_new_password_is_a_change_of_the_secret_and_of_no_pod(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(monkeypatch, tmp_path, {"auths": {"r.example.com:5000": pair("team", "before")}})
    before = objects(look_up_logins(IMAGES.values()))
    configure(monkeypatch, tmp_path, {"auths": {"r.example.com:5000": pair("team", "hidden-after")}})
    after = objects(look_up_logins(IMAGES.values()))
    there = {key: Found(one.kind, one.name, "u", 1, held(one), one.service) for key, one in before.items()}
    proposed = {key: held(one) for key, one in after.items()}
    project = make_project(SERVICES)
    rules = Rules(proposed, {})
    plan = plan_deployment(project, list(after.values()), Cluster(there), {}, rules, Options(wait=False))
    (change,) = plan.operations
    assert "Secret pull-r-example-com-5000" in change.key
    assert "hidden" not in plan.text()
    assert "hidden" not in repr(look_up_logins(IMAGES.values()))


def test_who_has_no_login_leaves_the_one_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configure(monkeypatch, tmp_path, {"auths": {"r.example.com:5000": pair("team", "hidden")}})
    before = objects(look_up_logins(IMAGES.values()))
    there = {key: Found(one.kind, one.name, "u", 1, held(one), one.service) for key, one in before.items()}
    configure(monkeypatch, tmp_path, {})
    after = objects(look_up_logins(IMAGES.values(), there.values()))
    assert pulling(after["Deployment a"]) == [{"name": "pull-r-example-com-5000"}]
    secret = after["Secret pull-r-example-com-5000"]
    # The server would refuse a Secret of that type without its key, even in a dry run: nobody is asked.
    asked = propose(cast("Kube", None), [secret], there, force=False)
    proposed = {key: held(one) for key, one in after.items()} | asked
    project = make_project(SERVICES)
    plan = plan_deployment(project, list(after.values()), Cluster(there), {}, Rules(proposed, {}), Options(wait=False))
    assert plan.empty


@pytest.mark.parametrize(
    "tree",
    [
        {"auths": {"r.example.com:5000": {"identitytoken": "t"}}},  # nodes can do nothing with a token
        {"credHelpers": {"r.example.com:5000": "is-not-installed"}},
        {"auths": {"r.example.com:5000": {"auth": "%%%"}}},
    ],
)
def test_what_nodes_cannot_use_is_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tree: Mapping[str, object]
) -> None:
    configure(monkeypatch, tmp_path, tree)
    assert look_up_logins(IMAGES.values()) == {}


@pytest.mark.skipif(not available() or shutil.which("skopeo") is None, reason="no docker-registry or no skopeo")
def test_a_real_registry_lets_in_who_has_the_content(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def look(authfile: Path) -> subprocess.CompletedProcess[str]:
        command = ["skopeo", "list-tags", "--tls-verify=false", f"--authfile={authfile}", f"docker://{host}/x"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}  # else it looks for others' files as well
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    with registry(tmp_path / "registry", user=("me", "pass:w$rd")) as host:
        configure(monkeypatch, tmp_path / "docker", {"auths": {host: pair("me", "pass:w$rd")}})
        login = look_up_logins([f"{host}/x:1"])[host]
        (tmp_path / "held.json").write_bytes(login.content)
        (tmp_path / "empty.json").write_text('{"auths": {}}')
        assert "authentication required" in look(tmp_path / "empty.json").stderr
        assert "404" in look(tmp_path / "held.json").stderr  # let in, and nothing is there yet
