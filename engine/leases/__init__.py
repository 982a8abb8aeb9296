"""Leases: stacks that are bound to an owner and go when it goes."""

from __future__ import annotations

from .record import Lease, Owner
from .service import Leases

__all__ = ["Lease", "Leases", "Owner"]
