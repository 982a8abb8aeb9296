"""Logins of registries as Secrets that pods pull their images with: one for each registry, from Docker's configuration file.

The name stands for the registry and not for the password: a new password changes no pod. What the password is cannot be told from an
object that is there (a plan sees no content of secrets), so its digits stand beside it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, cast

from ...credentials.lookup import DOCKER_HUB, login_of, registry_of
from ...errors import OperationError
from ..objects import Wanted
from .container import image_of
from .facts import Login
from .names import LONGEST, dns_name, own_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...model import Project
    from ..objects import Found
    from .bodies import pods
    from .bodies.meta import Metadata, Object
    from .bodies.storage import Files
    from .facts import Facts

REGISTRY, LOGIN = "io.pycompose/registry", "io.pycompose/login"
TYPE, KEY = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"


def look_up_logins(images: Iterable[str], there: Iterable[Found] = ()) -> dict[str, Login]:
    """By host, for the registries of ``images``: this machine's logins, and those that the project's earlier deployments have left."""
    found = {}
    left = dict(_left(there))
    for host in dict.fromkeys(map(registry_of, images)):
        pair = None
        with contextlib.suppress(OperationError):  # told already, when the digest was looked up
            pair = login_of(host)
        if pair is not None:
            found[host] = _login(host, *pair)
        elif host in left:
            found[host] = Login(left[host])
    return found


def _login(host: str, user: str, password: str) -> Login:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    content = json.dumps({"auths": {host: {"username": user, "password": password, "auth": auth}}}).encode()
    return Login(hashlib.sha256(content).hexdigest()[:16], content)


def _left(there: Iterable[Found]) -> Iterable[tuple[str, str]]:
    for one in there:
        notes = cast("Object", one.body)["metadata"].get("annotations", {}) if one.kind == "Secret" else {}
        if REGISTRY in notes:
            yield notes[REGISTRY], notes.get(LOGIN, "")


def secret_name(host: str) -> str:
    shown = "docker-io" if host == DOCKER_HUB else dns_name(host)
    return f"pull-{shown}"[:LONGEST].rstrip("-")


def pull_secrets(image: str, facts: Facts) -> list[pods.Reference]:
    """What a pod with ``image`` names."""
    host = registry_of(image)
    return [{"name": secret_name(host)}] if host in facts.logins else []


def login_objects(project: Project, facts: Facts) -> list[Wanted]:
    """The Secret of each registry that has a login, told with the first service whose image comes from there."""
    first: dict[str, str] = {}
    for name in project.services:
        first.setdefault(registry_of(image_of(project, name, facts)), name)
    return [_object(project, facts, host, name) for host, name in first.items() if host in facts.logins]


def _object(project: Project, facts: Facts, host: str, service: str) -> Wanted:
    login = facts.logins[host]
    metadata: Metadata = {
        "name": secret_name(host),
        "namespace": facts.namespace,
        "labels": own_labels(project.name, facts.namespace),
        "annotations": {REGISTRY: host, LOGIN: login.digits},
    }
    body: Files = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TYPE}
    if login.content:
        body["data"] = {KEY: base64.b64encode(login.content).decode()}
    return Wanted("Secret", metadata["name"], body, ("services", service, "image"))
