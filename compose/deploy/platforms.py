"""``platform`` on clusters: nodes say their system and architecture, and nothing of its variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .findings import Findings

_ONLY = {"amd64": "v1", "arm64": "v8"}
"""The variant that every node of an architecture is at least."""


def check_variant(name: str, platform: str, findings: Findings) -> None:
    """Tell of a variant that decides nothing: the image that is chosen by its digest has been built for it or not."""
    _, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    if variant and variant != _ONLY.get(architecture):
        words = f"variant {variant} has no effect: nodes are told apart by system and architecture only"
        findings.ignore(("services", name, "platform"), words)
