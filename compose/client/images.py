"""Calls of the Engine API on images, and our engine's own bootstrap and local build."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...grammar.references import split_version
from .answers import MAYBE_OBJECTS, OBJECT, OBJECTS, Shape
from .caller import TAR, Request
from .http import quote

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .bodies import builds
    from .bodies import images as bodies
    from .bodies.containers import Pruned
    from .caller import Caller
    from .http import Query

_ROWS: Shape[list[bodies.ImageRow]] = Shape(OBJECTS, {"Created": "number", "Containers": "number"})
_IMAGE: Shape[bodies.Image] = Shape(
    OBJECT, {"Created": "string", "Config": "object", "RootFS": "object", "Layers": "strings"}
)
_HISTORY: Shape[list[bodies.Layer]] = Shape(OBJECTS, {"Created": "number"})
_REMOVED: Shape[list[bodies.Removed] | None] = Shape(MAYBE_OBJECTS)
_PRUNED: Shape[bodies.ImagesPruned] = Shape(OBJECT)
_CACHE_PRUNED: Shape[Pruned] = Shape(OBJECT)
_FOUND: Shape[list[bodies.Found] | None] = Shape(MAYBE_OBJECTS)
TRANSFER: Shape[bodies.Transfer] = Shape(OBJECT)
_BUILD: Shape[builds.Line] = Shape(OBJECT, {"status": "string or object"})
_CHECKED: Shape[builds.Checked] = Shape(OBJECT)
_RECENTS: Shape[builds.Recents] = Shape(
    OBJECT,
    {
        **dict.fromkeys(("Revision", "Created", "Finished", "Total", "Number", "Seconds"), "number"),
        **dict.fromkeys(("Name", "State", "Image", "Stage", "Output", "Text"), "string"),
        "Ids": "strings",
        "Builds": OBJECTS,
        "Steps": OBJECTS,
    },
)
_DIGESTS: Shape[dict[str, str]] = Shape("texts")


class Images:
    """What an engine can do with images; ``ref`` is a name with a tag or digest, or an id. Credentials are the value of
    X-Registry-Auth. Raises `NotFound` (404), `EngineError`."""

    def __init__(self, engine: Caller) -> None:
        self._engine = engine

    def list(self, filters: Mapping[str, Sequence[str]] | None = None, *, all: bool = False) -> list[bodies.ImageRow]:
        """GET /images/json: those with a name, with ``all`` what they are built upon as well."""
        query: Query = {"all": all or None, "filters": json.dumps(filters) if filters else None}
        return self._engine.ask(Request("GET", "/images/json", query), _ROWS)

    # ``platform`` and ``platforms`` are OS/ARCHITECTURE[/VARIANT]: which image of several under one name is meant.
    def inspect(self, ref: str, platform: str | None = None) -> bodies.Image:
        """GET /images/{name}/json; ``platform`` chooses one of an index."""
        query: Query = {"platform": _platform(platform)}
        return self._engine.ask(Request("GET", f"/images/{_path(ref)}/json", query), _IMAGE)

    def history(self, ref: str, platform: str | None = None) -> builtins.list[bodies.Layer]:
        """The steps it was built in, the newest first, with the bytes of each."""
        query: Query = {"platform": _platform(platform)}
        return self._engine.ask(Request("GET", f"/images/{_path(ref)}/history", query), _HISTORY)

    def tag(self, ref: str, new: str) -> None:
        """One more name for it."""
        repository, tag = split_version(new)
        self._engine.call(Request("POST", f"/images/{_path(ref)}/tag", {"repo": repository, "tag": tag}))

    def remove(
        self, ref: str, *, force: bool = False, no_prune: bool = False, platforms: Sequence[str] = ()
    ) -> builtins.list[bodies.Removed]:
        """Take a name away, and with the last one the image; what was untagged and deleted. ``force`` also one that stopped
        containers use."""
        query: Query = {"force": force or None, "noprune": no_prune or None, "platforms": _platforms(platforms)}
        return self._engine.ask(Request("DELETE", f"/images/{_path(ref)}", query), _REMOVED) or []

    def prune(self, filters: Mapping[str, Sequence[str]] | None = None) -> bodies.ImagesPruned:
        """Delete those without a name, or as ``filters`` say; what is gone, and the bytes that this freed."""
        return self._engine.ask(Request("POST", "/images/prune", {"filters": json.dumps(filters or {})}), _PRUNED)

    def prune_build_cache(
        self, filters: Mapping[str, Sequence[str]] | None = None, *, all: bool = False, keep: int = 0
    ) -> Pruned:
        """Delete steps of builds that no image needs; what is gone, and the bytes that this freed."""
        query: Query = {
            "all": all or None,
            "keep-storage": keep or None,
            "filters": json.dumps(filters) if filters else None,
        }
        return self._engine.ask(Request("POST", "/build/prune", query), _CACHE_PRUNED)

    def search(
        self, term: str, filters: Mapping[str, Sequence[str]] | None, limit: int | None, auth: str | None
    ) -> builtins.list[bodies.Found]:
        """What Docker Hub finds."""
        query: Query = {"term": term, "limit": limit, "filters": json.dumps(filters) if filters else None}
        headers = {"X-Registry-Auth": auth} if auth else None
        return self._engine.ask(Request("GET", "/images/search", query, headers=headers), _FOUND) or []

    def pull(self, ref: str, *, platform: str | None = None, auth: str | None = None) -> Iterator[bodies.Transfer]:
        """Fetch it from its registry: the progress, in lines. An error ends them with `EngineError`."""
        repository, tag = split_version(ref)
        query = {"fromImage": repository, "tag": tag, "platform": platform or None}
        headers = {"X-Registry-Auth": auth} if auth else None
        return self._engine.lines(Request("POST", "/images/create", query, headers=headers), TRANSFER)

    def push(self, ref: str, *, auth: str | None = None, platform: str | None = None) -> Iterator[bodies.Transfer]:
        """Send it to its registry: the progress, in lines. An error ends them with `EngineError`."""
        repository, tag = split_version(ref)
        # dockerd insists on the header, be it empty
        headers = {"X-Registry-Auth": auth or "e30="}
        query: Query = {"tag": tag, "platform": _platform(platform)}
        request = Request("POST", f"/images/{_path(repository)}/push", query, headers=headers)
        return self._engine.lines(request, TRANSFER)

    def import_(
        self,
        stream: Iterable[bytes],
        ref: str | None,
        changes: Sequence[str],
        message: str | None,
        platform: str | None,
    ) -> Iterator[bodies.Transfer]:
        """An image of one layer from a tar of a file system; its id."""
        repository, tag = split_version(ref) if ref else (None, None)
        query: Query = {
            "fromSrc": "-",
            "repo": repository,
            "tag": tag,
            "changes": list(changes),
            "message": message,
            "platform": platform,
        }
        return self._engine.lines(Request("POST", "/images/create", query, stream, TAR), TRANSFER)

    def load(
        self, stream: Iterable[bytes], *, quiet: bool = False, platforms: Sequence[str] = ()
    ) -> Iterator[bodies.Transfer]:
        """Images from an archive of `save`, or an OCI layout: what is said about them, in lines."""
        query: Query = {"quiet": quiet, "platform": _platforms(platforms)}
        return self._engine.lines(Request("POST", "/images/load", query, stream, TAR), TRANSFER)

    def save(self, refs: Sequence[str], platforms: Sequence[str] = ()) -> Iterator[bytes]:
        """Images with their names as one archive."""
        query: Query = {"names": list(refs), "platform": _platforms(platforms)}
        with self._engine.stream(Request("GET", "/images/get", query)) as response:
            yield from response.blocks()

    def build(self, query: Query, context: Iterable[bytes], auth: str | None = None) -> Iterator[builds.Line]:
        """POST /build with a tar of the context."""
        headers = {**TAR, "X-Registry-Config": auth} if auth else TAR
        return self._engine.lines(Request("POST", "/build", query, context, headers), _BUILD)

    def build_local(
        self, body: Mapping[str, object], auth: str | None = None, *, events: bool = False
    ) -> Iterator[builds.Line]:
        """Our engine only: build from a directory that the engine can read itself. With ``events`` each line is an event
        of the build instead of the classic builder's text."""
        headers = {"X-Registry-Config": auth} if auth else None
        query = {"events": True} if events else None
        return self._engine.lines(
            Request("POST", "/pycompose/build", query, dict(body), headers, versioned=False), _BUILD
        )

    def check_local(self, body: Mapping[str, object]) -> builds.Checked:
        """Our engine only: the build checks on what `build_local` would build."""
        return self._engine.ask(Request("POST", "/pycompose/build/check", None, dict(body), versioned=False), _CHECKED)

    def recent_builds(self, after: int = 0) -> builds.Recents:
        """Our engine only: what builds do and the last ones did; of those that have changed after the revision of an earlier
        answer. Raises `NotFound` of an engine that does not tell."""
        return self._engine.ask(Request("GET", "/pycompose/builds", {"after": after}, versioned=False), _RECENTS)

    def offer(self, address: str, refs: Sequence[str]) -> dict[str, str]:
        """Our engine only: let others pull images from an address of this machine; the digest of each."""
        body = {"address": address, "images": list(refs)}
        return self._engine.ask(Request("POST", "/pycompose/pulls", None, body, versioned=False), _DIGESTS)

    def bootstrap(
        self, ref: str, *, mirror: str | None = None, allow_expired: bool = False
    ) -> Iterator[bodies.Transfer]:
        """Our engine only: build a base image from the distribution's signed archive."""
        query: Query = {"ref": ref, "mirror": mirror or None, "allow_expired": allow_expired or None}
        return self._engine.lines(Request("POST", "/pycompose/images/bootstrap", query, versioned=False), TRANSFER)


def _path(ref: str) -> str:
    """A reference as path segments; its slashes stay, as the API has it."""
    return (
        "/".join(quote(part) if part != "" else "" for part in ref.split("/")).replace("%3A", ":").replace("%40", "@")
    )


def _platform(text: str | None) -> str | None:
    """An OCI platform as the Engine API takes it in queries. A lone word is an architecture of Linux."""
    if not text:
        return None
    system, slash, rest = text.partition("/")
    architecture, _, variant = rest.partition("/") if slash else (system, "", "")
    given = {"os": system if slash else "linux", "architecture": architecture, "variant": variant}
    return json.dumps({name: value for name, value in given.items() if value}, separators=(",", ":"))


def _platforms(texts: Sequence[str]) -> list[str] | None:
    return [one for one in map(_platform, texts) if one] or None
