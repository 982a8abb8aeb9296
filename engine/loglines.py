"""One line of the engine's log, as ``key=value`` or JSON. Engine, keeper and shims write it; the last two load no `logging`."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS = ("text", "json")

_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f]+")


def moment(seconds: float) -> str:
    """A time since the epoch, to the millisecond."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03d}Z"


def written(line: Mapping[str, str], form: str) -> str:
    """The line of these fields, without its end."""
    if form == "json":
        return json.dumps(line)
    return " ".join(f"{key}={value if _PLAIN.fullmatch(value) else json.dumps(value)}" for key, value in line.items())
