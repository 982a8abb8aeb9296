"""Who may do little on a real Kubernetes: every right that is missing in a line of its own, and nothing more asked for than is needed."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cluster.conftest import remove_namespace

if TYPE_CHECKING:
    from cluster.conftest import Lab

NAME = "pycompose-test"
GROUPS = ["", "apps", "batch", "networking.k8s.io"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

STACK = """
services:
  web:
    image: "@IMAGE@"
    command: [sleep, "100000"]
    stop_grace_period: 1s
    init: true
    secrets: [password]
secrets: {password: {environment: PASSWORD}}
"""


def limited(lab: Lab, directory: Path, rules: list[dict[str, Any]]) -> str:
    """A kubeconfig of somebody who has these rights in the project's namespace, which is there already, and no others."""
    from lightkube import Client, KubeConfig
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
    from lightkube.resources.core_v1 import Namespace, Secret, ServiceAccount
    from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding

    config = KubeConfig.from_file(lab.environment["KUBECONFIG"]).get()
    client = Client(config=config, field_manager="tests")
    meta = ObjectMeta(name="limited", namespace=NAME)
    client.apply(Namespace(metadata=ObjectMeta(name=NAME)))
    client.apply(ServiceAccount(metadata=meta))
    client.apply(Role(metadata=meta, rules=[PolicyRule(**one) for one in rules]), force=True)
    subject = Subject(kind="ServiceAccount", name="limited", namespace=NAME)
    role = RoleRef(apiGroup="rbac.authorization.k8s.io", kind="Role", name="limited")
    client.apply(RoleBinding(metadata=meta, roleRef=role, subjects=[subject]))
    annotations = {"kubernetes.io/service-account.name": "limited"}
    meta = ObjectMeta(name="limited", namespace=NAME, annotations=annotations)
    client.apply(Secret(metadata=meta, type="kubernetes.io/service-account-token"))
    end = time.monotonic() + 30
    for _, one in client.watch(Secret, namespace=NAME, fields={"metadata.name": "limited"}):
        if one.data and "token" in one.data:
            token = base64.b64decode(one.data["token"]).decode()
            break
        assert time.monotonic() < end
    client.close()
    tree = yaml.safe_load(Path(lab.environment["KUBECONFIG"]).read_text())
    tree["users"] = [{"name": tree["users"][0]["name"], "user": {"token": token}}]
    path = directory / "limited.yaml"
    path.write_text(yaml.safe_dump(tree))
    os.chmod(path, 0o600)
    return str(path)


def test_each_right_that_is_missing_is_told(kubernetes: Lab, tmp_path: Path) -> None:
    kubernetes.write(STACK)
    some = [{"apiGroups": GROUPS, "resources": ["configmaps", "services", "jobs", "cronjobs"], "verbs": ["*"]}]
    config = limited(kubernetes, tmp_path, some)
    try:
        done = kubernetes.run("deploy", code=1, KUBECONFIG=config, PASSWORD="hidden")
        lines = [line for line in done.stderr.splitlines() if "is forbidden" in line]
        missing = ("deployments", "daemonsets", "networkpolicies", "secrets", "persistentvolumeclaims")
        assert len(lines) == len(missing), done.stderr
        for resource, line in zip(missing, lines, strict=True):
            assert f'cannot list resource "{resource}"' in line
        assert "Traceback" not in done.stderr
        assert "hidden" not in done.stderr + done.stdout

        reading = [{"apiGroups": GROUPS, "resources": ["*"], "verbs": ["get", "list", "watch"]}]
        config = limited(kubernetes, tmp_path, reading)
        done = kubernetes.run("deploy", code=1, KUBECONFIG=config, PASSWORD="hidden")
        assert 'cannot patch resource "configmaps"' in done.stderr
        assert "Traceback" not in done.stderr

        config = limited(kubernetes, tmp_path, [{"apiGroups": GROUPS, "resources": ["*"], "verbs": ["*"]}])
        kubernetes.run("deploy", "--detach", KUBECONFIG=config, PASSWORD="hidden")
        assert "nothing to do" in kubernetes.run("deploy", "--detach", KUBECONFIG=config, PASSWORD="hidden").stdout
        kubernetes.run("down", "-v", KUBECONFIG=config)
        assert kubernetes.objects() == {}
    finally:
        remove_namespace(kubernetes)
