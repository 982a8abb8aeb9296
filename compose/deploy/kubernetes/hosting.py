"""A registry that a development cluster announces: the ConfigMap local-registry-hosting in kube-public (KEP-1755)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bodies.storage import Files

HOLDER, NAMESPACE = "local-registry-hosting", "kube-public"
_KEY = "localRegistryHosting.v1"


def registry_of(tree: Files) -> tuple[str, str]:
    """Where this machine pushes to, and what the nodes' runtimes call the same registry. Empty for none, or one that makes no sense."""
    import yaml

    text = tree.get("data", {}).get(_KEY)
    if not isinstance(text, str):
        return "", ""
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError:
        return "", ""
    host = said.get("host") if isinstance(said, dict) else None
    if not isinstance(host, str) or not host:
        return "", ""
    inside = said.get("hostFromContainerRuntime")
    return host, inside if isinstance(inside, str) and inside else host
