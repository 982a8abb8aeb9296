"""Jobs: containers that run to completion, on request or on a schedule, each run recorded with its exit code and output."""

from __future__ import annotations

from .service import Jobs

__all__ = ["Jobs"]
