"""What is said about volumes that are in use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...client import Engine


def warn_of_users(engine: Engine, volume: str) -> None:
    """Say on stderr which running containers may write while the volume is read."""
    found = engine.containers.list({"volume": [volume], "status": ["running"]})
    names = sorted(one["Names"][0].removeprefix("/") for one in found)
    if names:
        print(
            f"WARNING: {volume} is in use by {', '.join(names)}: what is written meanwhile may be there in part;"
            " stop or pause them for a copy of one moment",
            file=sys.stderr,
        )
