"""Volumes: named and anonymous directories that outlive containers."""

from __future__ import annotations

from .service import Volumes
from .types import ANONYMOUS, Volume

__all__ = ["ANONYMOUS", "Volume", "Volumes"]
