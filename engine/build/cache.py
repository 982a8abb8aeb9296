"""The build cache: what a step with this key made, by digests of everything that can change its result.

Records live in the store (kind ``build-cache``) and name a layer by chain ID, atop the parent chain that is part of the
key; layers they name are kept from collection. ``memo`` records hold values derived from immutable things. Everything may
be called from any thread.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypedDict, TypeVar, cast

from .. import documents
from ..images.types import Layer
from ..shapes import members
from ..timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..images.service import Images
    from ..store import Store

M = TypeVar("M")

KIND = "build-cache"
MEMO = "build-memo"
_TOUCH = 60.0  # seconds before another use is written down


class BuildCacheEntry(TypedDict):
    """One entry of BuildCache in ``GET /system/df``; times are RFC 3339 text."""

    ID: str
    Parents: list[str] | None
    Type: str
    Description: str
    InUse: bool
    Shared: bool
    Size: int
    CreatedAt: str
    LastUsedAt: str
    UsageCount: int


def key_of(*parts: object) -> str:
    """A key from JSON-like parts; their order counts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """One remembered step. ``layer`` is None when the step changed nothing. Times in seconds since the epoch.

    ``extra`` belongs to whoever stored it.
    """

    key: str
    layer: Layer | None = None
    parent: str = ""
    text: str = ""
    created: float = 0.0
    used: float = 0.0
    uses: int = 0
    extra: Mapping[str, object] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        layer = self.layer
        return {
            "layer": None if layer is None else asdict(layer),
            "parent": self.parent,
            "text": self.text,
            "created": self.created,
            "used": self.used,
            "uses": self.uses,
            "extra": dict(self.extra),
        }

    @staticmethod
    def parse(key: str, body: Mapping[str, object]) -> CacheRecord:
        """A layer was a list before records had versions. Raises Incomplete."""
        known, layer = body.get("layer"), None
        if known:
            layer = Layer(*known) if isinstance(known, list) else documents.build(Layer, members(known))
        return documents.build(CacheRecord, body, key=key, layer=layer)


class BuildCache:
    def __init__(self, store: Store, images: Images, clock: Callable[[], float] = time.time) -> None:
        self._store, self._images, self._clock = store, images, clock
        images.protect(self._chains)

    def _chains(self) -> Iterator[str]:
        for record in self.records():
            if record.layer is not None:
                yield record.layer.chain_id

    def records(self) -> list[CacheRecord]:
        return [CacheRecord.parse(key, body) for key, body in self._store.all(KIND).items()]

    def find(self, key: str) -> CacheRecord | None:
        """The record of a step, if its layer is still there."""
        body = self._store.get(KIND, key)
        if body is None:
            return None
        record = CacheRecord.parse(key, body)
        if record.layer is not None and not self._images.layer_path(record.layer).is_dir():
            self._store.delete(KIND, key)
            return None
        now = self._clock()
        if now - record.used > _TOUCH:
            self._store.put(KIND, key, {**body, "used": now, "uses": record.uses + 1})
        return record

    def add(
        self,
        key: str,
        layer: Layer | None,
        *,
        parent: str,
        text: str,
        extra: Mapping[str, object] | None = None,
        created: float | None = None,
    ) -> CacheRecord:
        now = self._clock()
        record = CacheRecord(key, layer, parent, text, now if created is None else created, now, 1, extra or {})
        self._store.put(KIND, key, record.document())
        return record

    def memo(self, key: str, compute: Callable[[], M]) -> M:
        """A JSON value that depends on ``key`` alone: what ``compute`` has once given for it."""
        body = self._store.get(MEMO, key)
        if body is not None:
            return cast("M", body["value"])
        value = compute()
        self._store.put(MEMO, key, {"value": value})
        return value

    def recall(self, key: str) -> object:
        """What `remember` was told last, None for nothing."""
        body = self._store.get(MEMO, key)
        return None if body is None else body["value"]

    def remember(self, key: str, value: object) -> None:
        """A JSON value that may change."""
        self._store.put(MEMO, key, {"value": value})

    # Docker's view -------------------------------------------------------------------------------------------------
    def usage(self, in_use: Callable[[str], bool] = lambda chain: False) -> list[BuildCacheEntry]:
        """BuildCache entries of ``GET /system/df``."""
        return [_docker(record, in_use) for record in self.records()]

    def prune(self, *, all: bool = False, keep_storage: int = 0, until: float | None = None) -> list[str]:
        """Forget records, least recently used first, until at most ``keep_storage`` bytes are left; their ids.

        Without ``all`` only records that no image shares its layer with; ``until`` spares what was used after that time.
        The layers are the images' to collect.
        """
        shared = self._image_chains()
        records = sorted(self.records(), key=lambda record: record.used)
        left = sum(_size(record) for record in records)
        removed: list[str] = []
        with self._store.transaction():
            for record in records:
                late = until is not None and record.used > until
                is_shared = record.layer is not None and record.layer.chain_id in shared
                if late or (is_shared and not all) or (keep_storage and left <= keep_storage):
                    continue
                self._store.delete(KIND, record.key)
                removed.append(record.key)
                left -= _size(record)
            if all and until is None:
                for key in self._store.all(MEMO):
                    self._store.delete(MEMO, key)
        return removed

    def _image_chains(self) -> set[str]:
        return {layer.chain_id for image in self._images.list() for layer in image.layers}


def _size(record: CacheRecord) -> int:
    return record.layer.size if record.layer else 0


def _docker(record: CacheRecord, in_use: Callable[[str], bool]) -> BuildCacheEntry:
    return {
        "ID": record.key[:25],
        "Parents": [record.parent] if record.parent else None,
        "Type": "regular",
        "Description": record.text,
        "InUse": record.layer is not None and in_use(record.layer.chain_id),
        "Shared": False,
        "Size": _size(record),
        "CreatedAt": timestamp(record.created),
        "LastUsedAt": timestamp(record.used),
        "UsageCount": record.uses,
    }


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with nanoseconds, as Docker writes it."""
    return rfc3339(int(seconds * 10**9))
