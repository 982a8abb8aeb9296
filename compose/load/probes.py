"""What no schema says of a health check's probes (`x-http` and so on): one at a time, ports that exist, patterns that compile.

Works on a canonical tree, whose values may still be text where a variable stood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...grammar import patterns
from ..convert.healthcheck import PROBES
from .normalize import is_true
from .tree import Map

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import Path


def check(tree: Map, path: Path, report: Callable[[Path, str], None]) -> None:
    """Report what is wrong with a ``healthcheck`` at ``path``."""
    given = [key for key in PROBES if tree.get(key) is not None and not (key == "x-notify" and not is_true(tree[key]))]
    ways = [*given, *(["test"] if tree.get("test") else [])]
    if len(ways) > 1:
        report((*path, ways[0]), f"{' and '.join(ways)} exclude each other: a health check is made in one way")
        return
    for key in given:
        value = tree[key]
        if key == "x-http" or key == "x-tcp":
            port, at = (value.get("port"), ("port",)) if isinstance(value, Map) else (value, ())
            if not _is_port(port):
                report((*path, key, *at), f"must be a port of the container, 1 to 65535, not {port!r}")
        elif key == "x-log" and isinstance(value, Map):
            _log(value, (*path, key), report)


def _is_port(value: object) -> bool:
    text = str(value)
    return text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536


def _log(value: Map, path: Path, report: Callable[[Path, str], None]) -> None:
    if bool(value.get("line")) == bool(value.get("regex")):
        report(path, "needs either `line` or `regex`")
    elif value.get("regex"):
        try:
            patterns.compiled(str(value["regex"]))
        except ValueError as error:
            report((*path, "regex"), f"is no regular expression: {error}")
