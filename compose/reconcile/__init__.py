"""Desired against observed, decided: pure functions from a project and a snapshot to a plan.

``up`` and ``down`` are the two ends; images, resources (networks, volumes) and containers are the parts of ``up``.
"""

from __future__ import annotations

from .down import reconcile_down, stop_levels
from .options import DIVERGED, FORCE, NEVER, DownOptions, UpOptions
from .up import needs_image_stage, reconcile_up, selection

__all__ = [
    "DIVERGED",
    "FORCE",
    "NEVER",
    "DownOptions",
    "UpOptions",
    "needs_image_stage",
    "reconcile_down",
    "reconcile_up",
    "selection",
    "stop_levels",
]
