"""One request to an engine, and what the calls of each noun need of a client: requests and answers, no connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias, TypeVar

    from .answers import Shape
    from .endpoint import Endpoint
    from .http import Query, Response

    T = TypeVar("T")
    Body: TypeAlias = "Mapping[str, object] | Sequence[object] | bytes | Iterable[bytes] | None"

TAR = {"Content-Type": "application/x-tar"}
UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
"""Headers of a body that is an archive, and of an exchange whose connection is had raw after the answer's head."""

ANSWER_TIMEOUT = 600.0
"""Seconds an ordinary call may take. Long ones (stop, wait, streams) say their own."""


@dataclass(frozen=True, slots=True)
class Request:
    """``body`` is a JSON value, bytes, or an iterable of bytes; ``timeout`` is in seconds, None for ever. Without ``versioned`` the
    path is sent as it is: what is our own engine's has no version."""

    method: str
    path: str
    query: Query | None = None
    body: Body = None
    headers: Mapping[str, str] | None = None
    timeout: float | None = ANSWER_TIMEOUT
    versioned: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Caller(Protocol):
    """`Engine` is one. What each method does is said there."""

    endpoint: Endpoint

    @property
    def is_pycompose(self) -> bool: ...

    def send(self, request: Request) -> Response: ...

    def call(self, request: Request) -> None: ...

    def ask(self, request: Request, shape: Shape[T]) -> T: ...

    def stream(self, request: Request) -> Response: ...

    def lines(self, request: Request, shape: Shape[T]) -> Iterator[T]: ...
