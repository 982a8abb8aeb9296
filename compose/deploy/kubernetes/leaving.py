"""How long a pod goes on answering after it has been told to end, so that nobody's request is lost while pods are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..jobs import replicas
from .volumes import has_own_data

if TYPE_CHECKING:
    from ...model import Project
    from ...model.service import Service
    from .bodies import pods
    from .facts import Facts

BY_ADDRESS = 5
"""Seconds until every node's proxy sends its requests elsewhere."""

BY_NAME = 10
"""Seconds until nobody has the pod's address any more: the cluster's DNS gives it out for 5, and has to hear of the change first."""

SLEEPS_SINCE = 30
"""The minor version from which the kubelet itself can wait; before that an image without `sleep` loses the delay."""


def is_headless(tree: Service) -> bool:
    """Whether the service's name stands for the addresses of its pods: with no port known there is nothing a proxy could lead to."""
    deploy = tree.get("deploy") or {}
    return deploy.get("endpoint_mode") == "dnsrr" or not (tree.get("ports") or tree.get("expose"))


def leaving(project: Project, tree: Service) -> int:
    """Seconds for pods that are replaced while others serve; none where the service is away meanwhile anyhow. Services find each other
    by name whether they expose a port or not."""
    order = ((tree.get("deploy") or {}).get("update_config") or {}).get("order")
    is_away = (order == "stop-first" and replicas(tree) < 2) or (not order and has_own_data(project, tree))
    if tree.get("network_mode") or is_away:
        return 0
    return BY_NAME if is_headless(tree) else BY_ADDRESS


def handler(seconds: int, facts: Facts) -> pods.Handler:
    if facts.minor >= SLEEPS_SINCE:
        return {"sleep": {"seconds": seconds}}
    # One that fails does not keep a pod from ending.
    return {"exec": {"command": ["sleep", str(seconds)]}}
