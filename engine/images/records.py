"""Image and tag records: which images there are, what they are called, and how to find one by what a user typed.

    image   sha256:<hex>                         {"layers": [chain ids, bottom first], "parent", "tagged", "manifests"}
    tag     docker.io/library/debian:bookworm    {"image": id, "at": seconds}
    digest  docker.io/library/debian@sha256:…    {"image": id}

A tag or digest that stands for an image index has its digest as ``index``; ``image`` is what the name means where no platform is
said (indexes.py).

The configuration itself is a blob whose digest is the image's id.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ..errors import EngineError, InvalidParameter, NotFound
from . import reference
from .types import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..store import Store
    from .blobs import Blobs
    from .bodies import ImageConfig, ImageRecord
    from .layers import Layers
    from .reference import Reference

IMAGE, TAG, DIGEST = "image", "tag", "digest"


class Records:
    """Images by id, tags and digests by canonical name. Thread-safe; parsed configurations are cached."""

    def __init__(self, store: Store, blobs: Blobs, layers: Layers) -> None:
        self._store = store
        self._blobs = blobs
        self._layers = layers
        self._lock = threading.Lock()
        self._parsed: dict[str, Image] = {}

    # images --------------------------------------------------------------------------------------------------------
    def get(self, id: str) -> Image | None:
        """The image with its current names, or None."""
        image = self.nameless(id)
        if image is None:
            return None
        tags = tuple(sorted(_familiar(name) for name, record in self._store.all(TAG).items() if record["image"] == id))
        digests = tuple(
            sorted(_familiar(name) for name, record in self._store.all(DIGEST).items() if record["image"] == id)
        )
        return replace(image, repo_tags=tags, repo_digests=digests)

    def nameless(self, id: str) -> Image | None:
        """The image as it is whatever it is called, or None."""
        with self._lock:
            image = self._parsed.get(id)
        if image is not None:
            return image
        record = self.record(id)
        if record is None:
            return None
        layers = []
        for level in record["layers"]:
            layer = self._layers.get(level)
            if layer is None:
                raise EngineError(f"image {id}: layer {level} is missing from the store")
            layers.append(layer)
        config: ImageConfig = json.loads(self._blobs.read(id))  # whose shape was checked when it was stored
        image = Image(
            id,
            config,
            tuple(layers),
            size=sum(layer.size for layer in layers),
            created=config.get("created") or "",
            parent=record.get("parent", ""),
        )
        with self._lock:
            self._parsed[id] = image
        return image

    def record(self, id: str) -> ImageRecord | None:
        return cast("ImageRecord | None", self._store.get(IMAGE, id))

    def records(self) -> dict[str, ImageRecord]:
        """All of them, by id."""
        return cast("dict[str, ImageRecord]", self._store.all(IMAGE))

    def put(self, id: str, record: ImageRecord) -> None:
        self._store.put(IMAGE, id, record)

    def all(self) -> list[Image]:
        """Every image with its names, in no particular order."""
        tags: dict[str, list[str]] = {}
        for name, record in self._store.all(TAG).items():
            tags.setdefault(str(record["image"]), []).append(_familiar(name))
        digests: dict[str, list[str]] = {}
        for name, record in self._store.all(DIGEST).items():
            digests.setdefault(str(record["image"]), []).append(_familiar(name))
        images = []
        for id in self._store.all(IMAGE):
            image = self.nameless(id)
            if image is not None:
                images.append(
                    replace(
                        image,
                        repo_tags=tuple(sorted(tags.get(id, ()))),
                        repo_digests=tuple(sorted(digests.get(id, ()))),
                    )
                )
        return images

    def delete(self, id: str) -> None:
        with self._store.transaction():
            for kind in (TAG, DIGEST):
                for name, record in self._store.all(kind).items():
                    if record["image"] == id:
                        self._store.delete(kind, name)
            self._store.delete(IMAGE, id)
        with self._lock:
            self._parsed.pop(id, None)

    # names ---------------------------------------------------------------------------------------------------------
    def tag(self, id: str, ref: Reference, index: str = "") -> str:
        """Point a name at an image, which is the default one of ``index``; returns the id it pointed at before, or ""."""
        of = {"image": id, "index": index} if index else {"image": id}
        with self._store.transaction():
            if ref.digest:
                self._store.put(DIGEST, f"{ref.name}@{ref.digest}", of)
            if not ref.tag:
                return ""
            name = f"{ref.name}:{ref.tag}"
            before = self._store.get(TAG, name)
            self._store.put(TAG, name, {**of, "at": time.time()})
            record = self._store.get(IMAGE, id)
            if record is not None:
                self._store.put(IMAGE, id, {**record, "tagged": time.time()})
        return str(before["image"]) if before and before["image"] != id else ""

    def move_names(self, index: str, ids: Iterable[str], to: str) -> None:
        """Have the names of an index that mean one of these images mean another of its images."""
        gone = set(ids)
        with self._store.transaction():
            for kind in (TAG, DIGEST):
                for name, record in self._store.all(kind).items():
                    if record.get("index") == index and record["image"] in gone:
                        self._store.put(kind, name, {**record, "image": to})

    def tags_of(self, repository: str, index: str) -> set[str]:
        """The tags of a repository (its canonical name) that stand for an index."""
        found = set()
        for name, record in self._store.all(TAG).items():
            ref = reference.parse(name)
            if ref.name == repository and record.get("index") == index:
                found.add(ref.tag)
        return found

    def untag(self, ref: Reference) -> str:
        """Remove a name; returns the id it pointed at, or "" when there was none."""
        kind, name = (DIGEST, f"{ref.name}@{ref.digest}") if ref.digest else (TAG, f"{ref.name}:{ref.tag}")
        with self._store.transaction():
            record = self._store.get(kind, name)
            if record is None:
                return ""
            self._store.delete(kind, name)
        return str(record["image"])

    def named(self, ref: Reference) -> str:
        """The id that a name with tag or digest points at, or ""."""
        if ref.digest:
            record = self._store.get(DIGEST, f"{ref.name}@{ref.digest}")
            if record is not None and ref.tag:
                tagged = self._store.get(TAG, f"{ref.name}:{ref.tag}")
                if tagged is not None and tagged["image"] != record["image"]:
                    record = None
        else:
            record = self._store.get(TAG, f"{ref.name}:{ref.tag}")
        return str(record["image"]) if record else ""

    def resolve(self, text: str) -> tuple[str, Reference | None]:
        """The image id for what a user typed, and the reference when it was found by name.

        A full id wins, then names, then a unique id prefix. Raises NotFound or InvalidParameter in Docker's words.
        """
        prefix = reference.id_prefix(text)
        if prefix is not None and len(prefix) == 64:
            if self._store.get(IMAGE, f"sha256:{prefix}") is not None:
                return f"sha256:{prefix}", None
            raise NotFound(f"No such image: {text}")
        if not text.startswith("sha256:"):
            ref = reference.parse(text).with_default_tag
            id = self.named(ref)
            if id:
                return id, ref
        if prefix is not None:
            found = [id for id in self._store.all(IMAGE) if id.startswith(f"sha256:{prefix}")]
            if len(found) == 1:
                return found[0], None
            if found:
                raise InvalidParameter(f"ambiguous image ID prefix: {text}")
        shown = (
            text
            if prefix is not None or text.startswith("sha256:")
            else reference.parse(text).with_default_tag.familiar
        )
        raise NotFound(f"No such image: {shown}")


def _familiar(name: str) -> str:
    return reference.parse(name).familiar
