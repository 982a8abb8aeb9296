"""What the calls of each noun need of a client: requests and answers, no connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .endpoint import Endpoint
    from .http import Response


class Caller(Protocol):
    """`Engine` is one. What each method does is said there."""

    endpoint: Endpoint

    @property
    def is_pycompose(self) -> bool: ...

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Response: ...

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = ...,
        versioned: bool = True,
        expect: str = "",
        fields: Mapping[str, str] | None = None,
    ) -> Any: ...

    def stream(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        versioned: bool = True,
    ) -> Response: ...

    def lines(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, **options: Any
    ) -> Iterator[dict[str, Any]]: ...
