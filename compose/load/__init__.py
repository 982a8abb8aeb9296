"""From Compose files to a `Project`: a tuple of named pure phases over trees of marked nodes (see pipeline.py)."""

from __future__ import annotations

from .pipeline import load_model, load_project
from .services import with_services

__all__ = ["load_model", "load_project", "with_services"]
