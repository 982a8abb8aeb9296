"""Where fetched Compose files are kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_directory(environment: Mapping[str, str]) -> str:
    """Where fetched files live: below XDG_CACHE_HOME or ~/.cache, the user's alone."""
    base = environment.get("XDG_CACHE_HOME") or ""
    if not base.startswith("/"):
        base = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".cache")
    return os.path.join(base, "pycompose", "remote")
