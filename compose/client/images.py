"""Calls of the Engine API on images, and our engine's own bootstrap and local build."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...grammar.references import split_version
from .answers import MAYBE_OBJECTS, OBJECT, OBJECTS
from .http import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .caller import Caller


Objects = list[dict[str, Any]]


class Images:
    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def list(self, filters: Mapping[str, Sequence[str]] | None = None, *, all: bool = False) -> Objects:
        query = {"all": all or None, "filters": json.dumps(filters) if filters else None}
        result: Objects = self._engine.call("GET", "/images/json", query, expect=OBJECTS)
        return result

    def inspect(self, ref: str) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call("GET", f"/images/{_path(ref)}/json", expect=OBJECT)
        return result

    def history(self, ref: str) -> Objects:
        result: Objects = self._engine.call("GET", f"/images/{_path(ref)}/history", expect=OBJECTS)
        return result

    def tag(self, ref: str, new: str) -> None:
        repository, tag = split_version(new)
        self._engine.call("POST", f"/images/{_path(ref)}/tag", {"repo": repository, "tag": tag})

    def remove(self, ref: str, *, force: bool = False, no_prune: bool = False) -> Objects:
        query = {"force": force or None, "noprune": no_prune or None}
        return self._engine.call("DELETE", f"/images/{_path(ref)}", query, expect=MAYBE_OBJECTS) or []

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = self._engine.call(
            "POST", "/images/prune", {"filters": json.dumps(filters or {})}, expect=OBJECT
        )
        return result

    def prune_build_cache(
        self, filters: Mapping[str, Sequence[str]] | None = None, *, all: bool = False, keep: int = 0
    ) -> dict[str, Any]:
        query = {"all": all or None, "keep-storage": keep or None, "filters": json.dumps(filters) if filters else None}
        result: dict[str, Any] = self._engine.call("POST", "/build/prune", query, expect=OBJECT)
        return result

    def search(
        self, term: str, filters: Mapping[str, Sequence[str]] | None, limit: int | None, auth: str | None
    ) -> Objects:
        query = {"term": term, "limit": limit, "filters": json.dumps(filters) if filters else None}
        headers = {"X-Registry-Auth": auth} if auth else None
        return self._engine.call("GET", "/images/search", query, headers=headers, expect=MAYBE_OBJECTS) or []

    def pull(self, ref: str, *, platform: str | None = None, auth: str | None = None) -> Iterator[dict[str, Any]]:
        repository, tag = split_version(ref)
        return self._engine.lines(
            "POST",
            "/images/create",
            {"fromImage": repository, "tag": tag, "platform": platform or None},
            headers={"X-Registry-Auth": auth} if auth else None,
        )

    def push(self, ref: str, *, auth: str | None = None) -> Iterator[dict[str, Any]]:
        repository, tag = split_version(ref)
        # dockerd insists on the header, be it empty
        headers = {"X-Registry-Auth": auth or "e30="}
        return self._engine.lines("POST", f"/images/{_path(repository)}/push", {"tag": tag}, headers=headers)

    def import_(
        self,
        stream: Iterable[bytes],
        ref: str | None,
        changes: Sequence[str],
        message: str | None,
        platform: str | None,
    ) -> Iterator[dict[str, Any]]:
        repository, tag = split_version(ref) if ref else (None, None)
        query = {
            "fromSrc": "-",
            "repo": repository,
            "tag": tag,
            "changes": list(changes),
            "message": message,
            "platform": platform,
        }
        return self._engine.lines(
            "POST", "/images/create", query, stream, headers={"Content-Type": "application/x-tar"}
        )

    def load(self, stream: Iterable[bytes], *, quiet: bool = False) -> Iterator[dict[str, Any]]:
        return self._engine.lines(
            "POST", "/images/load", {"quiet": quiet}, stream, headers={"Content-Type": "application/x-tar"}
        )

    def save(self, refs: Sequence[str]) -> Iterator[bytes]:
        with self._engine.stream("GET", "/images/get", {"names": list(refs)}) as response:
            yield from response.blocks()

    def build(
        self, query: Mapping[str, Any], context: Iterable[bytes], auth: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """POST /build with a tar of the context."""
        headers = {"Content-Type": "application/x-tar"}
        if auth:
            headers["X-Registry-Config"] = auth
        return self._engine.lines("POST", "/build", query, context, headers=headers)

    def build_local(
        self, body: Mapping[str, Any], auth: str | None = None, *, events: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Our engine only: build from a directory that the engine can read itself. With ``events`` each line is an event
        of the build instead of the classic builder's text."""
        headers = {"X-Registry-Config": auth} if auth else None
        query = {"events": True} if events else None
        return self._engine.lines("POST", "/pycompose/build", query, dict(body), headers=headers, versioned=False)

    def check_local(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Our engine only: the build checks on what `build_local` would build."""
        found: dict[str, Any] = self._engine.call(
            "POST", "/pycompose/build/check", None, dict(body), versioned=False, expect=OBJECT
        )
        return found

    def offer(self, address: str, refs: Sequence[str]) -> dict[str, str]:
        """Our engine only: let others pull images from an address of this machine; the digest of each."""
        body = {"address": address, "images": list(refs)}
        found: dict[str, str] = self._engine.call(
            "POST", "/pycompose/pulls", None, body, versioned=False, expect="object"
        )
        return found

    def bootstrap(
        self, ref: str, *, mirror: str | None = None, allow_expired: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Our engine only: build a base image from the distribution's signed archive."""
        query = {"ref": ref, "mirror": mirror or None, "allow_expired": allow_expired or None}
        return self._engine.lines("POST", "/pycompose/images/bootstrap", query, versioned=False)


def _path(ref: str) -> str:
    """A reference as path segments; its slashes stay, as the API has it."""
    return (
        "/".join(quote(part) if part != "" else "" for part in ref.split("/")).replace("%3A", ":").replace("%40", "@")
    )
