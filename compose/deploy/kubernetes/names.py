"""Names and labels of a project's objects. Kubernetes has DNS labels: lower case, no underscores, at most 63 characters."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...errors import Path
    from ..findings import Findings

LONGEST = 63
MANAGER = "pycompose"
PROJECT, SERVICE, KEY = "io.pycompose/project", "io.pycompose/service", "io.pycompose/key"
MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "applyset.kubernetes.io/part-of"
SET_ID = "applyset.kubernetes.io/id"
SET_TOOL = "applyset.kubernetes.io/tooling"
SET_KINDS = "applyset.kubernetes.io/contains-group-kinds"
ON_FAILURE, ROLLBACK = "io.pycompose/failure-action", "rollback"
"""What becomes of an update that fails: ``update_config.failure_action``, where it is not to be rolled back."""

NETWORK = "network.pycompose.io/"
"""The start of a pod's labels for its networks: whoever carries one is in the network, in whatever namespace."""

_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_ANNOTATION = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def dns_name(text: str) -> str:
    """``text`` in the form of a DNS label: what is no letter, digit or dash becomes a dash."""
    return re.sub(r"[^a-z0-9-]", "-", text.lower()).strip("-")


def checked_name(text: str, path: Path, findings: Findings) -> str:
    """The name for ``text``; one that has none is refused, one that changes is told."""
    name = dns_name(text)
    if len(name) > LONGEST:
        findings.refuse(path, f"{text} is {len(name)} characters long; Kubernetes takes at most {LONGEST}")
    elif not _LABEL.fullmatch(name):
        findings.refuse(path, f"{text} is no name for Kubernetes: letters, digits and dashes, a letter first")
    elif name != text:
        findings.ignore(path, f"{text} is called {name} on Kubernetes; others reach it by that name only")
    return name


def checked_annotations(values: Mapping[str, str] | None, path: Path, findings: Findings) -> dict[str, str]:
    """The labels of a Compose file as annotations, which may hold any text; a key that Kubernetes does not take is refused."""
    found: dict[str, str] = {}
    for key, value in (values or {}).items():
        if _ANNOTATION.fullmatch(key):
            found[key] = value
        else:
            findings.refuse((*path, key), f"{key!r} is no key for an annotation")
    return found


def set_id(project: str, namespace: str) -> str:
    """The id of the project's ApplySet (KEP-3659), whose parent is a ConfigMap."""
    digest = hashlib.sha256(f"{set_name(project)}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def set_name(project: str) -> str:
    return f"pycompose-{dns_name(project)}"[:LONGEST].rstrip("-")


def own_labels(project: str, namespace: str) -> dict[str, str]:
    """On every object of the project."""
    return {MANAGED_BY: MANAGER, PROJECT: project, PART_OF: set_id(project, namespace)}


def selector(project: str, service: str) -> dict[str, str]:
    """What the pods of a service are found by."""
    return {PROJECT: project, SERVICE: service}
