"""Which handler a request goes to: a table of method and path pattern, with Docker's optional version prefix.

Patterns are literal segments and ``{name}`` placeholders; ``{name:path}`` also takes slashes (image names have them).
Handlers take (engine, request). The table is data; deciding is pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InvalidParameter, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .daemon import Daemon
    from .http import Request, Response

API_VERSION = (1, 55)
MIN_API_VERSION = (1, 24)

_VERSION = re.compile(r"/v(\d+)\.(\d+)(?=/)")
_PLACEHOLDER = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One row: ``method`` and ``pattern`` lead to ``handler``; HEAD is served where a row says so."""

    method: str
    pattern: str
    handler: Callable[[Daemon, Request], Awaitable[Response | None]]


class Router:
    def __init__(self, routes: Iterable[Route]) -> None:
        self._rows: dict[str, list[tuple[str, re.Pattern[str], Route]]] = {}
        for route in routes:
            first = route.pattern.split("/")[1]
            self._rows.setdefault(first, []).append((route.method, _compile(route.pattern), route))

    def match(self, request: Request) -> Route:
        """The row for a request; fills its ``params`` and ``version``. Raises NotFound, InvalidParameter."""
        path = request.path
        request.version = API_VERSION
        if prefix := _VERSION.match(path):
            request.version = (int(prefix[1]), int(prefix[2]))
            _check_version(request.version)
            path = path[prefix.end() :]
        for method, pattern, route in self._rows.get(path.split("/", 2)[1] if "/" in path else "", ()):
            if method == request.method and (match := pattern.fullmatch(path)):
                request.params = match.groupdict()
                return route
        raise NotFound("page not found")  # of a path with other methods as well: Docker's clients know no 405


def _compile(pattern: str) -> re.Pattern[str]:
    position = 0
    parts = []
    for match in _PLACEHOLDER.finditer(pattern):
        parts.append(re.escape(pattern[position : match.start()]))
        parts.append(f"(?P<{match[1]}>.+)" if match[2] else f"(?P<{match[1]}>[^/]+)")
        position = match.end()
    parts.append(re.escape(pattern[position:]))
    return re.compile("".join(parts) + "/?", re.DOTALL)


def _check_version(version: tuple[int, int]) -> None:
    def text(value: tuple[int, int]) -> str:
        return f"{value[0]}.{value[1]}"

    if version > API_VERSION:
        raise InvalidParameter(
            f"client version {text(version)} is too new. Maximum supported API version is {text(API_VERSION)}"
        )
    if version < MIN_API_VERSION:
        raise InvalidParameter(
            f"client version {text(version)} is too old. Minimum supported API version is {text(MIN_API_VERSION)}, "
            "please upgrade your client to a newer version"
        )
