"""From Compose files to a `Project`: a tuple of named pure phases over trees of marked nodes (see pipeline.py)."""

from __future__ import annotations

from .pipeline import load_project

__all__ = ["load_project"]
