"""Validation of a merged tree against the JSON Schemas."""

from __future__ import annotations

from .tree import Map


def check(tree: Map, file: str) -> None:
    """Raise `LoadError` with everything in ``tree`` that the schema refuses."""
